"""The browsable documentation at /docs. Everything it needs is in this package: clouds have no internet."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response

from api.policy import anybody

router = APIRouter(include_in_schema=False)

ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "start.js": "text/javascript",
    "LICENSE": "text/plain",
}
_FOLDER: Final = Path(__file__).parent / "static" / "swagger-ui"
_HEADERS: Final = {
    # Swagger UI sets styles on elements and shows images from data: addresses; all else is our own.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'",
}
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Nephometer API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""


@router.get("/docs", dependencies=[anybody()])
async def page() -> Response:
    """The page that shows /openapi.json."""
    return HTMLResponse(_PAGE, headers=_HEADERS)


@router.get("/docs/{name}", dependencies=[anybody()])
async def asset(name: str) -> Response:
    """One of the files the page needs, and no other."""
    if name not in ASSETS:
        raise HTTPException(404)
    return FileResponse(_FOLDER / name, media_type=ASSETS[name], headers={"Cache-Control": "max-age=86400"})

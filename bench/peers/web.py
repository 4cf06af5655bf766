"""Rows and roll-up over HTTP: as little between the SQL and the socket as FastAPI allows.

`python -m bench.peers.web URL PORT`. One caller at a time, so each question is asked where it arrives, without a
thread. Answers hold what ours hold; metadata stays the text PostgreSQL gave.
"""

import sys

import msgspec
from fastapi import FastAPI
from starlette.responses import Response

from bench.peers.rollup import HourRow, Rollup, SampleRow, Span
from bench.peers.serving import serve

HOUR = 3_600_000_000


def create_app(rollup: Rollup) -> FastAPI:
    """The application of this roll-up."""
    app = FastAPI(openapi_url=None)

    @app.get("/statistics")
    async def statistics(meter: str, resource: str, begin: int, end: int) -> Response:
        return _json([_hour(row) for row in rollup.resource_by_hour(meter, resource, Span(begin, end))])

    @app.get("/latest")
    async def latest(meter: str, project: str) -> Response:
        return _json([_sample(row) for row in rollup.latest(meter, project)])

    @app.get("/since")
    async def since(resource: str, begin: int) -> Response:
        return _json([_sample(row) for row in rollup.of_resource_since(resource, begin)])

    @app.get("/newest")
    async def newest(meter: str, project: str, flavor: str, limit: int) -> Response:
        return _json([_sample(row) for row in rollup.newest_of_flavor(meter, project, flavor, limit)])

    return app


def _hour(row: HourRow) -> dict[str, object]:
    resource, hour, count, total, minimum, maximum = row
    return {
        "resource_id": resource,
        "period_start": hour,
        "period_end": hour + HOUR,
        "period": 3600,
        "count": count,
        "sum": total,
        "min": minimum,
        "max": maximum,
        "avg": total / count,
    }


def _sample(row: SampleRow) -> dict[str, object]:
    resource, project, meter, kind, unit, ts, value, metadata = row
    return {
        "resource_id": resource,
        "project_id": project,
        "meter": meter,
        "type": kind,
        "unit": unit,
        "timestamp": ts,
        "volume": value,
        "metadata": msgspec.Raw(metadata.encode()),
    }


def _json(rows: list[dict[str, object]]) -> Response:
    return Response(msgspec.json.encode(rows), media_type="application/json")


def main(url: str, port: str) -> None:
    """Serves until it is told to stop."""
    app = create_app(Rollup(url))
    serve(app, port)


if __name__ == "__main__":
    main(*sys.argv[1:])

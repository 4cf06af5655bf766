"""GET /v2/capabilities."""

import json

from fastapi import APIRouter
from starlette.responses import Response

from api.policy import may
from api.v2.arguments import Asked

router = APIRouter(tags=["capabilities"])

_API = {
    "meters:query:simple": True,
    "meters:query:metadata": True,
    "meters:query:complex": False,
    "meters:pagination": False,
    "resources:query:simple": True,
    "resources:query:metadata": True,
    "resources:query:complex": False,
    "resources:pagination": False,
    "samples:query:simple": True,
    "samples:query:metadata": True,
    "samples:query:complex": True,
    "samples:pagination": False,
    "statistics:groupby": True,
    "statistics:query:simple": True,
    "statistics:query:metadata": True,
    "statistics:query:complex": False,
    "statistics:pagination": False,
    "statistics:aggregation:standard": True,
    "statistics:aggregation:selectable:max": True,
    "statistics:aggregation:selectable:min": True,
    "statistics:aggregation:selectable:sum": True,
    "statistics:aggregation:selectable:avg": True,
    "statistics:aggregation:selectable:count": True,
    "statistics:aggregation:selectable:stddev": True,
    "statistics:aggregation:selectable:cardinality": True,
    "statistics:aggregation:selectable:quartile": False,
    "alarms:query:simple": True,
    "alarms:query:complex": True,
    "alarms:history:query:simple": True,
    "alarms:history:query:complex": True,
    "events:query:simple": True,
}


@router.get("/v2/capabilities", dependencies=[may("telemetry:get_capabilities")])
def get_capabilities(asked: Asked) -> Response:
    """What this API can do; what it cannot yet is false."""
    asked.check_names()
    content = {
        "api": _API,
        "storage": {"storage:production_ready": True},
        "alarm_storage": {"storage:production_ready": True},
        "event_storage": {"storage:production_ready": True},
    }
    return Response(json.dumps(content), media_type="application/json")

"""Alarms as callers send them, and the same as the store keeps them."""

from typing import Any

from starlette.testclient import TestClient

from storage.alarm import Alarm
from storage.alarms import Alarms
from storage.query import EVERYTHING
from tests.api.world import World

RULE = {"meter_name": "cpu_util", "threshold": 80.0}
IS_JSON = {"Content-Type": "application/json"}
BODY = {"name": "hot", "type": "threshold", "threshold_rule": RULE}


def create(client: TestClient, **changes: Any) -> dict[str, Any]:  # Any: JSON
    answer = client.post("/v2/alarms", json=BODY | changes)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def stored(world: World, alarm_id: str) -> Alarm:
    found = Alarms(world.database).get(EVERYTHING, alarm_id)
    assert found is not None
    return found

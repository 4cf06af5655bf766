"""Notifications made for tests of lives, and what they tell."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collector.envelope import Notification
from collector.lifecycle_definitions import load_life_rules
from collector.lifecycle_mapping import LifecycleMapping
from storage.fact import Fact

NOW = datetime(2024, 11, 23, 12, 0, tzinfo=UTC)
MAPPING = LifecycleMapping(load_life_rules())
RECORDED = Path(__file__).parent / "notifications"


def notification(
    event_type: str, payload: object, time: str, **fields: Any
) -> Notification:  # Any: the fields of one
    told = Notification(
        f"{event_type} {time}", "compute.cmp01", event_type, "info", payload, f"2024-11-22 {time}"
    )
    return replace(told, **fields)


def facts(*told: Notification, mapping: LifecycleMapping = MAPPING) -> list[Fact]:
    return [fact for one in told for fact in mapping.facts(one, NOW)]

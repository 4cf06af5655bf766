"""The recorded notifications of every service, and what is expected of each: `<event>.json`, `<event>.expected.json`.

Expected are the samples in their order and the event, its traits by type. Both must come out exactly.
"""

import json
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from storage.event import Event
from storage.sample import Sample

FOLDER = Path(__file__).parent / "notifications"
RECORDED = sorted(path for path in FOLDER.glob("*/*.json") if not path.name.endswith(".expected.json"))


def name_of(path: Path) -> str:
    """How a recorded notification is called in reports of the tests."""
    return f"{path.parent.name}/{path.stem}"


def expected(path: Path) -> dict[str, Any]:  # Any: JSON
    """What stands beside a recorded notification."""
    found: dict[str, Any] = json.loads(path.with_suffix(".expected.json").read_text())
    return found


def readable_sample(sample: Sample) -> dict[str, object]:
    """A sample as the expectations write it."""
    fields = asdict(sample) | {"timestamp": sample.timestamp.isoformat(), "id": sample.id and sample.id.hex()}
    return {key: value for key, value in fields.items() if value is not None}


def readable_event(event: Event) -> dict[str, object]:
    """An event as the expectations write it; what it has of the envelope is not repeated."""
    traits: dict[str, dict[str, object]] = defaultdict(dict)
    for trait in event.traits:
        traits[trait.type][trait.name] = str(trait.value) if trait.type == "datetime" else trait.value
    return {
        "event_type": event.event_type,
        "generated": str(event.generated),
        "project_id": event.project_id,
        "user_id": event.user_id,
        "traits": dict(traits),
    }

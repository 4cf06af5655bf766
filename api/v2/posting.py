"""Samples that callers post: checked, completed with who is calling, and made fit to be stored."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from api.auth import Identity
from api.errors import BadRequest, InvalidInput
from collector.draft import Draft
from collector.normalize import Unfit, normalize
from storage.sample import DEFAULT_SOURCE, Sample, make_id

TYPES = ("gauge", "delta", "cumulative")
MANDATORY = ("counter_name", "counter_type", "counter_unit", "counter_volume", "resource_id")
MAX_NESTING = 16

_KNOWN = frozenset(MANDATORY) | {
    "source", "user_id", "project_id", "timestamp", "recorded_at", "resource_metadata", "message_id",
}  # fmt: skip


def read_samples(
    body: object, meter: str, identity: Identity, now: datetime, key: str | None
) -> list[Sample]:
    """The samples of a posted array, in its order, ready to be stored.

    `key` is the caller's Idempotency-Key: with the same one a repeated post of delta samples counts once.
    All or nothing: raises BadRequest for the first sample that cannot be taken.
    """
    if not isinstance(body, list):
        raise BadRequest("Invalid request body: an array of samples is expected")
    if not body:
        raise BadRequest("Samples should be included in request body")
    batch = key or str(uuid.uuid4())
    return [
        _sample(_fields(item, meter), identity, now, (batch, str(ordinal)))
        for ordinal, item in enumerate(body)
    ]


def nested(metadata: Mapping[str, object]) -> dict[str, object]:
    """Metadata with dotted keys unfolded: {"a.b": 1} becomes {"a": {"b": 1}}; at most 16 levels."""
    result: dict[str, object] = {}
    for key, value in metadata.items():
        *path, leaf = key.split(".", MAX_NESTING - 1)
        place = result
        for name in path:
            below = place.get(name)
            place[name] = place = dict(below) if isinstance(below, Mapping) else {}
        place[leaf] = value
    return result


def _fields(item: object, meter: str) -> Mapping[str, object]:
    if not isinstance(item, dict):
        raise BadRequest("Invalid request body: a sample is an object")
    for name in item:
        if name not in _KNOWN:
            raise BadRequest(f"Unknown attribute: {name}")
    for name in MANDATORY:
        if item.get(name) is None:
            raise BadRequest(f"Invalid input for field/attribute {name}. Mandatory field missing.")
    if item["counter_name"] != meter:
        raise InvalidInput("counter_name", item["counter_name"], f"should be {meter}")
    if item.get("message_id"):
        raise InvalidInput("message_id", item["message_id"], "The message_id must not be set")
    if item["counter_type"] not in TYPES:
        raise InvalidInput(
            "counter_type", item["counter_type"], f"The counter type must be: {', '.join(TYPES)}"
        )
    return item


def _sample(fields: Mapping[str, object], identity: Identity, now: datetime, place: Sequence[str]) -> Sample:
    project_id = fields.get("project_id") or identity.project_id
    if not _may_post_for(identity, project_id):
        raise InvalidInput("project_id", project_id, "can not post samples to other projects")
    metadata = fields.get("resource_metadata") or {}
    if not isinstance(metadata, dict):
        raise InvalidInput("resource_metadata", "", "an object is expected")
    source = fields.get("source") or DEFAULT_SOURCE
    draft = Draft(
        meter=fields["counter_name"],
        type=fields["counter_type"],
        unit=fields["counter_unit"],
        volume=fields["counter_volume"],
        resource_id=fields["resource_id"],
        project_id=project_id,
        timestamp=fields.get("timestamp") or now,
        user_id=fields.get("user_id") or identity.user_id,
        source=f"{project_id}:{source}" if project_id else source,
        metadata=nested(metadata),
        id=make_id("api", identity.project_id or "", identity.user_id or "", *place),
    )
    sample = normalize(draft, now)
    if isinstance(sample, Unfit):
        raise BadRequest(f"Invalid sample of resource {fields['resource_id']}: {sample.reason}")
    return sample


def _may_post_for(identity: Identity, project_id: object) -> bool:
    return bool(identity.roles & {"admin", "service"}) or project_id == identity.project_id

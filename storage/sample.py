"""The word everything else is about: one reading of one meter of one resource."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

SampleType = Literal["gauge", "delta", "cumulative"]

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# The version and the variant of RFC 9562, in the 7th and the 9th byte of a UUID.
_ID_KEPT, _ID_SET = ~(0xF0 << 72 | 0xC0 << 56), 0x50 << 72 | 0x80 << 56
DEFAULT_SOURCE = "openstack"


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading: how much `volume` of `meter` the `resource_id` had at `timestamp`.

    `timestamp` is the moment of observation, timezone-aware UTC. `volume` is an int (exact to
    2**63) or a finite float. `project_id` is None for what no tenant owns (nodes, backends).
    `generation` names the life of a cumulative counter: a new one means it restarted from zero.
    `id` is the identity of a delta sample, 16 bytes, made once before the first send (`make_id`);
    gauge and cumulative samples need none: resource, meter and timestamp identify them.
    """

    meter: str
    type: SampleType
    unit: str
    volume: int | float
    resource_id: str
    project_id: str | None
    timestamp: datetime
    user_id: str | None = None
    source: str = DEFAULT_SOURCE
    metadata: Mapping[str, object] = field(default_factory=dict, hash=False)
    generation: str | None = None
    id: bytes | None = None


@dataclass(frozen=True, slots=True)
class StoredSample:
    """A sample as it was kept: `message_id` (a UUID text) names it, `recorded_at` is when it arrived."""

    message_id: str
    sample: Sample
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """What could not become a sample: kept in quarantine with its reason, never dropped.

    `origin` says where it came from ("notifications", "agent", "api"), `body` holds the original
    bytes (cut to 4 KiB by the store when `body` is larger than 1 MiB).
    """

    reason: str
    body: bytes
    origin: str
    received_at: datetime


def make_id(*parts: str) -> bytes:
    """16 bytes that name a delta sample: the same parts always give the same id.

    Parts are length-prefixed, so ("ab", "c") and ("a", "bc") differ. The result is a valid version 5 UUID.
    """
    content = b"".join(map(id_part, parts))
    found = int.from_bytes(hashlib.blake2b(content, digest_size=16).digest(), "big")
    return (found & _ID_KEPT | _ID_SET).to_bytes(16, "big")


def id_part(text: str) -> bytes:
    """What is hashed of a part of an id: its length and itself."""
    part = text.encode("utf-8", "surrogatepass")
    return len(part).to_bytes(8, "big") + part


def to_microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970 (UTC), exact; raises ValueError for a naive datetime."""
    if moment.tzinfo is None:
        raise ValueError("timestamp without a time zone")
    return (moment - EPOCH) // MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The UTC moment of whole microseconds since 1970."""
    return EPOCH + timedelta(microseconds=microseconds)


def flatten(metadata: Mapping[str, object]) -> dict[str, str]:
    """Metadata as the flat text mapping of the v2 API.

    Nested keys join with `.` first and `:` further down (`a.b:c`); every value becomes its text.
    """
    flat: dict[str, str] = {}
    _flatten_into(flat, "", ".", metadata)
    return flat


def _flatten_into(flat: dict[str, str], prefix: str, separator: str, metadata: Mapping[str, object]) -> None:
    for key, value in metadata.items():
        name = f"{prefix}{separator}{key}" if prefix else key
        if isinstance(value, Mapping):
            _flatten_into(flat, name, ":" if prefix else ".", value)
        else:
            flat[name] = str(value)

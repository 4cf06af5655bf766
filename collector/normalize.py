"""The one border where claims become samples: unit, time, identity, range and text are settled here.

Numbers. In a unit that is counted (`INTEGER_UNITS`) a whole volume becomes an int, exact to 2**63. In every
other unit it becomes a float, except an int beyond 2**53, which a float could not hold and which stays.
A volume may be decimal text ("12", "1.5", "2e3"), as python-ceilometerclient sends it; hexadecimal,
blanks, underscores, true, null, NaN and infinities are refused. Nothing is ever rounded to fit.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import cast

from collector.draft import Draft, Told
from collector.instants import read_instant
from collector.text import clean, tidy_metadata
from storage.ingest.keys import MeterKey, ResourceKey, bits_of
from storage.ingest.together import Together
from storage.sample import DEFAULT_SOURCE, INT64_MAX, INT64_MIN, Sample, SampleType, to_microseconds

IDENTIFIER_LIMIT = 255  # characters
FUTURE_LIMIT = timedelta(minutes=5)
EXACT_FLOAT = 2**53

# Units of things that are counted, where a fraction cannot occur. Seconds belong here because services
# report whole ones; what is measured in fractions of them has the unit `sec`.
# fmt: off
INTEGER_UNITS = frozenset({
    "B", "KB", "ns", "s", "second", "tick", "vcpu", "packet", "request", "requests", "response",
    "datagrams", "blocks", "connection", "entry", "flow", "instance", "image", "volume", "snapshot",
    "backup", "share", "network", "subnet", "port", "ports", "router", "ip", "loadbalancer", "listener",
    "pool", "vip", "member", "health_monitor", "firewall", "firewall_policy", "firewall_rule",
    "vpnservice", "ikepolicy", "ipsecpolicy", "ipsec_site_connection", "user", "project", "role",
    "role_assignment", "group", "trust", "stack", "cluster", "object", "container", "recordset",
    "serial", "switch", "table", "index", "status",
})
# fmt: on

_TYPES = ("gauge", "delta", "cumulative")
_DECIMAL = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_DECIMAL_LIMIT = 64

Tidy = Callable[[Mapping[object, object]], dict[str, object]]


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a draft can not become a sample, in words for whoever looks into quarantine."""

    reason: str


def normalize(draft: Draft, now: datetime, tidy: Tidy = tidy_metadata) -> Sample | Unfit:
    """The sample a draft stands for, or why it stands for none.

    `tidy` makes metadata fit; pass `remembering_metadata()` when many drafts share theirs.
    A gauge or cumulative sample loses its id: resource, meter and time identify it.
    """
    try:
        return _normalize(draft, now, tidy)
    except _Flaw as flaw:
        return Unfit(str(flaw))


def normalize_together(told: Told, now: datetime) -> Together | None:
    """What `normalize` makes of each of these readings, all at once.

    None where it refuses one, or two are of one meter: then each has to be judged alone.
    """
    try:
        polled: dict[MeterKey, int] = {}
        deltas: list[tuple[MeterKey, int, bytes]] = []
        for meter, kind, unit, claimed, identity in told.readings:
            key, real_key = _keys(meter, kind, unit)
            volume = _in_range(_volume(claimed, key.unit), key.type)
            found = real_key if type(volume) is float else key
            if key.type == "delta":
                deltas.append((found, bits_of(volume), _id(identity)))
            elif key in polled or real_key in polled:
                return None
            else:
                polled[found] = bits_of(volume)
        project_id = _optional(told.project_id, "project")
        return Together(
            ResourceKey(project_id or "", _identifier(told.resource_id, "resource")),
            _optional(told.user_id, "user"),
            DEFAULT_SOURCE,
            to_microseconds(_timestamp(told.timestamp, now)),
            _metadata(told.metadata, tidy_metadata),
            polled,
            deltas,
        )
    except (_Flaw, TypeError):  # TypeError: a name that is an object or a list
        return None


@lru_cache(4096)
def _keys(meter: object, kind: object, unit: object) -> tuple[MeterKey, MeterKey]:
    """A meter of whole and of real numbers."""
    name, its_kind, its_unit = _identifier(meter, "meter"), _kind(kind), _unit(unit)
    return MeterKey(name, its_kind, its_unit, real=False), MeterKey(name, its_kind, its_unit, real=True)


class _Flaw(Exception):
    """What is wrong with a field; ends one normalization and never leaves this file."""


def _normalize(draft: Draft, now: datetime, tidy: Tidy) -> Sample:
    if draft.flaw:
        raise _Flaw(draft.flaw)
    kind, unit = _kind(draft.type), _unit(draft.unit)
    return Sample(
        meter=_identifier(draft.meter, "meter"),
        type=kind,
        unit=unit,
        volume=_in_range(_volume(draft.volume, unit), kind),
        resource_id=_identifier(draft.resource_id, "resource"),
        project_id=_optional(draft.project_id, "project"),
        timestamp=_timestamp(draft.timestamp, now),
        user_id=_optional(draft.user_id, "user"),
        source=_optional(draft.source, "source") or DEFAULT_SOURCE,
        metadata=_metadata(draft.metadata, tidy),
        generation=_optional(draft.generation, "generation"),
        id=_id(draft.id) if kind == "delta" else None,
    )


def _kind(value: object) -> SampleType:
    if not isinstance(value, str) or value not in _TYPES:
        raise _Flaw("type is none of gauge, delta, cumulative")
    return cast("SampleType", value)  # mypy does not narrow by a tuple of literals


def _unit(value: object) -> str:
    if not isinstance(value, str):
        raise _Flaw("unit is not text")
    if len(value) > IDENTIFIER_LIMIT:
        raise _Flaw(f"unit is longer than {IDENTIFIER_LIMIT} characters")
    return clean(value)


def _identifier(value: object, name: str) -> str:
    text = _optional(value, name)
    if text is None:
        raise _Flaw(f"{name} is missing")
    return text


def _optional(value: object, name: str) -> str | None:
    """Clean text, or None for nothing and for empty text; raises _Flaw for all else."""
    if type(value) is str and 0 < len(value) <= IDENTIFIER_LIMIT and value.isascii() and "\0" not in value:
        return value  # as nearly all are
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _Flaw(f"{name} is not text")
    if len(value) > IDENTIFIER_LIMIT:
        raise _Flaw(f"{name} is longer than {IDENTIFIER_LIMIT} characters")
    return clean(value)


def _volume(value: object, unit: str) -> int | float:
    whole = unit in INTEGER_UNITS
    if type(value) is int:
        return value if whole or not -EXACT_FLOAT <= value <= EXACT_FLOAT else float(value)
    if type(value) is float:
        if not math.isfinite(value):
            raise _Flaw("volume is not finite")
        return int(value) if whole and value.is_integer() else value + 0.0  # -0.0 becomes 0.0
    if isinstance(value, str) and len(value) <= _DECIMAL_LIMIT and _DECIMAL.fullmatch(value):
        return _volume(_from_text(value), unit)
    raise _Flaw("volume is not a number")


def _from_text(text: str) -> int | float:
    """The number a decimal text names; whole ones without the detour through a float."""
    number = Decimal(text)
    is_exact = abs(number) <= INT64_MAX and number == number.to_integral_value()
    return int(number) if is_exact or text.lstrip("+-").isdigit() else float(text)


def _in_range(volume: int | float, kind: str) -> int | float:
    if isinstance(volume, int) and not INT64_MIN <= volume <= INT64_MAX:
        raise _Flaw("volume is beyond 64 bits")
    if volume < 0 and kind != "gauge":
        raise _Flaw(f"volume of a {kind} meter is negative")
    return volume


def _timestamp(value: object, now: datetime) -> datetime:
    try:
        moment = read_instant(value)
    except ValueError as error:
        raise _Flaw(f"timestamp: {error}") from error
    if moment - now > FUTURE_LIMIT:
        raise _Flaw("timestamp: a time more than 5 minutes in the future")
    return moment


def _metadata(value: object, tidy: Tidy) -> dict[str, object]:
    if value is None or value == "":
        return {}
    if type(value) is not dict and not isinstance(value, Mapping):
        raise _Flaw("metadata is not an object")
    return tidy(value)


def _id(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) != 16:
        raise _Flaw("a delta sample needs an id of 16 bytes")
    return value

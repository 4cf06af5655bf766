"""The values services send as the typed values of traits."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import cast

from collector.instants import read_instant
from collector.secrets import without_secrets
from collector.text import METADATA_LIMITS, clean, tidy_metadata
from storage.event import TraitType, TraitValue
from storage.sample import INT64_MAX, INT64_MIN

TEXT_LIMIT = 255  # characters, as Ceilometer cuts them
_READ_LIMIT = 4096  # characters in which secrets are looked for
_DIGITS_LIMIT = 64


def trait_value(kind: TraitType, value: object) -> TraitValue | None:
    """The value as text, integer, float or UTC moment; None for what is none, and for nothing.

    Text is cut at 255 characters; objects and lists become JSON without their secrets. Numbers and moments may be
    written as text. Nothing is rounded: 3.5 is no integer.
    """
    return None if value is None else CONVERSIONS[kind](value)


def _text(value: object) -> str:
    # Most text is as it shall be kept.
    if type(value) is str and len(value) <= TEXT_LIMIT and value.isascii() and "\0" not in value:
        return value if "?" not in value and "://" not in value else without_secrets(value)[:TEXT_LIMIT]
    if isinstance(value, str):
        text = without_secrets(value[:_READ_LIMIT])
    elif isinstance(value, Mapping):
        text = _json(value)
    elif isinstance(value, (list, tuple)):
        text = _json({"": value}, lambda tidied: tidied.get("", []))
    else:
        text = str(value)
    return clean(text[:TEXT_LIMIT])


def _json(value: Mapping[object, object], part: Callable[[dict[str, object]], object] = lambda it: it) -> str:
    tidied = tidy_metadata(value, METADATA_LIMITS)
    return json.dumps(part(tidied), ensure_ascii=False)


def _integer(value: object) -> int | None:
    if type(value) is int:
        return value if INT64_MIN <= value <= INT64_MAX else None
    number = _number(value)
    if number is None or (isinstance(number, float) and not number.is_integer()):
        return None
    whole = int(number)
    return whole if INT64_MIN <= whole <= INT64_MAX else None


def _float(value: object) -> float | None:
    number = _number(value)
    try:
        return None if number is None else float(number)
    except OverflowError:
        return None


def _number(value: object) -> int | float | None:
    """A finite number; true and false are 1 and 0, as in Ceilometer."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not isinstance(value, str) or len(value) > _DIGITS_LIMIT or "_" in value:
        return None
    for read in (int, float):
        try:
            number = read(value)
        except ValueError:
            continue
        return number if math.isfinite(number) else None
    return None


def _moment(value: object) -> datetime | None:
    try:
        return read_instant(value)
    except ValueError:
        return None


# What becomes of what was found, by type.
CONVERSIONS = cast(
    "Mapping[TraitType, Callable[[object], TraitValue | None]]",  # mypy joins them to `object`
    {"text": _text, "integer": _integer, "float": _float, "datetime": _moment},
)

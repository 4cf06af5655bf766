"""Which readings in columns an expression is true of: names are looked at once each, numbers all at a time."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storage.columns import Columns, Integers
from storage.expression import COMPARE, Compared, Expression, Leaf, OneOf, Truth, compared, truth
from storage.names import Names
from storage.packing import derived_message_id
from storage.reading.stored import FoundSample

METADATA: Final = "metadata."
NUMBERS: Final = frozenset({"volume", "timestamp", "recorded_at"})

Flags = NDArray[np.bool_]


def matching(expression: Expression, names: Names, found: Columns) -> Flags:
    """One flag for each reading; the names of all were learned."""
    flags = truth(expression, lambda leaf: _leaf(leaf, names, found))[0]
    return np.full(len(found.ts), flags) if isinstance(flags, bool) else flags


def value_of(sample: FoundSample, field: str) -> object:
    """A field of a sample; moments are microseconds since 1970 UTC. None is what is not there."""
    if field.startswith(METADATA):
        return _said(sample.version.metadata, field)
    return _FIELDS[field](sample)


_FIELDS: Final[Mapping[str, Callable[[FoundSample], object]]] = {
    "meter": lambda sample: sample.meter.name,
    "type": lambda sample: sample.meter.type,
    "unit": lambda sample: sample.meter.unit,
    "volume": lambda sample: sample.volume,
    "resource_id": lambda sample: sample.owner.resource_id,
    "project_id": lambda sample: sample.owner.project_id,
    "user_id": lambda sample: sample.version.user_id,
    "source": lambda sample: sample.version.source,
    "timestamp": lambda sample: sample.ts,
    "recorded_at": lambda sample: sample.recv,
    "message_id": lambda sample: sample.message_id,
    "message_signature": lambda _: None,  # nothing keeps it
}
FIELDS: Final = frozenset(_FIELDS)


def _leaf(leaf: Leaf, names: Names, found: Columns) -> Truth:
    field = leaf.field
    if field in NUMBERS:
        return _numbers(leaf, _column(field, found))
    if field in {"meter", "type", "unit"}:
        meter = names.meter(found.mid)
        return compared(leaf, {"meter": meter.name, "type": meter.type, "unit": meter.unit}[field])
    if field in {"resource_id", "project_id"}:
        return _each(leaf, found.rid, lambda rid: getattr(names.owner(rid), field))
    if field in {"user_id", "source"}:
        return _each(leaf, found.ver, lambda ver: getattr(names.version(ver), field))
    if field.startswith(METADATA):
        return _each(leaf, found.ver, lambda ver: _said(names.version(ver).metadata, field))
    if field == "message_id" and found.ids is None:
        pairs = zip(found.rid.tolist(), found.ts.tolist(), strict=True)
        return _listed(leaf, (derived_message_id(rid, found.mid, ts) for rid, ts in pairs))
    if field == "message_id":
        return _listed(leaf, (_uuid(one) for one in found.ids or ()))
    return False, False


def _column(field: str, found: Columns) -> Any:  # Any: numbers of one of two kinds
    if field == "volume":
        return found.volume
    return found.ts if field == "timestamp" or found.recv is None else found.recv


def _numbers(leaf: Leaf, column: Any) -> Truth:
    if isinstance(leaf, OneOf):
        flags = np.zeros(len(column), np.bool_)
        for value in leaf.values:
            flags |= column == value
        return flags, ~flags
    if not isinstance(leaf, Compared) or isinstance(leaf.value, (str, bool)):
        return False, False
    flags = COMPARE[leaf.op](column, leaf.value)
    return flags, ~flags


def _each(leaf: Leaf, column: Integers, value: Callable[[int], object]) -> Truth:
    """Told once for each different number of a column."""
    numbers, inverse = np.unique(column, return_inverse=True)
    is_true, is_false = _listed(leaf, map(value, numbers.tolist()))
    return is_true[inverse], is_false[inverse]


def _listed(leaf: Leaf, values: Iterable[object]) -> tuple[Flags, Flags]:
    flags = np.array([compared(leaf, value) for value in values], np.bool_).reshape(-1, 2)
    return flags[:, 0], flags[:, 1]


def _uuid(identity: bytes) -> str:
    text = identity.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _said(metadata: Mapping[str, object], field: str) -> object:
    """The value below a key of metadata, `a.b[0]`; keys that hold dots themselves are found, too."""
    return _below(metadata, field[len(METADATA) :])


def _below(value: object, path: str) -> object:
    if isinstance(value, Mapping):
        if path in value:
            return _plain(value[path])
        at = path.find(".")
        while at >= 0:
            if path[:at] in value:
                return _below(value[path[:at]], path[at + 1 :])
            at = path.find(".", at + 1)
        head, bracket, rest = path.partition("[")
        if bracket and head in value:
            return _item(value[head], bracket + rest)
    return None


def _item(value: object, path: str) -> object:
    """What stands at `[0]`, or further down at `[0].a`."""
    number, close, rest = path[1:].partition("]")
    if not (
        isinstance(value, list) and close and number.isascii() and number.isdecimal() and len(number) < 6
    ):
        return None
    if int(number) >= len(value):
        return None
    item = value[int(number)]
    if rest.startswith("["):
        return _item(item, rest)
    return _below(item, rest[1:]) if rest.startswith(".") else None if rest else _plain(item)


def _plain(value: object) -> object:
    """The value, unless it holds others."""
    return value if isinstance(value, (str, int, float)) else None

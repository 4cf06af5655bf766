"""What a rule finds in a notification or sample about one resource, its paths prepared once."""

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter

from collector.expressions import UNWRAPPED_KEYS, Expression, Path, Step, unwrapped
from collector.getters import Document
from collector.instants import read_instant
from collector.lifecycle_definitions import LifeRule
from collector.normalize import IDENTIFIER_LIMIT
from collector.text import clean
from storage.fact import Attributes, Scalar
from storage.sample import INT64_MAX, INT64_MIN

TEXT_LIMIT = 1000  # characters of an attribute
TIMES, ATTRIBUTES = slice(7, 10), slice(10, None)  # places in what is found

Found = list[object]


class Reading:
    """Reads for one rule; it never changes, so any thread may use it.

    What it finds is a value (None: nothing) for each of resource, project, type, size, status, zone, name, at,
    began_at and ended_at, then one for each attribute.
    """

    def __init__(self, rule: LifeRule) -> None:
        named = (rule.resource, rule.project, rule.type, rule.size, rule.status, rule.zone, rule.name)
        self._finder = Finder((*named, rule.at, rule.began_at, rule.ended_at, *rule.attributes.values()))
        self._names = tuple(rule.attributes)

    def find(self, document: Document) -> Found:
        """What all its paths lead to."""
        return self._finder.find(document)

    def attributes(self, found: Found, *, is_over: bool) -> Attributes:
        """What a resource is like; its status after its end is none it ever had."""
        _, project, kind, size, status, zone, name, *_ = found
        more = []
        for its_name, value in zip(self._names, found[ATTRIBUTES], strict=True):
            scalar = None if value is None else _scalar(value)
            if scalar is not None:
                more.append((its_name, scalar))
        return Attributes(
            identifier(project),
            _short(kind),
            _whole(size),
            None if is_over else _short(status),
            _short(zone),
            _short(name),
            tuple(more),
        )


class Finder:
    """Finds the values of expressions, those that stand side by side at once.

    Every way of a path is looked up, which costs less than to ask for one after the other as `Path.value` does.
    """

    def __init__(self, expressions: Sequence[Expression | None]) -> None:
        sides: dict[tuple[str, ...], list[tuple[str, int, int]]] = defaultdict(list)
        alone: list[tuple[Expression, int]] = []
        for place, one in enumerate(expressions):
            for rank, (way, keys) in enumerate(_ways(one)):
                if keys is None:
                    alone.append((way, place))
                else:
                    sides[keys[:-1]].append((keys[-1], place, rank))
        self._sides = [(holder, tuple(key for key, _, _ in side)) for holder, side in sides.items()]
        self._alone = [way for way, _ in alone]
        ranked = [(place, rank) for side in sides.values() for _, place, rank in side]
        ranked += [(place, 0) for _, place in alone]
        # Where the values of each expression come, the first way first; what is none has the one after all of them.
        slots = [
            [
                slot
                for _, slot in sorted((rank, slot) for slot, (at, rank) in enumerate(ranked) if at == place)
            ]
            for place in range(len(expressions))
        ]
        self._first = itemgetter(*(one[0] if one else len(ranked) for one in slots))
        self._more = [(place, one[1:]) for place, one in enumerate(slots) if len(one) > 1]

    def find(self, document: Document) -> Found:
        """A value for each expression (at least two of them), None where there is nothing."""
        values: Found = []
        for holder, keys in self._sides:
            values += _side_by_side(document, holder, keys)
        values += [one.value(document) for one in self._alone]
        values.append(None)
        found = list(self._first(values))
        for place, slots in self._more:
            if found[place] is None:
                for slot in slots:
                    if values[slot] is not None:
                        found[place] = values[slot]
                        break
        return found


def _ways(expression: Expression | None) -> list[tuple[Expression, tuple[str, ...] | None]]:
    """An expression, or each of the ways of a path of which each is of keys alone (which come with it)."""
    if expression is None:
        return []
    if not isinstance(expression, Path) or not all(map(_is_of_keys, expression.ways)):
        return [(expression, None)]
    return [(expression, tuple(map(str, way))) for way in expression.ways]


def _is_of_keys(way: Sequence[Step]) -> bool:
    return len(way) > 1 and all(isinstance(step, str) for step in way)


def _side_by_side(document: Document, way: Sequence[str], keys: Sequence[str]) -> Found:
    """The values of these keys in what stands at this way, as `Path.value` finds them one by one."""
    holder: object = document
    for key in way:
        if type(holder) is not dict:
            break
        found: object = holder.get(key)
        holder = _values(holder, (key,))[0] if found is None else found
    if type(holder) is not dict:
        return [None] * len(keys)
    values = _values(holder, keys)
    return [None if value == "" else value for value in values] if "" in values else values


def _values(holder: dict[object, object], keys: Sequence[str]) -> Found:
    """What stands at these keys, in the versioned object if it is one; a key beside that object comes before it."""
    values: Found = list(map(holder.get, keys))
    if len(holder) <= UNWRAPPED_KEYS and None in values:
        inner = unwrapped(holder)
        if inner is not holder and isinstance(inner, dict):
            return [
                inner.get(key) if value is None else value for key, value in zip(keys, values, strict=True)
            ]
    return values


def moment(value: object, latest: datetime) -> datetime | None:
    """A time that can be read and is not after `latest`; None for all else."""
    if value is None:
        return None
    try:
        found = read_instant(value)
    except ValueError:
        return None
    return found if found <= latest else None


def _scalar(found: object) -> Scalar | None:
    """Text, not too long of it, a number or a truth value that can be stored; None for all else."""
    if isinstance(found, str):
        return clean(found[:TEXT_LIMIT])
    if isinstance(found, float):
        return found if math.isfinite(found) else None
    if isinstance(found, int):
        return found if INT64_MIN <= found <= INT64_MAX else None
    return None


def identifier(found: object) -> str | None:
    """An identifier; None where there is none or it is too long to be one."""
    return clean(found) if isinstance(found, str) and 0 < len(found) <= IDENTIFIER_LIMIT else None


def _short(found: object) -> str | None:
    """Text as long as an identifier may be, the beginning of longer one."""
    return clean(found[:IDENTIFIER_LIMIT]) if isinstance(found, str) and found else None


def _whole(found: object) -> int | None:
    """A whole number, be it written as text; None for all else."""
    if isinstance(found, str) and found.isascii() and found.isdecimal() and len(found) < len(str(INT64_MAX)):
        found = int(found)
    if isinstance(found, float) and math.isfinite(found) and found.is_integer():
        found = int(found)
    return found if type(found) is int and INT64_MIN <= found <= INT64_MAX else None

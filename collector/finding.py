"""The values of many expressions found at once, for those that are asked of every notification.

Most are paths of keys whose last ones stand side by side: these are looked up in one go.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from operator import itemgetter

from collector.expressions import (
    UNWRAPPED_KEYS,
    Alteration,
    Altered,
    Expression,
    Path,
    Step,
    unwrapped,
)

Document = Mapping[str, object]
Found = list[object]


class Finder:
    """Finds the values of at least two expressions; it never changes, so any thread may use it.

    Every way of a path is looked up, which costs less than to ask for one after the other as `Path.value` does.
    """

    def __init__(self, expressions: Sequence[Expression | None]) -> None:
        sides: dict[tuple[str, ...], list[tuple[str, int, int]]] = defaultdict(list)
        alone: list[tuple[Expression, int]] = []
        self._altered: list[tuple[int, Sequence[Alteration]]] = []
        for place, expression in enumerate(expressions):
            one = expression
            if isinstance(one, Altered) and isinstance(one.source, Path):
                self._altered.append((place, one.alterations))
                one = one.source
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
        """A value for each expression, None where there is nothing."""
        values: Found = []
        for way, keys in self._sides:
            holder: object = document
            for key in way:
                holder = holder.get(key) if type(holder) is dict else None
            if type(holder) is dict and len(holder) > UNWRAPPED_KEYS:
                values += map(holder.get, keys)
            else:
                values += _side_by_side(document, way, keys)
        if "" in values:
            values = [None if value == "" else value for value in values]
        for one in self._alone:
            values.append(one.value(document))
        values.append(None)
        found = list(self._first(values))
        for place, slots in self._more:
            if found[place] is None:
                for slot in slots:
                    if values[slot] is not None:
                        found[place] = values[slot]
                        break
        for place, alterations in self._altered:
            for alter in alterations:
                found[place] = alter(found[place])
        return found


def _ways(expression: Expression | None) -> list[tuple[Expression, tuple[str, ...] | None]]:
    """An expression, or each of the ways of a path of which each is of keys alone (which come with it)."""
    if expression is None:
        return []
    if not isinstance(expression, Path) or not all(map(_is_of_keys, expression.ways)):
        return [(expression, None)]
    return [(expression, tuple(map(str, way))) for way in expression.ways]


def _is_of_keys(way: Sequence[Step]) -> bool:
    return all(isinstance(step, str) for step in way)


def _side_by_side(document: Document, way: Sequence[str], keys: Sequence[str]) -> Found:
    """The values of these keys in what stands at this way, as `Path.value` finds them one by one, but for ""."""
    holder: object = document
    for key in way:
        if type(holder) is not dict:
            break
        found: object = holder.get(key)
        holder = _values(holder, (key,))[0] if found is None else found
    return _values(holder, keys) if type(holder) is dict else [None] * len(keys)


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

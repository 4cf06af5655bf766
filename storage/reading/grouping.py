"""Which row of an answer each line belongs to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from storage.columns import Integers
from storage.names import Names
from storage.query import Cardinality, GroupKey
from storage.reading.lines import Array, Lines, reduced
from storage.sample import flatten

LIMIT = 2**62


@dataclass(frozen=True, slots=True)
class Labels:
    """`names[index[n]]` is the name of row n; names ascending, None first, each once."""

    names: tuple[str | None, ...]
    index: Integers

    def name(self, row: int) -> str | None:
        """What a row is called."""
        return self.names[int(self.index[row])]

    def texts(self) -> Iterator[str | None]:
        """What each row is called."""
        return (self.names[number] for number in self.index.tolist())

    def take(self, rows: Integers) -> "Labels":
        """The labels of these rows, in this order."""
        return Labels(self.names, self.index.take(rows) if len(self.names) > 1 else self.index[: len(rows)])


@dataclass(frozen=True, slots=True)
class Places:
    """Where lines belong: `key` is the same for lines of one row, and ascends as rows do."""

    key: Integers
    period: Integers
    unit: Labels
    groups: tuple[Labels, ...]


@dataclass(frozen=True, slots=True)
class Heap:
    """Lines of one kind in an order that puts those of one row side by side: row `key[n]` begins at `starts[n]`.

    `offset` is how many lines of the other kind stand before these where both are counted.
    """

    lines: Lines
    order: Integers
    key: Integers
    starts: Integers
    offset: int

    @property
    def sizes(self) -> Integers:
        """Lines of each row."""
        return np.diff(self.starts, append=len(self.order))

    def sort(self, column: Array) -> Array:
        """A column of the lines, in the order of the rows."""
        sorted_column: Any = column.take(self.order)  # Any: as in `Array`
        found: Array = sorted_column
        return found

    def reduce(self, operation: np.ufunc, column: Array) -> Array:
        """The least, most or sum of each row."""
        return reduced(operation, self.sort(column), self.starts)


def places(parts: Sequence[Lines], groupby: Sequence[GroupKey], names: Names) -> Places:
    """The place of every line, of all parts one after the other."""
    period = chained(parts, "period")
    unit = labels_of(chained(parts, "mid"), lambda mid: names.meter(mid).unit)
    groups = tuple(labels(parts, key, names) for key in groupby)
    first, last = int(period.min()), int(period.max())
    key, size = period - first, last - first + 1
    for label in (*groups, unit):
        if len(label.names) == 1:
            continue
        if size * len(label.names) > LIMIT:
            found, key = np.unique(key, return_inverse=True)
            size = len(found)
        key, size = key * len(label.names) + label.index, size * len(label.names)
    return Places(key, period, unit, groups)


def labels(parts: Sequence[Lines], key: GroupKey | Cardinality, names: Names) -> Labels:
    """What every line is called by this key, of all parts one after the other."""
    if key == "project_id":
        gid, rid = chained(parts, "gid"), chained(parts, "rid")
        return labels_of(np.where(rid > 0, rid, -gid), lambda number: _project(number, names))
    column = "rid" if key == "resource_id" else "ver"
    return labels_of(chained(parts, column), _naming(key, names))


def heaps(parts: Sequence[Lines], key: Integers) -> list[Heap]:
    """The lines of each part in the order of their keys."""
    found, offset = [], 0
    for lines in parts:
        own = key[offset : offset + len(lines.gid)]
        order, is_single = sorting(own)
        ordered = own.take(order)
        if is_single:
            starts = np.arange(len(order))
        else:
            starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
            ordered = ordered[starts]
        found.append(Heap(lines, order, ordered, starts, offset))
        offset += len(lines.gid)
    return found


def sorting(key: Integers) -> tuple[Integers, bool]:
    """An order in which the keys ascend, and whether each of them is known to be there once."""
    least, size = int(key.min()), int(key.max()) - int(key.min()) + 1
    if size <= 4 * len(key):
        # Keys that occur once find their place without a sort.
        slots = np.full(size, -1)
        slots[key - least] = np.arange(len(key))
        order = slots if size == len(key) and int(slots.min()) >= 0 else slots[slots >= 0]
        if len(order) == len(key):
            return order, True
    return np.argsort(key), False


def chained(parts: Sequence[Lines], column: str) -> Integers:
    """One column of all parts, one after the other."""
    columns: list[Integers] = [getattr(lines, column) for lines in parts]
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def _naming(key: GroupKey | Cardinality, names: Names) -> Callable[[int], str | None]:
    namings: Mapping[str, Callable[[int], str | None]] = {
        "resource_id": lambda rid: names.owner(rid).resource_id,
        "user_id": lambda ver: names.version(ver).user_id,
        "source": lambda ver: names.version(ver).source,
        "resource_metadata.instance_type": lambda ver: flatten(names.version(ver).metadata).get(
            "instance_type"
        ),
    }
    return namings[key]


def _project(number: int, names: Names) -> str | None:
    """Who owns a resource, or (below zero) a group."""
    return names.owner(number).project_id if number > 0 else names.project_of(-number)


def labels_of(numbers: Integers, name_of: Callable[[int], str | None]) -> Labels:
    """What each of these numbers is called."""
    distinct, number, least = _distinct(numbers)
    found = [name_of(one) for one in distinct.tolist()]
    ordered = sorted(set(found), key=lambda name: (name is not None, name or ""))
    if len(ordered) == 1:
        return Labels(tuple(ordered), np.zeros(len(numbers), dtype=np.int64))
    ranks = {name: rank for rank, name in enumerate(ordered)}
    rank = np.array([ranks[name] for name in found])[number]
    return Labels(tuple(ordered), rank if least is None else rank.take(numbers - least))


def _distinct(numbers: Integers) -> tuple[Integers, Integers, int | None]:
    """The numbers, each once and ascending; where among them each is found, and None.

    Or, instead of None, the least of them, and where among them it is found, one more than it, and so on.
    """
    least, size = int(numbers.min()), int(numbers.max()) - int(numbers.min()) + 1
    if size == 1:
        return numbers[:1], np.zeros(1, dtype=np.int64), least
    if size > 4 * len(numbers):
        return *np.unique(numbers, return_inverse=True), None
    present = np.zeros(size, dtype=np.int64)
    present[numbers - least] = 1
    return np.flatnonzero(present) + least, np.maximum(np.cumsum(present) - 1, 0), least

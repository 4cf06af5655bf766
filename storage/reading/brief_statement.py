"""The statement `storage.reading.brief` puts: a part for each layer, each with the kind of row it gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from storage.dialects import Dialect
from storage.reading.asking import one_record
from storage.reading.moment import Moment
from storage.reading.places import Placed
from storage.tables_tiles import STAMPS
from storage.watermarks import BLOCK, DAY

MOVED, PLACED, ROLLED, TILED, OPEN = range(5)
GUARDED = (
    "meter",
    "shape",
)  # kinds of names that are known from before; the resource is looked up by the statement

# Kind, group, then as in the table each row comes from: integers, bytes, and in the last column the project.
Row = Sequence[Any]

_SLOT = "(SELECT min(slot) FROM place)"
_GROUP, _RESOURCE = "gid = (SELECT min(gid) FROM place)", "rid = (SELECT min(rid) FROM place)"


class Gaps(NamedTuple):
    """How many of the slots before a resource's have no record in its days, and in its hours; None: that differs."""

    days: int | None = 0
    hours: int | None = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in numbers; the resource by its name, which only one may have in the project (None: in all)."""

    moment: Moment
    resource_id: str
    project_id: str | None
    mids: frozenset[int]
    start: int
    end: int
    gaps: Gaps
    place: Placed | None = None  # where it is known

    @property
    def sealed_end(self) -> int:
        """The end of what is sealed of it."""
        return max(self.start, min(self.end, self.moment.marks.sealed))


def statement(asked: Asked, dialect: Dialect) -> tuple[str, list[int | str | bytes]]:
    """Eleven columns of whatever there is, and the values of its marks."""
    mark = dialect.mark
    parts: list[tuple[str, Sequence[int]]] = [
        *_sealed(asked, dialect),
        (
            f"SELECT {OPEN}, gid, rid, ts, part, ver, recv, NULL, NULL, vals, NULL FROM hot"  # noqa: S608 - ours
            f" WHERE {_GROUP} AND {_RESOURCE} AND ts >= {mark} AND ts < {mark}",
            (max(asked.start, asked.moment.marks.sealed), asked.end),
        ),
        (f"SELECT {PLACED}, gid, rid, slot, 0, 0, 0, NULL, NULL, NULL, owner FROM place", ()),  # noqa: S608 - ours
    ]
    late = f"(SELECT gid FROM late WHERE {_GROUP} AND {_RESOURCE} LIMIT 1) AS some_late"  # noqa: S608 - ours
    for source, values in (*asked.moment.moved(mark, GUARDED), (late, ())):
        counted = f"SELECT {MOVED}, count(*), 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL FROM {source}"  # noqa: S608 - ours
        parts.append((counted, values))
    place = (
        "WITH place AS (SELECT r.gid, r.rid, r.slot, p.id AS owner FROM resource r"  # noqa: S608 - ours
        f" JOIN project p ON p.pid = r.pid WHERE r.id = {mark}"
    )
    names: list[int | str | bytes] = [asked.resource_id]
    if asked.project_id is not None:
        place, names = f"{place} AND p.id = {mark}", [*names, asked.project_id]
    text = " UNION ALL ".join(part for part, _ in parts)
    return f"{place}) {text}", [*names, *(value for _, values in parts for value in values)]


def _sealed(asked: Asked, dialect: Dialect) -> list[tuple[str, Sequence[int]]]:
    """The records of days and of hours; of rows whose records stand in different places all of them."""
    mark, mids = dialect.mark, [STAMPS, *sorted(asked.mids)]
    named = f"{_GROUP} AND mid IN ({', '.join([mark] * len(mids))}) AND start >= {mark} AND start < {mark}"
    first, end = asked.start, asked.sealed_end
    days, hours = (
        "raw" if gap is None else one_record(dialect.byte, _SLOT, f"{_SLOT} - {mark}") for gap in asked.gaps
    )
    skipped_days, skipped_hours = (() if gap is None else (gap,) for gap in asked.gaps)
    return [
        (
            f"SELECT {ROLLED} AS kind, gid, mid, start, 0 AS line, w, 0 AS recv, slots, head,"  # noqa: S608 - ours
            f" {days} AS raw, NULL AS owner FROM day_roll WHERE {named}",
            (*skipped_days, *mids, first - first % DAY, end),
        ),
        (
            f"SELECT {TILED}, gid, mid, start, line, w, 0, slots, head, {hours}, NULL FROM tile WHERE {named}",  # noqa: S608 - ours
            (*skipped_hours, *mids, max(first - first % BLOCK, asked.moment.marks.compacted), end),
        ),
    ]

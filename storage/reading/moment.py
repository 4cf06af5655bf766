"""The moment a question is asked in, by one statement: how far maintenance is, and whether names are new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from storage.reading.asking import Value, ask
from storage.watermarks import Watermarks, as_watermarks

# Written out, because every question begins with it. It names `hot`, `late` and `delta`, so that they stay as they are
# until the transaction ends (MariaDB drops no partition of a table a transaction has named).
_STATEMENT = """
SELECT 0 AS kind, name, at AS value FROM watermark
UNION ALL SELECT 1, name, value FROM id_counter
UNION ALL SELECT 2, 'late', count(*) FROM (SELECT gid FROM late LIMIT 1) AS some_late
UNION ALL SELECT 2, 'delta', count(*) FROM (SELECT gid FROM delta LIMIT 1) AS some_delta
UNION ALL SELECT 2, 'hot', count(*) FROM (SELECT gid FROM hot LIMIT 0) AS no_hot
"""


KINDS = ("meter", "project", "resource", "resource_group", "shape")  # of names that `Directory` knows


@dataclass(frozen=True, slots=True)
class Moment:
    """What one transaction sees. `counters`: the last number handed out to each kind of name."""

    marks: Watermarks
    counters: Mapping[str, int]
    has_late: bool
    has_delta: bool

    def moved(self, mark: str, names: Sequence[str] = KINDS) -> Sequence[tuple[str, Sequence[int]]]:
        """Rows there are once the watermarks or the numbers of these kinds of names are no longer those of this moment.

        What stands after FROM, and the values of its marks: so a question of one statement finds out whether it was
        put rightly.
        """
        marks = {name: getattr(self.marks, name) for name in Watermarks.__slots__}
        counters = {kind: self.counters.get(kind, 0) for kind in names}
        return (
            (f"watermark WHERE {_differ(marks, 'at', mark)}", (*marks.values(),)),
            (f"id_counter WHERE {_differ(counters, 'value', mark)}", (*counters.values(),)),
        )


def this_moment(
    connection: Connection, strangers: Sequence[tuple[str, Sequence[Value]]] = ()
) -> tuple[Moment, bool]:
    """The moment of this transaction, by its first question (`Database.snapshot`); and whether there are strangers.

    Those are given as `Moment.moved` gives rows.
    """
    found: tuple[dict[str, int], dict[str, int], dict[str, int]] = ({}, {}, {})
    others = "".join(
        f"UNION ALL SELECT 2, 'strangers', count(*) FROM {source}\n"  # noqa: S608 - ours
        for source, _ in strangers
    )
    values = [value for _, some in strangers for value in some]
    has_strangers = False
    for kind, name, value in ask(connection, _STATEMENT + others, values):
        found[kind][name] = value
        has_strangers |= name == "strangers" and value > 0
    marks, counters, some = found
    return Moment(as_watermarks(marks), counters, bool(some["late"]), bool(some["delta"])), has_strangers


def _differ(named: Mapping[str, int], column: str, mark: str) -> str:
    """Of rows with a name: that another number is there. No index helps with a CASE: of a few rows none should."""
    cases = " ".join(f"WHEN '{name}' THEN {column} <> {mark}" for name in named)
    return f"CASE name {cases} ELSE 1 = 0 END"

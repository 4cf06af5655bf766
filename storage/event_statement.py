"""The statement of a question about events: which index leads to the rows, and what is left to look at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from storage.event_query import EventQuery, EventScope
from storage.event_rows import NOBODYS, Row, digest, is_facet
from storage.reading.asking import Value, marks
from storage.sample import to_microseconds

LISTED = 500  # more shapes or types than that are not worth a list

_CONTAINS: Final = {
    "sqlite": "instr(e.body, %s) > 0",
    "postgresql": "position(%s in e.body) > 0",
    "mysql": "locate(%s, e.body) > 0",
    "mariadb": "locate(%s, e.body) > 0",
}
_ALONE = "event e"
_BY_FACET = "event_facet f JOIN event e ON e.ts = f.ts AND e.k = f.k"


class Place(NamedTuple):
    """Where a statement ended: the next one begins behind this row."""

    ts: int
    k: int


@dataclass(slots=True)
class _Conditions:
    """Conditions joined by AND, and their values."""

    texts: list[str] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    def add(self, text: str, *values: Value) -> None:
        self.texts.append(text)
        self.values += values


@dataclass(frozen=True, slots=True)
class Reading:
    """How rows are read: at most `limit`, behind a place, from which end; of these shapes and types only."""

    limit: int
    after: Place | None = None
    descending: bool = False
    shapes: Sequence[int] | None = None
    kinds: Sequence[int] | None = None
    payload: bool = True


def statement(query: EventQuery, dialect: str, reading: Reading) -> tuple[str, list[Value]]:
    """SQL with `%s` for each value; rows as `storage.event_rows.Row`, in the order of time and then of `k`.

    All that match are among them, and others: traits are looked at only as far as the server can.
    """
    direction = "DESC" if reading.descending else "ASC"
    shown = ", ".join(f"e.{name}" for name in (Row._fields if reading.payload else Row._fields[:-1]))
    owners = _owners(query.scope)
    parts: list[str] = []
    values: list[Value] = []
    for rows, column, value in _ways(query):
        lead = "f" if rows == _BY_FACET else "e"
        found = _conditions(query, dialect, reading, lead)
        if column:
            found.add(f"{column} = %s", value)
        if owners and not (column == "e.owner" and value in owners):
            found.add(f"e.owner IN ({marks(owners)})", *owners)
        where = f" WHERE {' AND '.join(found.texts)}" if found.texts else ""
        # Few rows have a message: its index leads to them, and not that of the order.
        ts = "e.ts + 0" if column == "e.m" else f"{lead}.ts"
        parts.append(
            f"SELECT {shown} FROM {rows}{where}"  # noqa: S608 - our names; every value has a mark
            f" ORDER BY {ts} {direction}, {lead}.k {direction} LIMIT {reading.limit}"
        )
        values += found.values
    if len(parts) == 1:
        return parts[0], values
    both = " UNION ALL ".join(f"SELECT * FROM ({part}) part{n}" for n, part in enumerate(parts))  # noqa: S608 - ours
    return f"{both} ORDER BY 1 {direction}, 2 {direction} LIMIT {reading.limit}", values


def _ways(query: EventQuery) -> list[tuple[str, str, int]]:
    """Which rows to read, and what leads to them: a column and its value; "" where nothing does.

    No event is in two of them: what is called like its project has no row in `event_facet`.
    """
    if query.message_id is not None:
        return [(_ALONE, "e.m", digest(query.message_id))]
    named = [
        str(match.value) for match in query.traits if match.op == "eq" and is_facet(match.name, match.value)
    ]
    if not named and query.scope.user_id is not None:
        named = [query.scope.user_id]
    if named:
        return [(_BY_FACET, "f.h", digest(named[0])), (_ALONE, "e.owner", digest(named[0]))]
    if query.event_type is not None:
        return [(_ALONE, "e.kind", digest(query.event_type))]
    return [(_ALONE, "e.owner", owner) for owner in _owners(query.scope)] or [(_ALONE, "", 0)]


def _owners(scope: EventScope) -> list[int]:
    """Whose events may be seen; none: everybody's."""
    if scope.everything or scope.project_id is None:
        return []
    return [digest(scope.project_id), *([NOBODYS] if scope.and_nobodys else [])]


def _conditions(query: EventQuery, dialect: str, reading: Reading, lead: str) -> _Conditions:
    """What rows must fulfil beside what leads to them; `lead` is the table in whose order they are read."""
    found = _Conditions()
    if query.event_type is not None:
        found.add("e.kind = %s", digest(query.event_type))
    for column, listed in (("shape", reading.shapes), ("kind", reading.kinds)):
        if listed is not None and len(listed) <= LISTED:
            found.add(f"e.{column} IN ({marks(listed)})" if listed else "1 = 0", *listed)
    for match in query.traits:
        if match.op == "eq" and isinstance(match.value, str) and match.value:
            found.add(_CONTAINS[dialect], match.value.encode())
    if query.start is not None:
        found.add(f"{lead}.ts >= %s", to_microseconds(query.start))
    if query.end is not None:
        found.add(f"{lead}.ts <= %s", to_microseconds(query.end))
    if reading.after is not None:
        sign = "<" if reading.descending else ">"
        ts, k = reading.after
        found.add(f"{lead}.ts {sign}= %s AND ({lead}.ts {sign} %s OR {lead}.k {sign} %s)", ts, ts, k)
    return found

"""Facts as rows, and what a project's list of resources needs to know of them."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, Table, bindparam, delete, func, or_, select, tuple_, update

from storage.dialects import Dialect
from storage.fact import EVIDENCES, WHATS, Attributes, Fact, Scalar
from storage.sample import from_microseconds, to_microseconds
from storage.tables_lifecycle import fact as facts_table
from storage.tables_lifecycle import life

ROWS_A_STATEMENT = 500
FACT_COLUMNS = tuple(column.name for column in facts_table.columns)
LIFE_COLUMNS = ("resource_id", "kind", "project_id", "began")
ENDS = WHATS.index("ends")


@dataclass(frozen=True, slots=True)
class Life:
    """A resource of a project, and not later than when it began to be one; microseconds since 1970 UTC."""

    resource_id: str
    kind: str
    project_id: str
    began: int

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is known by."""
        return self.resource_id, self.kind, self.project_id


def as_fact(row: Any) -> Fact:  # Any: a row of all columns of `fact`
    """What a row says."""
    more: Mapping[str, Scalar] = json.loads(row.more) if row.more else {}
    said = Attributes(
        row.project_id, row.type, row.size, row.status, row.zone, row.name, tuple(sorted(more.items()))
    )
    return Fact(
        row.kind,
        row.resource_id,
        WHATS[row.what],
        from_microseconds(row.at),
        from_microseconds(row.until),
        EVIDENCES[row.evidence],
        said,
        bytes(row.id),
    )


def insert_facts(connection: Connection, dialect: Dialect, facts: Sequence[Fact]) -> int:
    """Inserts facts whose id is not there yet; returns how many that were. Sorted by key."""
    return _insert(connection, dialect, facts_table, FACT_COLUMNS, [_row(fact) for fact in facts])


def extend(connection: Connection, facts: Sequence[Fact]) -> int:
    """Widens the spans of facts that are there to hold these; returns how many changed."""
    columns = facts_table.c
    same = (columns.resource_id == bindparam("its_resource")) & (columns.id == bindparam("its_id"))
    found = 0
    for name, is_beyond in (("at", columns.at > bindparam("t")), ("until", columns.until < bindparam("t"))):
        statement = update(facts_table).where(same, is_beyond).values({name: bindparam("t")})
        rows = [
            {"its_resource": fact.resource_id, "its_id": fact.id, "t": to_microseconds(getattr(fact, name))}
            for fact in facts
        ]
        if rows:
            found += max(0, connection.execute(statement, rows).rowcount)
    return found


def erase(connection: Connection, facts: Sequence[Fact]) -> None:
    """Deletes the facts of these ids; their resources stay listed, which costs a look and hides nothing."""
    for first in range(0, len(facts), ROWS_A_STATEMENT):
        keys = sorted((fact.resource_id, fact.id) for fact in facts[first : first + ROWS_A_STATEMENT])
        connection.execute(
            delete(facts_table).where(tuple_(facts_table.c.resource_id, facts_table.c.id).in_(keys))
        )


def lives_of(facts: Sequence[Fact]) -> list[Life]:
    """Whose the resources are according to these facts; nobody's where they do not say. Sorted by key.

    Where they name several projects each may have had the resource since the earliest of them: a chain tells better.
    """
    first: dict[tuple[str, str], int] = {}
    projects: dict[tuple[str, str], set[str]] = defaultdict(set)
    for fact in facts:
        key, at = (fact.resource_id, fact.kind), to_microseconds(fact.at)
        first[key] = min(at, first.get(key, at))
        if fact.attributes.project_id is not None:
            projects[key].add(fact.attributes.project_id)
    return [
        Life(*key, project, began)
        for key, began in sorted(first.items())
        for project in sorted(projects.get(key, {""}))
    ]


def insert_lives(connection: Connection, dialect: Dialect, lives: Sequence[Life]) -> None:
    """Makes `life` hold these, and the end of what ended, as far as facts tell by now."""
    rows = [(*one.key, one.began) for one in lives]
    are_new = _insert(connection, dialect, life, LIFE_COLUMNS, rows) == len(rows)
    columns = life.c
    same = (columns.resource_id == bindparam("its_resource")) & (columns.kind == bindparam("its_kind"))
    earlier = (
        update(life)
        .where(same, columns.project_id == bindparam("its_project"), columns.began > bindparam("t"))
        .values(began=bindparam("t"))
    )
    values = [
        {"its_resource": one.resource_id, "its_kind": one.kind, "its_project": one.project_id, "t": one.began}
        for one in lives
    ]
    if values and not are_new:
        connection.execute(earlier, values)
    is_later = or_(columns.ended.is_(None), columns.ended < bindparam("t"))
    ended = update(life).where(same, is_later).values(ended=bindparam("t"))
    values = [
        {"its_resource": resource_id, "its_kind": kind, "t": at}
        for resource_id, kind, at in _ends(connection, sorted({one.resource_id for one in lives}))
    ]
    if values:
        connection.execute(ended, values)


def _ends(connection: Connection, resource_ids: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    columns = facts_table.c
    for first in range(0, len(resource_ids), ROWS_A_STATEMENT):
        some = resource_ids[first : first + ROWS_A_STATEMENT]
        asked = (
            select(columns.resource_id, columns.kind, func.max(columns.at))
            .where(columns.resource_id.in_(some), columns.what == ENDS)
            .group_by(columns.resource_id, columns.kind)
        )
        yield from (cast("tuple[str, str, int]", tuple(row)) for row in connection.execute(asked))


def _insert(
    connection: Connection,
    dialect: Dialect,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[tuple[object, ...]],
) -> int:
    """Inserts rows whose key is not there yet, many in a statement; how many were new."""
    return sum(
        dialect.insert_texts(connection, table, columns, rows[first : first + ROWS_A_STATEMENT])
        for first in range(0, len(rows), ROWS_A_STATEMENT)
    )


def _row(fact: Fact) -> tuple[object, ...]:
    said, at = fact.attributes, to_microseconds(fact.at)
    return (
        fact.resource_id,
        fact.id,
        fact.kind,
        WHATS.index(fact.what),
        EVIDENCES.index(fact.evidence),
        at,
        at if fact.until is fact.at else to_microseconds(fact.until),
        said.project_id,
        said.type,
        said.size,
        said.status,
        said.zone,
        said.name,
        json.dumps(dict(said.more), ensure_ascii=False) if said.more else None,
    )

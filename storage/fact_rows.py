"""Facts as rows, and what a project's list of resources needs to know of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, or_, select, tuple_, update

from storage.dialects import Dialect
from storage.dialects.texts import Into, Rows, Span
from storage.fact import EVIDENCES, WHATS, Attributes, Fact, Scalar
from storage.sample import from_microseconds, to_microseconds
from storage.tables_lifecycle import fact as facts_table
from storage.tables_lifecycle import life

ROWS_A_STATEMENT = 500
FACT_COLUMNS = tuple(column.name for column in facts_table.columns)
WHAT_NUMBERS = {what: number for number, what in enumerate(WHATS)}
EVIDENCE_NUMBERS = {evidence: number for number, evidence in enumerate(EVIDENCES)}
ENDS = WHAT_NUMBERS["ends"]
FACTS = Into(facts_table, FACT_COLUMNS)
SIGHTINGS = Into(facts_table, FACT_COLUMNS, Span("at", "until"))
LIVES = Into(life, ("resource_id", "kind", "project_id", "began"), Span("began"))


@dataclass(frozen=True, slots=True)
class Life:
    """A resource of a project, and not later than when it began to be one."""

    resource_id: str
    kind: str
    project_id: str
    began: datetime

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
    """Inserts facts whose id is not there yet, and widens what was seen before; returns how many told something new."""
    ordered = sorted(facts, key=_key)
    looks = [_row(fact) for fact in ordered if fact.evidence == "seen"]
    others = [_row(fact) for fact in ordered if fact.evidence != "seen"]
    count = _insert(connection, dialect, FACTS, others)
    return count + _insert(connection, dialect, SIGHTINGS, looks)


def erase(connection: Connection, facts: Sequence[Fact]) -> None:
    """Deletes the facts of these ids; their resources stay listed, which costs a look and hides nothing."""
    for first in range(0, len(facts), ROWS_A_STATEMENT):
        keys = sorted((fact.resource_id, fact.id) for fact in facts[first : first + ROWS_A_STATEMENT])
        connection.execute(
            delete(facts_table).where(tuple_(facts_table.c.resource_id, facts_table.c.id).in_(keys))
        )


def lives_of(facts: Iterable[Fact]) -> list[Life]:
    """Whose the resources are according to these facts; nobody's where they do not say. Sorted by key.

    Where they name several projects each may have had the resource since the earliest of them: a chain tells better.
    """
    first: dict[tuple[str, str], datetime] = {}
    owned: set[tuple[str, str, str]] = set()
    for fact in facts:
        key, at = (fact.resource_id, fact.kind), fact.at
        known = first.get(key)
        if known is None or at < known:
            first[key] = at
        project_id = fact.attributes.project_id
        if project_id is not None:
            owned.add((*key, project_id))
    keys = owned | {(*key, "") for key in first.keys() - {key[:2] for key in owned}}
    return [Life(*key, first[key[:2]]) for key in sorted(keys)]


def insert_lives(connection: Connection, dialect: Dialect, lives: Sequence[Life]) -> None:
    """Makes `life` hold these, and the end of what ended, as far as facts tell by now."""
    rows = [(*one.key, to_microseconds(one.began)) for one in lives]
    _insert(connection, dialect, LIVES, rows)
    resource_ids = sorted({one.resource_id for one in lives})
    for first in range(0, len(resource_ids), ROWS_A_STATEMENT):
        _end(connection, dialect, resource_ids[first : first + ROWS_A_STATEMENT])


def _end(connection: Connection, dialect: Dialect, resource_ids: Sequence[str]) -> None:
    told = facts_table.c
    ends = (
        select(told.resource_id, told.kind, func.max(told.at).label("ended"))
        .where(dialect.texts.among(told.resource_id, resource_ids), told.what == ENDS)
        .group_by(told.resource_id, told.kind)
        .subquery()
    )
    same = (life.c.resource_id == ends.c.resource_id) & (life.c.kind == ends.c.kind)
    is_later = or_(life.c.ended.is_(None), life.c.ended < ends.c.ended)
    connection.execute(update(life).where(same, is_later).values(ended=ends.c.ended))


def _insert(connection: Connection, dialect: Dialect, into: Into, rows: Rows) -> int:
    """Inserts or widens rows sorted by key, many in a statement; how many were new or changed."""
    return sum(
        dialect.texts.insert(connection, into, rows[first : first + ROWS_A_STATEMENT])
        for first in range(0, len(rows), ROWS_A_STATEMENT)
    )


def _key(fact: Fact) -> tuple[str, bytes]:
    return fact.resource_id, fact.id


def _row(fact: Fact) -> tuple[object, ...]:
    said, at = fact.attributes, to_microseconds(fact.at)
    return (
        fact.resource_id,
        fact.id,
        fact.kind,
        WHAT_NUMBERS[fact.what],
        EVIDENCE_NUMBERS[fact.evidence],
        at,
        at if fact.until is fact.at else to_microseconds(fact.until),
        said.project_id,
        said.type,
        said.size,
        said.status,
        said.zone,
        said.name,
        msgspec.json.encode(dict(said.more)).decode() if said.more else None,
    )

"""Forgets lives that ended before a time, and looks at living resources that others since then repeat."""

from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, tuple_

from storage.database import Database
from storage.fact import EVIDENCES, Attributes
from storage.fact_rows import as_fact
from storage.tables_lifecycle import fact, life
from storage.watermarks import DAY

RESOURCES_A_SLICE = 200
SEEN = EVIDENCES.index("seen")

_Key = tuple[str, str]


def forget_lives(database: Database, before: int) -> Iterator[tuple[str, int]]:
    """Deletes a slice before each of these: of which table, and how many rows. `before`: microseconds since 1970.

    What a living resource was before stays as far as it says what the resource is since then: chains after `before`
    stay as they are.
    """
    for keys in _slices(database, _has_ended(before)):
        work = partial(_remove, keys=keys, before=before)
        yield "fact", database.write_retrying(work)
    alive = or_(life.c.ended.is_(None), life.c.ended >= before - DAY)
    for keys in _slices(database, (life.c.began < before) & alive):
        rows = database.write_retrying(partial(_thin, keys=keys, before=before))
        if rows:
            yield "fact", rows


def _has_ended(before: int) -> ColumnElement[bool]:
    """A day of patience, since two writers may miss each other's word of an end."""
    return life.c.ended < before - DAY


def _slices(database: Database, some: ColumnElement[bool]) -> Iterator[Sequence[_Key]]:
    """Resources of `life`, by key."""
    columns = (life.c.resource_id, life.c.kind)
    after: _Key | None = None
    while True:
        beyond = () if after is None else (tuple_(*columns) > after,)
        asked = select(*columns).distinct().where(some, *beyond).order_by(*columns).limit(RESOURCES_A_SLICE)
        with database.read() as connection:
            keys = [(row.resource_id, row.kind) for row in connection.execute(asked)]
        if keys:
            yield keys
            after = keys[-1]
        if len(keys) < RESOURCES_A_SLICE:
            return


def _remove(connection: Connection, keys: Sequence[_Key], before: int) -> int:
    """These lives, unless somebody told since that they went on for longer."""
    of_these = tuple_(life.c.resource_id, life.c.kind).in_(keys)
    latest = (
        select(life.c.resource_id, life.c.kind)
        .where(of_these)
        .group_by(life.c.resource_id, life.c.kind)
        .having(func.max(life.c.ended) < before - DAY, func.count() == func.count(life.c.ended))
    )
    gone = [(row.resource_id, row.kind) for row in connection.execute(latest)]
    if not gone:
        return 0
    rows = connection.execute(delete(fact).where(tuple_(fact.c.resource_id, fact.c.kind).in_(gone))).rowcount
    connection.execute(delete(life).where(tuple_(life.c.resource_id, life.c.kind).in_(gone)))
    return rows


def _thin(connection: Connection, keys: Sequence[_Key], before: int) -> int:
    """Looks before the time, each but the last of those that saw the same."""
    of_these = fact.c.resource_id.in_(sorted({resource_id for resource_id, _ in keys}))
    asked = select(fact).where(of_these, fact.c.evidence == SEEN, fact.c.until < before)
    last: dict[tuple[str, str, Attributes], tuple[int, bytes]] = {}
    gone = []
    for row in connection.execute(asked):
        found = as_fact(row)
        place, this = (row.resource_id, row.kind, found.attributes), (row.until, found.id)
        other = last.setdefault(place, this)
        if other != this:
            last[place] = max(this, other)
            gone.append((row.resource_id, min(this, other)[1]))
    if not gone:
        return 0
    return connection.execute(
        delete(fact).where(tuple_(fact.c.resource_id, fact.c.id).in_(sorted(gone)))
    ).rowcount

"""What transformers of samples keep from one turn to the next, and the turns themselves.

The position moves in the transaction that stores what was derived and remembered, so whatever is killed or done
twice, every turn counts once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TypeVar

import structlog
from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from storage.database import Database
from storage.errors import DataRefused, StorageError
from storage.sample import from_microseconds, to_microseconds
from storage.tables_pipelines import pipeline_position as position
from storage.tables_pipelines import pipeline_state as state

SAMPLES = "samples"
WHOLE = bytes(16)  # the owner of what a sink remembers whatever the resource
AT_ONCE = 500

T = TypeVar("T")

log = structlog.get_logger()


class Overtaken(StorageError):
    """Another process did this turn: forget it."""


@dataclass(frozen=True, slots=True)
class State:
    """What a sink (16 bytes) remembers of an owner (16 bytes), b"" for nothing any more.

    `waits`: since when the oldest of it waits, microseconds since 1970 UTC.
    """

    sink: bytes
    owner: bytes
    body: bytes
    waits: int | None = None


class Transforming:
    """The memory of the transformers of one store; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def position(self, otherwise: datetime) -> datetime:
        """Until when samples were transformed: at the very first, `otherwise`."""
        at = self.reached()
        if at is None:
            begin = insert(position).values(name=SAMPLES, at=to_microseconds(otherwise))
            try:
                self._database.write_retrying(lambda connection: connection.execute(begin))
            except DataRefused:  # another process was quicker
                log.debug("position_begun_by_another")
            at = self.reached()
        return otherwise if at is None else at

    def reached(self) -> datetime | None:
        """Until when samples were transformed; None: none ever were."""
        asked = select(position.c.at).where(position.c.name == SAMPLES)
        with self._database.read() as connection:
            at = connection.execute(asked).scalar()
        return None if at is None else from_microseconds(at)

    def waiting(self, sinks: Iterable[bytes], until: datetime) -> Iterator[State]:
        """What sinks remember whatever the resource, and of resources what waits since before `until`."""
        moment = to_microseconds(until)
        with self._database.read() as connection:
            for sink in sinks:
                for some in (state.c.owner == WHOLE, state.c.waits < moment):  # each by its own index
                    yield from _states(connection, and_(state.c.sink == sink, some))

    def remembered(self, wanted: Mapping[bytes, Iterable[bytes]]) -> Iterator[State]:
        """What each sink remembers of these owners."""
        with self._database.read() as connection:
            for sink, owners in wanted.items():
                for chunk in _chunks(sorted(owners)):
                    yield from _states(connection, and_(state.c.sink == sink, state.c.owner.in_(chunk)))

    def move(self, connection: Connection, start: datetime, end: datetime, states: Sequence[State]) -> None:
        """Moves the position from `start` to `end` and keeps what is remembered then; raises Overtaken."""
        moved = (
            update(position)
            .where(position.c.name == SAMPLES, position.c.at == to_microseconds(start))
            .values(at=to_microseconds(end))
        )
        if connection.execute(moved).rowcount != 1:
            raise Overtaken("another process transformed these samples")
        at = to_microseconds(end)
        ordered = sorted(states, key=lambda one: (one.sink, one.owner))
        for sink, some in groupby(ordered, key=lambda one: one.sink):
            for chunk in _chunks(list(some)):
                owners = [one.owner for one in chunk]
                connection.execute(delete(state).where(state.c.sink == sink, state.c.owner.in_(owners)))
                rows = [
                    {"sink": sink, "owner": one.owner, "at": at, "waits": one.waits, "body": one.body}
                    for one in chunk
                    if one.body
                ]
                if rows:
                    connection.execute(insert(state), rows)

    def tidy(self, before: datetime) -> int:
        """Forgets what was not touched since, of resources that are gone and sinks that were changed; counts it."""
        old = delete(state).where(state.c.at < to_microseconds(before))
        return self._database.write_retrying(lambda connection: connection.execute(old).rowcount)


def _states(connection: Connection, which: ColumnElement[bool]) -> list[State]:
    rows = connection.execute(select(state).where(which))
    return [State(bytes(row.sink), bytes(row.owner), bytes(row.body), row.waits) for row in rows]


def _chunks(some: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(some), AT_ONCE):
        yield some[start : start + AT_ONCE]

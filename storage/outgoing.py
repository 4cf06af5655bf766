"""Batches owed to other systems: a durable queue for each of them."""

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update

from storage.database import Database
from storage.sample import to_microseconds
from storage.tables_outgoing import outgoing, outlet

Kind = Literal["samples", "events"]

OWED, STATE = outgoing.c, outlet.c
WAITS, ASIDE = 0, 1
ERROR_CHARACTERS = 500
CANDIDATES = 64  # looked at to fill one delivery
DROP_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Owed:
    """A batch to be put into a queue: `pieces` samples or events, encoded in `body`."""

    outlet: str
    kind: Kind
    pieces: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Leased:
    """A batch that is this process's to deliver; `attempts` counts this attempt, too."""

    at: int
    id: bytes
    kind: Kind
    pieces: int
    size: int
    attempts: int
    body: bytes = b""


class _OthersWereQuicker(Exception):
    """Some of the batches are not free any more."""


class Outgoing:
    """The queues, by the names of their outlets; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, batches: Sequence[Owed], now: datetime) -> None:
        """Adds batches to the ends of their queues, all or none."""
        if batches:
            self._database.write_retrying(lambda connection: put_within(connection, batches, now))

    def lease(
        self, name: str, now: datetime, length: timedelta, *, pieces: int, size: int
    ) -> list[Leased] | None:
        """Takes the oldest batches that are due, of one kind, at most so many pieces and bytes, or a single one.

        Empty when others were quicker with any of them, None when none is due.
        Not delivered within `length`, they are due again.
        """
        chosen = _fitting(self._candidates(name, now), pieces, size)
        if not chosen:
            return None
        until, moment = to_microseconds(now + length), to_microseconds(now)

        def work(connection: Connection) -> list[Leased]:
            free = and_(or_(*(_held(name, batch, batch.attempts) for batch in chosen)), OWED.due_at <= moment)
            taking = update(outgoing).where(free).values(attempts=OWED.attempts + 1, due_at=until)
            if connection.execute(taking).rowcount != len(chosen):
                raise _OthersWereQuicker
            statement = select(OWED.at, OWED.id, OWED.body).where(_named(name, chosen))
            bodies = {(row.at, bytes(row.id)): bytes(row.body) for row in connection.execute(statement)}
            return [
                replace(batch, attempts=batch.attempts + 1, body=bodies[batch.at, batch.id])
                for batch in chosen
            ]

        try:
            return self._database.write_retrying(work)
        except _OthersWereQuicker:
            return []

    def delivered(self, name: str, batches: Sequence[Leased]) -> None:
        """Forgets batches that arrived: that is a fact, whoever holds them by now."""
        statement = delete(outgoing).where(_named(name, batches))
        self._database.write_retrying(lambda connection: connection.execute(statement))

    def again(self, name: str, batches: Sequence[Leased], due: datetime) -> None:
        """Makes batches due at a later time, unless another attempt has begun meanwhile."""
        self._change(name, batches, due_at=to_microseconds(due))

    def set_aside(self, name: str, batch: Leased, reason: str, *, pieces: int, body: bytes) -> None:
        """Keeps what is refused for good of a batch, `pieces` encoded in `body`, until it is too old."""
        values = {"pieces": pieces, "body": body, "size": len(body), "reason": reason[:ERROR_CHARACTERS]}
        self._change(name, [batch], state=ASIDE, **values)

    def replay(self, name: str, now: datetime) -> int:
        """Makes every batch that was set aside due again; returns how many."""
        statement = (
            update(outgoing)
            .where(OWED.outlet == key_of(name), OWED.state == ASIDE)
            .values(state=WAITS, due_at=to_microseconds(now), reason=None)
        )
        return self._database.write_retrying(lambda connection: connection.execute(statement).rowcount)

    def drop_before(self, moment: datetime) -> dict[str, int]:
        """Drops batches of any outlet, also of one nobody delivers to any more, that came before; counts by name."""
        too_old = OWED.at < to_microseconds(moment)
        with self._database.read() as connection:
            found = connection.execute(select(OWED.outlet).where(too_old).distinct()).scalars()
            keys = [bytes(found_key) for found_key in found]
            names = {
                bytes(row.outlet): row.name for row in connection.execute(select(STATE.outlet, STATE.name))
            }
        dropped = {names.get(key, key.hex()): self._drop(key, too_old) for key in keys}
        return {name: count for name, count in dropped.items() if count}

    def drop_over(self, name: str, limit: int) -> int:
        """Drops the oldest batches of an outlet until no more than `limit` bytes are left; counts their pieces."""
        mine, dropped = OWED.outlet == key_of(name), 0
        while (over := self._bytes(name) - limit) > 0:
            columns = (OWED.at, OWED.id, OWED.size)
            statement = select(*columns).where(mine).order_by(OWED.at, OWED.id).limit(DROP_AT_ONCE)
            with self._database.read() as connection:
                rows = connection.execute(statement).all()
            if not rows:  # delivered meanwhile
                break
            last = rows[-1]
            for row in rows:
                over -= row.size
                if over <= 0:
                    last = row
                    break
            up_to = or_(OWED.at < last.at, and_(OWED.at == last.at, OWED.id <= last.id))
            dropped += self._drop(key_of(name), up_to)
        return dropped

    def _candidates(self, name: str, now: datetime) -> list[Leased]:
        statement = (
            select(OWED.at, OWED.id, OWED.kind, OWED.pieces, OWED.size, OWED.attempts)
            .where(OWED.outlet == key_of(name), OWED.state == WAITS, OWED.due_at <= to_microseconds(now))
            .order_by(OWED.at, OWED.id)
            .limit(CANDIDATES)
        )
        with self._database.read() as connection:
            return [
                Leased(row.at, bytes(row.id), row.kind, row.pieces, row.size, row.attempts)
                for row in connection.execute(statement)
            ]

    def _change(self, name: str, batches: Sequence[Leased], **values: object) -> None:
        def work(connection: Connection) -> None:
            for batch in batches:
                connection.execute(update(outgoing).where(_held(name, batch, batch.attempts)).values(values))

        self._database.write_retrying(work)

    def _bytes(self, name: str) -> int:
        statement = select(func.coalesce(func.sum(OWED.size), 0)).where(OWED.outlet == key_of(name))
        with self._database.read() as connection:
            return int(connection.scalar(statement) or 0)

    def _drop(self, key: bytes, which: ColumnElement[bool]) -> int:
        doomed = and_(OWED.outlet == key, which)

        def work(connection: Connection) -> int:
            count = int(connection.scalar(select(func.coalesce(func.sum(OWED.pieces), 0)).where(doomed)) or 0)
            connection.execute(delete(outgoing).where(doomed))
            connection.execute(
                update(outlet).where(STATE.outlet == key).values(dropped=STATE.dropped + count)
            )
            return count

        return self._database.write_retrying(work)


def put_within(connection: Connection, batches: Sequence[Owed], now: datetime) -> None:
    """Adds batches to the ends of their queues in a transaction of somebody else."""
    moment = to_microseconds(now)
    rows = [
        {
            "outlet": key_of(batch.outlet),
            "at": moment + place,
            "id": secrets.token_bytes(16),
            "state": WAITS,
            "kind": batch.kind,
            "pieces": batch.pieces,
            "size": len(batch.body),
            "attempts": 0,
            "due_at": moment,
            "body": batch.body,
        }
        for place, batch in enumerate(batches)
    ]
    if rows:
        connection.execute(insert(outgoing), rows)


def key_of(name: str) -> bytes:
    """The 16 bytes that stand for an outlet's name in keys."""
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _fitting(candidates: Iterable[Leased], pieces: int, size: int) -> list[Leased]:
    """The first of them, and those after it of the same kind as long as all fit."""
    chosen: list[Leased] = []
    for batch in candidates:
        pieces, size = pieces - batch.pieces, size - batch.size
        if chosen and (batch.kind != chosen[0].kind or pieces < 0 or size < 0):
            break
        chosen.append(batch)
    return chosen


def _held(name: str, batch: Leased, attempts: int) -> ColumnElement[bool]:
    return and_(
        OWED.outlet == key_of(name),
        OWED.at == batch.at,
        OWED.id == batch.id,
        OWED.state == WAITS,
        OWED.attempts == attempts,
    )


def _named(name: str, batches: Sequence[Leased]) -> ColumnElement[bool]:
    same = [and_(OWED.at == batch.at, OWED.id == batch.id) for batch in batches]
    return and_(OWED.outlet == key_of(name), or_(*same))

"""What could not become a sample: kept with its reason, counted when it comes again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from storage.database import Database
from storage.sample import Refused, from_microseconds, to_microseconds
from storage.tables import quarantine

WHOLE_BODY_BYTES = 1 << 20
HEAD_BYTES = 4096
REASON_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A refused message: `body` is whole up to 1 MiB, else its first 4 KiB of `size` bytes."""

    reason: str
    origin: str
    body: bytes
    size: int
    first_seen: datetime
    last_seen: datetime
    times: int


class Quarantine:
    """The refused messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, refused: Sequence[Refused]) -> None:
        """Keeps them; raises DatabaseUnavailable."""
        self._database.write_retrying(lambda connection: keep(connection, refused))

    def newest(
        self, limit: int, *, origin: str | None = None, body_bytes: int = WHOLE_BODY_BYTES
    ) -> list[Quarantined]:
        """The ones seen last, newest first, of all origins or of one, each with so much of its body at most."""
        kept = quarantine.c
        names = (kept.reason, kept.origin, kept.size, kept.first_seen, kept.last_seen, kept.times)
        statement = select(func.substr(kept.body, 1, body_bytes).label("body"), *names)
        if origin is not None:
            statement = statement.where(kept.origin == origin)
        statement = statement.order_by(kept.last_seen.desc(), kept.digest).limit(limit)
        with self._database.read() as connection:
            return [
                Quarantined(
                    row.reason,
                    row.origin,
                    bytes(row.body or b""),  # SQLite: nothing of nothing is NULL
                    row.size,
                    from_microseconds(row.first_seen),
                    from_microseconds(row.last_seen),
                    row.times,
                )
                for row in connection.execute(statement)
            ]

    def count(self) -> int:
        """How many different messages there are."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(quarantine)).scalar_one())


def keep(connection: Connection, refused: Sequence[Refused]) -> None:
    """Keeps refused messages in the caller's transaction, in the order of their digests."""
    by_digest = {_digest(one): one for one in refused}
    for digest, one in sorted(by_digest.items()):
        seen = to_microseconds(one.received_at)
        again = connection.execute(
            update(quarantine)
            .where(quarantine.c.digest == digest)
            .values(last_seen=seen, times=quarantine.c.times + 1)
        ).rowcount
        if not again:
            connection.execute(insert(quarantine).values(digest=digest, times=1, **_row(one, seen)))


def _row(one: Refused, seen: int) -> dict[str, object]:
    body = one.body if len(one.body) <= WHOLE_BODY_BYTES else one.body[:HEAD_BYTES]
    return {
        "reason": one.reason[:REASON_LENGTH],
        "origin": one.origin[:64],
        "body": body,
        "size": len(one.body),
        "first_seen": seen,
        "last_seen": seen,
    }


def _digest(one: Refused) -> bytes:
    return hashlib.blake2b(one.origin.encode() + b"\0" + one.body, digest_size=16).digest()

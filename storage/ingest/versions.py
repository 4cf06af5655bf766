"""Numbers of versions: some are new in nearly every batch, and are written in its transaction."""

import threading
from collections.abc import Mapping, Sequence
from functools import partial

from sqlalchemy import Connection

from storage.database import Database
from storage.dialects.texts import Into
from storage.ingest.keys import VersionKey
from storage.ingest.numbering import find_versions, reserve
from storage.tables import version

CACHE_LIMIT = 500_000
RESERVED = 200  # numbers taken at once; those not used when a process ends are lost
FEW = 50  # more are looked for before the transaction of their batch: they are not new, but this process is
AT_ONCE = 200  # of one statement: bodies have 64 kB at most, and MariaDB takes 16 MB

New = tuple[int, VersionKey]  # a content nobody is known to have written, and the number it may get

_VERSIONS = Into(version, ("ver", "digest", "user_id", "source", "generation", "counters_only", "metadata"))


class Versions:
    """The numbers of contents, cached; any number of threads and processes may give new ones a number.

    A content gets its number by being written, which the key of its digest lets happen once; whoever comes second waits
    for the first and takes its number.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[bytes, int] = {}
        self._lock = threading.Lock()
        self._reserved: list[int] = []  # in descending order

    def numbers(self, keys: Sequence[VersionKey]) -> tuple[list[int], list[New]]:
        """The number of every content, in order, and those of them that have yet to be written."""
        digests = [key.digest for key in keys]
        known = list(map(self._known.get, digests))
        numbers = [number for number in known if number is not None]
        if len(numbers) == len(keys):
            return numbers, []
        missing = {key.digest: key for key, number in zip(keys, known, strict=True) if number is None}
        found: dict[bytes, int] = {}
        if len(missing) > FEW:
            found = self._database.write_retrying(lambda connection: find_versions(connection, list(missing)))
        new = [missing[digest] for digest in sorted(missing.keys() - found.keys())]
        rows = list(zip(self._take(len(new)), new, strict=True))
        if len(rows) > FEW:
            found |= self._database.write_retrying(partial(self._write_many, rows=rows))
            rows = []
        self.remember(found)
        found |= {key.digest: number for number, key in rows}
        fresh = zip(digests, known, strict=True)
        return [found[digest] if number is None else number for digest, number in fresh], rows

    def write(self, connection: Connection, rows: Sequence[New]) -> dict[bytes, int]:
        """Writes contents unless somebody has; returns the numbers they have now, by digest. Sorted by digest."""
        if not rows:
            return {}
        values = [_values(ver, key) for ver, key in rows]
        numbers = {key.digest: ver for ver, key in rows}
        if self._database.dialect.texts.insert(connection, _VERSIONS, values) == len(rows):
            return numbers
        return find_versions(connection, list(numbers))

    def _write_many(self, connection: Connection, rows: Sequence[New]) -> dict[bytes, int]:
        numbers: dict[bytes, int] = {}
        for first in range(0, len(rows), AT_ONCE):
            numbers |= self.write(connection, rows[first : first + AT_ONCE])
        return numbers

    def remember(self, numbers: Mapping[bytes, int]) -> None:
        """These are committed."""
        if len(self._known) > CACHE_LIMIT:
            self._known.clear()  # the database still knows
        self._known.update(numbers)

    def _take(self, count: int) -> list[int]:
        """Numbers nobody else has."""
        with self._lock:
            if len(self._reserved) < count:
                more = max(RESERVED, count)
                first = self._database.write_retrying(lambda connection: reserve(connection, "version", more))
                self._reserved = list(range(first + more - 1, first - 1, -1))
            return [self._reserved.pop() for _ in range(count)]


def _values(ver: int, key: VersionKey) -> tuple[object, ...]:
    """In the order of `_VERSIONS`."""
    return ver, key.digest, key.user_id, key.source, key.generation, int(key.counters_only), key.body

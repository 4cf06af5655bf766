"""Names to small numbers: projects, resources, meters, shapes and versions, each known by an integer for ever.

Numbers are handed out in a transaction of their own, before the samples that use them are written: a number
nobody uses is harmless, a number taken back would not be.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from storage.database import Database
from storage.numbering import (
    K,
    MeterKey,
    Place,
    ResourceKey,
    VersionKey,
    find_meters,
    find_or_make,
    find_resources,
    find_shapes,
    find_versions,
    make_meters,
    make_resources,
    make_shapes,
    make_versions,
)
from storage.tables import series

CACHE_LIMIT = 500_000


class Dimensions:
    """The numbers of all names, cached; several processes may hand them out at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._projects: dict[str, int] = {}
        self._places: dict[ResourceKey, Place] = {}
        self._meters: dict[MeterKey, int] = {}
        self._shapes: dict[tuple[int, ...], int] = {}
        self._versions: dict[bytes, int] = {}
        self._series: dict[tuple[int, int, int], None] = {}

    def places(self, keys: Iterable[ResourceKey]) -> dict[ResourceKey, Place]:
        """Group and number of every resource, made where they are new."""
        return self._numbers(keys, self._places, find_resources, make_resources)

    def meters(self, keys: Iterable[MeterKey]) -> dict[MeterKey, int]:
        """The number (mid) of every meter."""
        return self._numbers(keys, self._meters, find_meters, make_meters)

    def shapes(self, keys: Iterable[tuple[int, ...]]) -> dict[tuple[int, ...], int]:
        """The number (part) of every set of meters; a set is its mids in ascending order."""
        return self._numbers(keys, self._shapes, find_shapes, make_shapes)

    def versions(self, keys: Iterable[VersionKey]) -> dict[VersionKey, int]:
        """The number (ver) of every content."""
        by_digest = {key.digest(): key for key in dict.fromkeys(keys)}

        def make(connection: Connection, missing: Sequence[bytes]) -> dict[bytes, int]:
            return make_versions(connection, [by_digest[digest] for digest in missing])

        numbers = self._numbers(by_digest, self._versions, find_versions, make)
        return {key: numbers[digest] for digest, key in by_digest.items()}

    def note_series(self, keys: Iterable[tuple[int, int, int]]) -> None:
        """Keeps that these (gid, rid, part) exist."""
        missing = sorted({key for key in keys if key not in self._series})
        if not missing:
            return
        self._database.write_retrying(
            lambda connection: self._database.dialect.insert_new(connection, series, missing)
        )
        _trim(self._series)
        self._series.update(dict.fromkeys(missing))

    def _numbers(
        self,
        keys: Iterable[K],
        cache: dict[K, Any],  # Any: a number, or a Place
        find: Callable[[Connection, Sequence[K]], dict[K, Any]],
        make: Callable[[Connection, Sequence[K]], dict[K, Any]],
    ) -> dict[K, Any]:
        wanted = dict.fromkeys(keys)
        missing = [key for key in wanted if key not in cache]
        known = {key: cache[key] for key in wanted if key in cache}
        if missing:
            fresh = self._database.write_retrying(
                lambda connection: find_or_make(connection, missing, find, make)
            )
            _trim(cache)
            cache.update(fresh)
            known.update(fresh)
        return known


def _trim(cache: dict[Any, Any]) -> None:
    """Forgets everything when it grew too large: the database still knows."""
    if len(cache) > CACHE_LIMIT:
        cache.clear()

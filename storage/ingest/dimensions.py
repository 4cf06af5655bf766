"""Names to small numbers: projects, resources, meters, shapes and versions, each known by an integer for ever.

Numbers are handed out in a transaction of their own, before the samples that use them are written: a number
nobody uses is harmless, a number taken back would not be.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection

from storage.columns import Integers
from storage.database import Database
from storage.ingest.keys import MeterKey, ResourceKey
from storage.ingest.numbering import (
    K,
    Place,
    find_meters,
    find_or_make,
    find_resources,
    find_shapes,
    make_meters,
    make_resources,
    make_shapes,
)
from storage.ingest.versions import Versions
from storage.sample import Sample
from storage.tables import series

CACHE_LIMIT = 500_000

N = TypeVar("N")  # a number, or a Place


class Dimensions:
    """The numbers of all names, cached; several processes may hand them out at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._places: dict[ResourceKey, Place] = {}
        self._meters: dict[MeterKey, int] = {}
        self._shapes: dict[tuple[int, ...], int] = {}
        self.versions = Versions(database)
        self._series: set[int] = set()

    def places(self, keys: Sequence[ResourceKey]) -> list[Place]:
        """Group and number of every resource, in order; made where they are new."""
        return self._numbers(keys, self._places, find_resources, make_resources)

    def meters(self, keys: Sequence[MeterKey]) -> list[int]:
        """The number (mid) of every meter, in order."""
        return self._numbers(keys, self._meters, find_meters, make_meters)

    def shapes(self, keys: Sequence[tuple[int, ...]]) -> list[int]:
        """The number (part) of every set of meters, in order; a set is its mids in ascending order."""
        return self._numbers(keys, self._shapes, find_shapes, make_shapes)

    def note_series(self, gid: Integers, rid: Integers, part: Integers) -> None:
        """Keeps that these series exist; arrays of one length."""
        keys = ((rid << 32) | part).tolist()  # a resource never changes its group
        if self._series.issuperset(keys):
            return
        rows = sorted(
            {
                row
                for key, row in zip(
                    keys, zip(gid.tolist(), rid.tolist(), part.tolist(), strict=True), strict=True
                )
                if key not in self._series
            }
        )
        self._database.write_retrying(
            lambda connection: self._database.dialect.insert_new(connection, series, rows)
        )
        _trim(self._series)
        self._series.update(keys)

    def _numbers(
        self,
        keys: Sequence[K],
        cache: dict[K, N],
        find: Callable[[Connection, Sequence[K]], dict[K, N]],
        make: Callable[[Connection, Sequence[K]], dict[K, N]],
    ) -> list[N]:
        known = list(map(cache.get, keys))
        found = [number for number in known if number is not None]
        if len(found) == len(keys):
            return found
        missing = list(dict.fromkeys(key for key, number in zip(keys, known, strict=True) if number is None))
        fresh = self._database.write_retrying(
            lambda connection: find_or_make(connection, missing, find, make)
        )
        _trim(cache)
        cache.update(fresh)
        return [fresh[key] if number is None else number for key, number in zip(keys, known, strict=True)]


def resource_key(sample: Sample) -> ResourceKey:
    """The resource a sample belongs to; "" is the project of what nobody owns."""
    return ResourceKey(sample.project_id or "", sample.resource_id)


def meter_key(sample: Sample) -> MeterKey:
    """The meter a sample belongs to; its number kind is that of its volume."""
    return MeterKey(sample.meter, sample.type, sample.unit, isinstance(sample.volume, float))


def _trim(cache: dict[Any, Any] | set[int]) -> None:
    """Forgets everything when it grew too large: the database still knows."""
    if len(cache) > CACHE_LIMIT:
        cache.clear()

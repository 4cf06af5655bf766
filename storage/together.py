"""One row for what one poll read of a resource: its gauges with its counters, which alone have a generation."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from storage.batch import Polled, SampleBatch, chosen_polled, integers, join_polled, spread, starts, widths_of
from storage.columns import Integers
from storage.distinct import MAX_METERS_A_ROW
from storage.keys import VersionKey

VERSIONS_KEPT = 50_000

_Bools = NDArray[np.bool_]


class Together:
    """Joins rows. What it found out about versions it keeps: most batches have those of the one before."""

    def __init__(self) -> None:
        self._families: dict[bytes, int] = {}
        self._joint: dict[bytes, VersionKey] = {}

    def rows(self, batch: SampleBatch, rid: Integers) -> SampleBatch:
        """The same readings, each once, in fewer rows; versions no row has are left out.

        A row of gauges joins one of cumulative meters of the same resource (`rid`, of each row), time, user, source and
        metadata. The version of both says that its generation is that of cumulative meters only. No reading may be
        twice.
        """
        counted, plain = self._partners(batch, rid)
        if not len(counted):
            return batch
        polled, shapes = batch.polled, list(batch.shapes)
        width = widths_of(shapes)[polled.shape]
        first = starts(width)
        versions = [*batch.versions]
        joint = np.zeros(len(versions), np.int64)
        for version in np.unique(polled.version[counted]).tolist():
            joint[version] = len(versions)
            versions.append(self._joint_version(batch.versions[version]))
        alone = np.ones(len(polled.ts), np.bool_)
        alone[counted] = alone[plain] = False
        parts = [chosen_polled(polled, alone, polled.readings[spread(first[alone], width[alone])])]
        pairs = polled.shape[counted] * len(batch.shapes) + polled.shape[plain]
        for pair in np.unique(pairs).tolist():
            some, others = counted[pairs == pair], plain[pairs == pair]
            shapes.append((*batch.shapes[pair // len(batch.shapes)], *batch.shapes[pair % len(batch.shapes)]))
            readings = np.hstack([_table(polled, first, width, rows) for rows in (some, others)]).ravel()
            shape = np.full(len(some), len(shapes) - 1, np.int64)
            version_of = joint[polled.version[some]]
            parts.append(Polled(polled.resource[some], version_of, shape, polled.ts[some], readings))
        return _without_unused(replace(batch, versions=versions, shapes=shapes, polled=join_polled(parts)))

    def _partners(self, batch: SampleBatch, rid: Integers) -> tuple[Integers, Integers]:
        """Rows of counters, and of each the row of gauges that belongs to it."""
        polled = batch.polled
        has_generation = _bools(version.generation is not None for version in batch.versions)
        cumulative = [meter.type == "cumulative" for meter in batch.meters]
        of_counters = _bools(all(cumulative[meter] for meter in shape) for shape in batch.shapes)
        of_gauges = _bools(not any(cumulative[meter] for meter in shape) for shape in batch.shapes)
        counted = has_generation[polled.version] & of_counters[polled.shape]
        plain = ~has_generation[polled.version] & of_gauges[polled.shape]
        if not counted.any() or not plain.any():
            return integers([]), integers([])
        family = integers([self._family(version) for version in batch.versions])[polled.version]
        width = widths_of(batch.shapes)[polled.shape]
        rows = np.flatnonzero(counted | plain)
        rows = rows[np.lexsort((plain[rows], polled.ts[rows], rid[rows], family[rows]))]
        some, others = rows[:-1], rows[1:]
        belong = counted[some] & plain[others] & (width[some] + width[others] <= MAX_METERS_A_ROW)
        for key in (family, rid, polled.ts):
            belong &= key[some] == key[others]
        return some[belong], others[belong]

    def _family(self, version: VersionKey) -> int:
        """What versions share that differ in generation only; 64 bits are enough for those of one resource and time."""
        found = self._families.get(version.digest)
        if found is None:
            if len(self._families) >= VERSIONS_KEPT:
                self._families.clear()
            found = self._families[version.digest] = hash((version.user_id, version.source, version.body))
        return found

    def _joint_version(self, version: VersionKey) -> VersionKey:
        found = self._joint.get(version.digest)
        if found is None:
            if len(self._joint) >= VERSIONS_KEPT:
                self._joint.clear()
            found = self._joint[version.digest] = version.of_counters_only()
        return found


def _bools(values: Iterable[bool]) -> _Bools:
    return np.fromiter(values, np.bool_)


def _table(polled: Polled, first: Integers, width: Integers, rows: Integers) -> Integers:
    """The readings of rows of one shape, a row each."""
    found: Integers = polled.readings[first[rows][:, None] + np.arange(int(width[rows[0]]))]
    return found


def _without_unused(batch: SampleBatch) -> SampleBatch:
    used = np.unique(np.concatenate([batch.polled.version, batch.deltas.version]))
    places = np.zeros(len(batch.versions), np.int64)
    places[used] = np.arange(len(used))
    versions: list[VersionKey] = [batch.versions[place] for place in used.tolist()]
    polled = replace(batch.polled, version=places[batch.polled.version])
    return replace(
        batch,
        versions=versions,
        polled=polled,
        deltas=replace(batch.deltas, version=places[batch.deltas.version]),
    )

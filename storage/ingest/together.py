"""Readings of one resource and time as they come from a service, made a batch without an object for each."""

from collections.abc import Mapping, Sequence

import msgspec

from storage.ingest.arranged import text_of
from storage.ingest.batch import Deltas, Polled, SampleBatch, integers
from storage.ingest.keys import MeterKey, ResourceKey, VersionKey


class Together(msgspec.Struct, frozen=True, gc=False):
    """Normalized readings that share all but their meters and numbers, which are int64 or the bits of a float64.

    `ts` is microseconds since 1970 UTC. `polled` are gauges and counters; `deltas` have an id of 16 bytes each.
    """

    owner: ResourceKey
    user_id: str | None
    source: str
    ts: int
    metadata: Mapping[str, object]
    polled: Mapping[MeterKey, int]
    deltas: Sequence[tuple[MeterKey, int, bytes]]

    @property
    def count(self) -> int:
        """How many readings these are."""
        return len(self.polled) + len(self.deltas)


def arrange_together(found: Sequence[Together]) -> SampleBatch:
    """All readings in the order they were found: a row for the polled ones of each, and the deltas."""
    names = _Names()
    rows: list[tuple[int, int, int, int]] = []
    readings: list[int] = []
    deltas: list[tuple[int, int, int, int, int]] = []
    for one in found:
        resource = names.resources.setdefault(one.owner, len(names.resources))
        about = (one.user_id, one.source, text_of(one.metadata))
        version = names.versions.setdefault(about, len(names.versions))
        if one.polled:
            shape, order = names.shape(tuple(one.polled))
            bits = tuple(one.polled.values())
            readings += bits if order is None else [bits[place] for place in order]
            rows.append((resource, version, shape, one.ts))
        deltas += [(resource, version, names.meter(meter), one.ts, bits) for meter, bits, _ in one.deltas]
    polled, counted = integers(rows).reshape(-1, 4).T, integers(deltas).reshape(-1, 5).T
    ids = b"".join([identity for one in found for *_, identity in one.deltas])
    return SampleBatch(
        list(names.resources),
        [VersionKey(user, source, None, body) for user, source, body in names.versions],
        list(names.meters),
        list(names.shapes),
        Polled(polled[0], polled[1], polled[2], polled[3], integers(readings)),
        Deltas(counted[0], counted[1], counted[2], counted[3], counted[4], ids),
    )


class _Names:
    """What a batch calls by number."""

    def __init__(self) -> None:
        self.resources: dict[ResourceKey, int] = {}
        self.versions: dict[tuple[str | None, str, str], int] = {}
        self.meters: dict[MeterKey, int] = {}
        self.shapes: dict[tuple[int, ...], int] = {}
        self._shapes: dict[tuple[MeterKey, ...], tuple[int, Sequence[int] | None]] = {}

    def meter(self, key: MeterKey) -> int:
        """The number of a meter."""
        return self.meters.setdefault(key, len(self.meters))

    def shape(self, keys: tuple[MeterKey, ...]) -> tuple[int, Sequence[int] | None]:
        """The number of a set of meters, and at which place each of it stands here; None: in the same order."""
        known = self._shapes.get(keys)
        if known is None:
            meters = [self.meter(key) for key in keys]
            order = sorted(range(len(meters)), key=meters.__getitem__)
            shape = tuple(meters[place] for place in order)
            number = self.shapes.setdefault(shape, len(self.shapes))
            known = self._shapes[keys] = number, None if shape == tuple(meters) else order
        return known

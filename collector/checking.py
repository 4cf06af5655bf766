"""Frames of agents checked and settled all at once, as `collector.normalize` would do it reading by reading.

Names are settled by `normalize` itself, once each, and remembered. Numbers and times are compared as arrays. Where
anything at all is in doubt nothing is decided here: the message is then read reading by reading.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain

import msgspec

from collector.draft import Draft
from collector.frame import Frame, Names
from collector.instants import EARLIEST, LATEST
from collector.normalize import FUTURE_LIMIT, Unfit, normalize
from collector.remembered import Remembered
from collector.volumes import settle_volumes
from storage.arrangement import canonical
from storage.batch import (
    ID_BYTES,
    NO_DELTAS,
    Deltas,
    MeterKey,
    Polled,
    ResourceKey,
    SampleBatch,
    VersionKey,
    join_deltas,
    join_polled,
    moved_deltas,
    moved_polled,
)
from storage.columns import Integers
from storage.sample import Sample, to_microseconds

NAMES_BYTES = 8 * 2**20
VERSIONS_BYTES = 48 * 2**20

_FIRST, _END = to_microseconds(EARLIEST), to_microseconds(LATEST)
_NO_ID = bytes(ID_BYTES)

_Kinds = tuple[tuple[MeterKey, ...], tuple[tuple[int, ...], ...]]  # meters, and shapes of them


# A reading with which nothing is wrong: what is put into it decides.
_PLAIN = Draft("m", "gauge", "", 0, "r", None, EARLIEST, id=_NO_ID)


class Checker:
    """Settles frames; any number of threads may use it."""

    def __init__(self) -> None:
        self._resources: Remembered[ResourceKey] = Remembered(NAMES_BYTES)
        self._versions: Remembered[VersionKey] = Remembered(VERSIONS_BYTES)
        self._meters: Remembered[tuple[MeterKey, ...]] = Remembered(NAMES_BYTES)

    def settle(self, frames: Sequence[Frame], received_at: datetime) -> SampleBatch | None:
        """All samples of these frames in their order, or None when a single one of them is not plainly clean.

        `received_at` is when the first of them arrived.
        """
        try:
            joined = self._join(frames)
        except _InDoubt:
            return None
        end = min(_END, to_microseconds(received_at + FUTURE_LIMIT) + 1)
        if _NO_ID in joined.deltas.ids or not all(
            _are_within(columns.ts, _FIRST, end) for columns in (joined.polled, joined.deltas)
        ):
            return None
        return settle_volumes(joined)

    def _join(self, frames: Sequence[Frame]) -> SampleBatch:
        joined = _Joined()
        for frame in frames:
            names = frame.names
            if names is None or names.others[1]:
                raise _InDoubt
            resources = [self._resource(bytes(raw)) for raw in names.resources]
            versions = [self._version(bytes(raw)) for raw in names.versions]
            joined.add(frame, resources, versions, self._kinds(names))
        return joined.batch()

    def _resource(self, text: bytes) -> ResourceKey:
        found = self._resources.get(text)
        if found is None:
            owner, project = _list(text, 2)
            sample = _settled(replace(_PLAIN, resource_id=owner, project_id=project))
            found = ResourceKey(sample.project_id or "", sample.resource_id)
            self._resources.put(text, found)
        return found

    def _version(self, text: bytes) -> VersionKey:
        found = self._versions.get(text)
        if found is None:
            user, source, generation, metadata = _list(text, 4)
            sample = _settled(
                replace(_PLAIN, user_id=user, source=source, generation=generation, metadata=metadata)
            )
            body = canonical(sample.metadata)
            found = VersionKey(sample.user_id, sample.source, sample.generation, body)
            self._versions.put(text, found)
        return found

    def _kinds(self, names: Names) -> _Kinds:
        text = bytes(names.meters)
        meters = self._meters.get(text)
        if meters is None:
            meters = tuple(_meter(claim) for claim in _list(text))
            self._meters.put(text, meters)
        shapes = tuple(tuple(shape) for shape in names.shapes)
        if not all(0 <= meter < len(meters) for meter in chain.from_iterable(shapes)):
            raise _InDoubt
        return meters, shapes


class _InDoubt(Exception):
    """Something has to be looked at more closely; never leaves this file."""


class _Joined:
    """Frames put one behind the other; those that list the same meters and shapes share them."""

    def __init__(self) -> None:
        self._resources: list[ResourceKey] = []
        self._versions: list[VersionKey] = []
        self._meters: list[MeterKey] = []
        self._shapes: list[tuple[int, ...]] = []
        self._known: dict[_Kinds, tuple[int, int]] = {}
        self._polled: list[Polled] = []
        self._deltas: list[Deltas] = []

    def add(
        self, frame: Frame, resources: list[ResourceKey], versions: list[VersionKey], kinds: _Kinds
    ) -> None:
        meter, shape = self._places(kinds)
        first = len(self._resources), len(self._versions)
        polled, deltas = frame.polled, frame.deltas
        for columns in (polled, deltas):
            if _beyond(columns.resource, resources) or _beyond(columns.version, versions):
                raise _InDoubt
        if _beyond(deltas.meter, kinds[0]):
            raise _InDoubt
        self._polled.append(moved_polled(polled, *first, shape))
        if len(deltas.ts):
            self._deltas.append(moved_deltas(deltas, *first, meter))
        self._resources += resources
        self._versions += versions

    def batch(self) -> SampleBatch:
        polled = join_polled(self._polled)
        deltas = join_deltas(self._deltas) if self._deltas else NO_DELTAS
        return SampleBatch(self._resources, self._versions, self._meters, self._shapes, polled, deltas)

    def _places(self, kinds: _Kinds) -> tuple[int, int]:
        places = self._known.get(kinds)
        if places is None:
            meters, shapes = kinds
            for shape in shapes:
                if len({(m.name, m.type, m.unit) for m in map(meters.__getitem__, shape)}) < len(shape):
                    raise _InDoubt
            places = self._known[kinds] = len(self._meters), len(self._shapes)
            self._shapes += [tuple(meter + places[0] for meter in shape) for shape in shapes]
            self._meters += meters
        return places


def _are_within(times: Integers, start: int, end: int) -> bool:
    return not len(times) or (int(times.min()) >= start and int(times.max()) < end)


def _beyond(places: Integers, names: Sequence[object]) -> bool:
    return len(places) > 0 and int(places.max()) >= len(names)


def _list(text: bytes, length: int | None = None) -> list[object]:
    try:
        values = msgspec.json.decode(text, type=list[object])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise _InDoubt from None
    if length not in (None, len(values)):
        raise _InDoubt
    return values


def _settled(draft: Draft) -> Sample:
    sample = normalize(draft, EARLIEST)
    if isinstance(sample, Unfit):
        raise _InDoubt
    return sample


def _meter(claim: object) -> MeterKey:
    match claim:
        case [name, kind, unit, 0 | 1 as real] if not isinstance(real, bool):
            sample = _settled(replace(_PLAIN, meter=name, type=kind, unit=unit))
            return MeterKey(sample.meter, sample.type, sample.unit, real == 1)
    raise _InDoubt

"""Frames of agents checked and settled all at once, as `collector.normalize` would do it reading by reading.

Names are settled by `normalize` itself, once each, and remembered. Numbers and times are compared as arrays. Where
anything at all is in doubt nothing is decided here: the message is then read reading by reading.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
import numpy as np
from msgspec import structs

from collector.columns import Names, join, read_names
from collector.draft import Draft
from collector.frame import Parts, is_padded
from collector.instants import EARLIEST, LATEST
from collector.judging import VERSIONS_BYTES
from collector.normalize import FUTURE_LIMIT, Unfit, normalize
from collector.remembered import Remembered
from collector.volumes import settle_volumes
from storage.columns import Integers
from storage.ingest.arrangement import canonical
from storage.ingest.batch import SampleBatch, integers, widths_of
from storage.ingest.keys import ID_BYTES, MeterKey, ResourceKey, VersionKey
from storage.sample import Sample, to_microseconds

# What was made of texts is remembered, and weighs so much at most, twice over (`Remembered`).
FRAMES_BYTES = 32 * 2**20
NAMES_BYTES = 24 * 2**20

# What is remembered is larger than its text: keys, entries of the dictionary, objects.
_ENTRY_BYTES = 400
_SHAPE_BYTES = 100
_METER_BYTES = 400
_PLACE_BYTES = 8

_FIRST, _END = to_microseconds(EARLIEST), to_microseconds(LATEST)
_NO_ID = bytes(ID_BYTES)

# A reading with which nothing is wrong: what is put into it decides.
_PLAIN = Draft("m", "gauge", "", 0, "r", None, EARLIEST, id=_NO_ID)


class Checker:
    """Settles frames; any number of threads may use it."""

    def __init__(self) -> None:
        self._known: Remembered[_Known] = Remembered(FRAMES_BYTES)
        self._kinds: Remembered[_Kinds] = Remembered(NAMES_BYTES)
        self._resources: Remembered[ResourceKey] = Remembered(NAMES_BYTES)
        self._bodies: Remembered[str] = Remembered(NAMES_BYTES)
        self._versions: Remembered[VersionKey] = Remembered(NAMES_BYTES)

    def settle(self, frames: Sequence[Parts], received_at: datetime) -> SampleBatch | None:
        """All samples of these frames in their order, or None when a single one of them is not plainly clean.

        There is at least one. `received_at` is when the first of them arrived.
        """
        try:
            joined = _joined(frames, [self._names(frame) for frame in frames])
        except _InDoubt:
            return None
        end = min(_END, to_microseconds(received_at + FUTURE_LIMIT) + 1)
        if _NO_ID in joined.deltas.ids or not all(
            _are_within(columns.ts, _FIRST, end) for columns in (joined.polled, joined.deltas)
        ):
            return None
        return settle_volumes(joined)

    def _names(self, frame: Parts) -> "_Known":
        """A host sends the same names again and again: then they need no reading."""
        text = frame.text
        known = self._known.get(text)
        if known is None:
            known = self._read(text, len(frame))
            names = len(known.resources) + len(known.versions)
            self._known.put(text, known, len(text) + _ENTRY_BYTES + _PLACE_BYTES * names)
        return known

    def _read(self, text: bytes, samples: int) -> "_Known":
        names = read_names(text)
        if names is None or names.others[1]:
            raise _InDoubt
        lists = names.resources, names.metadata, names.versions, names.shapes, _list(bytes(names.meters))
        if is_padded(lists, samples):
            raise _InDoubt
        resources = [self._resource(bytes(raw)) for raw in names.resources]
        bodies = [self._body(bytes(raw)) for raw in names.metadata]
        versions: list[VersionKey] = []
        left_bytes = VERSIONS_BYTES
        for raw in names.versions:
            versions.append(self._version(bytes(raw), bodies))
            left_bytes -= len(versions[-1].body) * (1 + versions[-1].counters_only)  # two, one by one
            if left_bytes < 0:
                raise _InDoubt
        return _Known(resources, versions, self._kinds_of(names))

    def _kinds_of(self, names: Names) -> "_Kinds":
        """What hosts deliver is much the same: equal ones are one object."""
        text = bytes(names.meters) + repr(names.shapes).encode()
        found = self._kinds.get(text)
        if found is None:
            meters = tuple(_meter(claim) for claim in _list(bytes(names.meters)))
            shapes = tuple(tuple(shape) for shape in names.shapes)
            for shape in shapes:
                if not all(0 <= meter < len(meters) for meter in shape):
                    raise _InDoubt
                kinds = {(meters[meter].name, meters[meter].type, meters[meter].unit) for meter in shape}
                if not shape or len(kinds) < len(shape):
                    raise _InDoubt
            found = _Kinds(meters, shapes)
            size = _SHAPE_BYTES * len(shapes) + _METER_BYTES * len(meters)
            self._kinds.put(text, found, len(text) + _ENTRY_BYTES + size)
        return found

    def _resource(self, text: bytes) -> ResourceKey:
        found = self._resources.get(text)
        if found is None:
            owner, project = _list(text, 2)
            sample = _settled(structs.replace(_PLAIN, resource_id=owner, project_id=project))
            found = ResourceKey(sample.project_id or "", sample.resource_id)
            self._resources.put(text, found, len(text) + _ENTRY_BYTES)
        return found

    def _body(self, text: bytes) -> str:
        found = self._bodies.get(text)
        if found is None:
            try:
                metadata = msgspec.json.decode(text)
            except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
                raise _InDoubt from None
            found = canonical(_settled(structs.replace(_PLAIN, metadata=metadata)).metadata)
            self._bodies.put(text, found, len(text) + len(found) + _ENTRY_BYTES)
        return found

    def _version(self, text: bytes, bodies: Sequence[str]) -> VersionKey:
        user, source, generation, place, counters_only = _list(text, 5)
        if type(place) is not int or not 0 <= place < len(bodies) or type(counters_only) is not int:
            raise _InDoubt
        if counters_only not in (0, 1):
            raise _InDoubt
        body = bodies[place]
        about = text + body.encode()
        found = self._versions.get(about)
        if found is None:
            sample = _settled(structs.replace(_PLAIN, user_id=user, source=source, generation=generation))
            found = VersionKey(sample.user_id, sample.source, sample.generation, body, counters_only == 1)
            self._versions.put(about, found, len(about) + _ENTRY_BYTES)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Kinds:
    """What is delivered together: shapes of meters, none of which is empty or holds a meter twice."""

    meters: tuple[MeterKey, ...]
    shapes: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """The names of a frame, settled."""

    resources: list[ResourceKey]
    versions: list[VersionKey]
    kinds: _Kinds


class _InDoubt(Exception):
    """Something has to be looked at more closely; never leaves this file."""


def _joined(frames: Sequence[Parts], known: Sequence[_Known]) -> SampleBatch:
    """Frames put one behind the other; those that list the same meters and shapes share them."""
    found = join(frames)
    polled, deltas, names = found.polled, found.deltas, _Lists()
    first = [names.add(one) for one in known]
    begin = integers(first).reshape(-1, 4).T
    size = integers(
        [
            (len(one.resources), len(one.versions), len(one.kinds.meters), len(one.kinds.shapes))
            for one in known
        ]
    ).T
    resource, version, _, shape = (_Moving(*of, found.rows) for of in zip(begin, size, strict=True))
    moved = replace(
        polled,
        resource=resource.moved(polled.resource),
        version=version.moved(polled.version),
        shape=shape.moved(polled.shape),
    )
    ends = np.cumsum(widths_of(names.shapes)[moved.shape])
    if not np.array_equal(np.append(0, ends)[np.cumsum(found.rows)], np.cumsum(found.readings)):
        raise _InDoubt  # the shapes do not account for the readings of each
    if len(deltas.ts):
        resource, version, meter, _ = (_Moving(*of, found.entries) for of in zip(begin, size, strict=True))
        deltas = replace(
            deltas,
            resource=resource.moved(deltas.resource),
            version=version.moved(deltas.version),
            meter=meter.moved(deltas.meter),
        )
    return SampleBatch(names.resources, names.versions, names.meters, names.shapes, moved, deltas)


@dataclass(frozen=True, slots=True)
class _Moving:
    """Of each frame where its names begin in the longer list, how many they are, and how many entries name one."""

    begin: Integers
    size: Integers
    entries: Integers

    def moved(self, places: Integers) -> Integers:
        """The places in the longer list; raises _InDoubt for one that is in no list."""
        if (places >= np.repeat(self.size, self.entries)).any():
            raise _InDoubt
        moved: Integers = places + np.repeat(self.begin, self.entries)
        return moved


class _Lists:
    """The names of many frames."""

    def __init__(self) -> None:
        self.resources: list[ResourceKey] = []
        self.versions: list[VersionKey] = []
        self.meters: list[MeterKey] = []
        self.shapes: list[tuple[int, ...]] = []
        self._places: dict[_Kinds, tuple[int, int]] = {}  # where meters and shapes begin

    def add(self, known: _Known) -> tuple[int, int, int, int]:
        """Where its resources, versions, meters and shapes begin."""
        places = self._places.get(known.kinds)
        if places is None:
            places = self._places[known.kinds] = len(self.meters), len(self.shapes)
            self.shapes += [tuple(meter + places[0] for meter in shape) for shape in known.kinds.shapes]
            self.meters += known.kinds.meters
        begin = (len(self.resources), len(self.versions), *places)
        self.resources += known.resources
        self.versions += known.versions
        return begin


def _are_within(times: Integers, start: int, end: int) -> bool:
    return not len(times) or (int(times.min()) >= start and int(times.max()) < end)


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
            sample = _settled(structs.replace(_PLAIN, meter=name, type=kind, unit=unit))
            return MeterKey(sample.meter, sample.type, sample.unit, real == 1)
    raise _InDoubt

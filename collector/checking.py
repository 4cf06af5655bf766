"""Frames of agents checked and settled all at once, as `collector.normalize` would do it reading by reading.

Names are settled by `normalize` itself, once each, and remembered. Numbers and times are compared as arrays. Where
anything at all is in doubt nothing is decided here: the message is then read reading by reading.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from collector.columns import Frame, Names, read_names
from collector.draft import Draft
from collector.frame import is_padded
from collector.instants import EARLIEST, LATEST
from collector.judging import VERSIONS_BYTES
from collector.normalize import FUTURE_LIMIT, Unfit, normalize
from collector.remembered import Remembered
from collector.volumes import settle_volumes
from storage.arrangement import canonical
from storage.batch import (
    NO_DELTAS,
    Deltas,
    Polled,
    SampleBatch,
    join_deltas,
    join_polled,
    moved_deltas,
    moved_polled,
    widths_of,
)
from storage.columns import Integers
from storage.keys import ID_BYTES, MeterKey, ResourceKey, VersionKey
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
            known = self._names(frame)
            if not frame.is_accounted_for(known.kinds.widths):
                raise _InDoubt
            joined.add(frame, known)
        return joined.batch()

    def _names(self, frame: Frame) -> "_Known":
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
            left_bytes -= len(versions[-1].body)
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
                if len(kinds) < len(shape):
                    raise _InDoubt
            found = _Kinds(meters, shapes, widths_of(shapes))
            size = _SHAPE_BYTES * len(shapes) + _METER_BYTES * len(meters)
            self._kinds.put(text, found, len(text) + _ENTRY_BYTES + size)
        return found

    def _resource(self, text: bytes) -> ResourceKey:
        found = self._resources.get(text)
        if found is None:
            owner, project = _list(text, 2)
            sample = _settled(replace(_PLAIN, resource_id=owner, project_id=project))
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
            found = canonical(_settled(replace(_PLAIN, metadata=metadata)).metadata)
            self._bodies.put(text, found, len(text) + len(found) + _ENTRY_BYTES)
        return found

    def _version(self, text: bytes, bodies: Sequence[str]) -> VersionKey:
        user, source, generation, place = _list(text, 4)
        if type(place) is not int or not 0 <= place < len(bodies):
            raise _InDoubt
        body = bodies[place]
        about = text + body.encode()
        found = self._versions.get(about)
        if found is None:
            sample = _settled(replace(_PLAIN, user_id=user, source=source, generation=generation))
            found = VersionKey(sample.user_id, sample.source, sample.generation, body)
            self._versions.put(about, found, len(about) + _ENTRY_BYTES)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Kinds:
    """What is delivered together: shapes of meters, none of which holds a meter twice."""

    meters: tuple[MeterKey, ...]
    shapes: tuple[tuple[int, ...], ...]
    widths: Integers


@dataclass(frozen=True, slots=True)
class _Known:
    """The names of a frame, settled."""

    resources: list[ResourceKey]
    versions: list[VersionKey]
    kinds: _Kinds


class _InDoubt(Exception):
    """Something has to be looked at more closely; never leaves this file."""


class _Joined:
    """Frames put one behind the other; those that list the same meters and shapes share them."""

    def __init__(self) -> None:
        self._resources: list[ResourceKey] = []
        self._versions: list[VersionKey] = []
        self._meters: list[MeterKey] = []
        self._shapes: list[tuple[int, ...]] = []
        self._places: dict[_Kinds, tuple[int, int]] = {}  # where meters and shapes begin
        self._polled: list[Polled] = []
        self._deltas: list[Deltas] = []

    def add(self, frame: Frame, known: _Known) -> None:
        meter, shape = self._begin(known.kinds)
        first = len(self._resources), len(self._versions)
        polled, deltas = frame.polled, frame.deltas
        for columns in (polled, deltas):
            if _beyond(columns.resource, known.resources) or _beyond(columns.version, known.versions):
                raise _InDoubt
        if _beyond(deltas.meter, known.kinds.meters):
            raise _InDoubt
        self._polled.append(moved_polled(polled, *first, shape))
        if len(deltas.ts):
            self._deltas.append(moved_deltas(deltas, *first, meter))
        self._resources += known.resources
        self._versions += known.versions

    def batch(self) -> SampleBatch:
        polled = join_polled(self._polled)
        deltas = join_deltas(self._deltas) if self._deltas else NO_DELTAS
        return SampleBatch(self._resources, self._versions, self._meters, self._shapes, polled, deltas)

    def _begin(self, kinds: _Kinds) -> tuple[int, int]:
        places = self._places.get(kinds)
        if places is None:
            places = self._places[kinds] = len(self._meters), len(self._shapes)
            self._shapes += [tuple(meter + places[0] for meter in shape) for shape in kinds.shapes]
            self._meters += kinds.meters
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

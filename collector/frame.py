"""The batches agents send, version 2: names once as JSON, numbers as columns of raw bytes, little-endian.

    magic           b"nephometer.samples 2\\n"
    counts          bytes of the names, rows, readings, delta samples (4 bytes each); bytes of an entry in the columns
                    of resources, versions, shapes or meters, and times (1 each); the time at which times begin (8)
    names           JSON: [resources, versions, meters, shapes, [metadata, others]]
    rows            columns resource, version, shape (places in the lists of names) and time (microseconds)
    readings        8 bytes each, row by row, in the order of the shape: int64 or float64, as the meter says
    delta samples   columns resource, version, meter and time; 8 bytes each; ids of 16 bytes each (zeros: none)

A resource is [resource, project], a version [user, source, generation, metadata], a meter [name, type, unit, 1 if its
readings are floats], a shape a list of places in meters. `others` are readings that fit no column (`collector.listed`).
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from collector.draft import Draft, unreadable
from collector.errors import InvalidMessage
from collector.listed import draft_of, encode_json, lists_of, moment_of, parse_json
from storage.arrangement import Arrangement
from storage.batch import ID_BYTES, NO_DELTAS, Deltas, Polled, volume_of, widths_of
from storage.columns import Integers
from storage.sample import INT64_MAX, INT64_MIN, Sample

MAGIC = b"nephometer.samples 2\n"
ROWS_AT_ONCE = 10_000

_COUNTS = struct.Struct("<4I4Bq")
_Kind = np.dtype[Any]  # Any: integers of several widths
_PLACES: dict[int, _Kind] = {1: np.dtype("u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4")}
_TIMES: dict[int, _Kind] = {**_PLACES, 8: np.dtype("<i8")}
_BITS: _Kind = np.dtype("<i8")
_NO_ID = bytes(ID_BYTES)


class Names(msgspec.Struct, array_like=True, frozen=True):
    """The names of a well-formed frame, most of them still as JSON, for whoever knows the text already."""

    resources: list[msgspec.Raw]
    versions: list[msgspec.Raw]
    meters: msgspec.Raw
    shapes: list[list[int]]
    others: tuple[list[object], list[object]]


@dataclass(frozen=True, slots=True)
class Frame:
    """A batch of version 2 whose names, the JSON `text`, have not been read."""

    text: bytes
    polled: Polled
    deltas: Deltas

    def __len__(self) -> int:
        """How many samples its columns hold."""
        return len(self.polled.readings) + len(self.deltas.ts)

    def is_accounted_for(self, widths: Integers) -> bool:
        """Whether shapes of these widths divide the readings among the rows, none left over."""
        try:
            width = widths[self.polled.shape]
        except IndexError:
            return False
        return int(width.sum()) == len(self.polled.readings) and bool(widths.all())


def is_columnar(body: bytes) -> bool:
    """Whether a message is a batch of version 2."""
    return body.startswith(MAGIC)


def samples_in(body: bytes) -> int:
    """How many samples a message says it has, without reading it; 1 when it does not say."""
    if not is_columnar(body) or len(body) < len(MAGIC) + _COUNTS.size:
        return 1
    _, _, readings, deltas, *_ = _COUNTS.unpack_from(body, len(MAGIC))
    return int(readings + deltas)


def encode(samples: Sequence[Sample]) -> bytes:
    """One batch of version 2; the same samples give the same bytes. Only delta samples keep their id."""
    arrangement: Arrangement[bytes] = Arrangement()
    versions: dict[tuple[str | None, str, str | None, int], bytes] = {}
    others = []
    for sample in samples:
        if not _fits(sample):
            others.append(sample)
            continue
        about = (sample.user_id, sample.source, sample.generation, id(sample.metadata))
        if about not in versions:
            versions[about] = encode_json([*about[:3], dict(sample.metadata)])
        identity = (sample.id or _NO_ID) if sample.type == "delta" else None
        arrangement.add(sample, versions[about], identity)
    return _assemble(arrangement, others)


def decode(body: bytes) -> Frame:
    """The frame in a message, its names unread; raises InvalidMessage for one whose parts do not fit together.

    No larger than the message: claims of more than it holds are refused before anything is made of them.
    """
    cut = _Cut(body)
    size, rows, readings, deltas, resource, version, kind, time, start = cut.counts
    text = cut.take(size)
    try:
        places, times = (_PLACES[resource], _PLACES[version], _PLACES[kind]), _TIMES[time]
    except KeyError:
        raise InvalidMessage("a batch with columns of an unknown width") from None
    columns, ts = cut.columns(rows, places), cut.times(rows, times, start)
    polled = Polled(*columns, ts, cut.column(readings, _BITS))
    found = NO_DELTAS
    if deltas:
        columns, ts = cut.columns(deltas, places), cut.times(deltas, times, start)
        found = Deltas(*columns, ts, cut.column(deltas, _BITS), cut.take(deltas * ID_BYTES))
    cut.end()
    return Frame(text, polled, found)


def read_names(text: bytes) -> Names | None:
    """The names of a frame; None where they are not what an agent writes."""
    try:
        return msgspec.json.decode(text, type=Names)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


def drafts(frame: Frame) -> Iterator[Draft]:
    """What a frame claims, reading by reading, so that one bad reading stands alone.

    Raises InvalidMessage at the first reading when it cannot be read at all.
    """
    match parse_json(frame.text):
        case [
            list(resources),
            list(versions),
            list(meters),
            list(shapes),
            [list(metadata), list(others)],
        ] if all(isinstance(shape, list) for shape in shapes):
            names, widths = _Claims(resources, versions, meters), widths_of(shapes)
        case _:
            raise InvalidMessage("a batch with names of the wrong form")
    if not frame.is_accounted_for(widths):
        raise InvalidMessage("a batch whose shapes do not account for its readings")
    begin = 0
    polled = frame.polled
    for resource, version, shape, ts in _walk((polled.resource, polled.version, polled.shape, polled.ts)):
        width = int(widths[shape])
        readings = polled.readings[begin : begin + width].tolist()
        begin += width
        for meter, bits in zip(shapes[shape], readings, strict=True):
            yield names.draft(resource, version, meter, ts, bits, None)
    deltas = frame.deltas
    columns = (deltas.resource, deltas.version, deltas.meter, deltas.ts, deltas.volume)
    for place, (resource, version, meter, ts, bits) in enumerate(_walk(columns)):
        identity = deltas.ids[place * ID_BYTES : (place + 1) * ID_BYTES]
        yield names.draft(resource, version, meter, ts, bits, identity)
    for other in others:
        yield draft_of(other, metadata)


class _Cut:
    """Takes a message apart from front to back."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = len(MAGIC)
        self.counts: tuple[int, ...] = _COUNTS.unpack(self.take(_COUNTS.size))

    def take(self, size: int) -> bytes:
        begin, self._at = self._at, self._at + size
        if self._at > len(self._body):
            raise InvalidMessage("a batch that was cut off")
        return self._body[begin : self._at]

    def column(self, length: int, kind: _Kind) -> Integers:
        begin, self._at = self._at, self._at + length * kind.itemsize
        if self._at > len(self._body):
            raise InvalidMessage("a batch that was cut off")
        return np.frombuffer(self._body, kind, length, begin).astype(np.int64)

    def columns(self, length: int, kinds: tuple[_Kind, _Kind, _Kind]) -> tuple[Integers, Integers, Integers]:
        first, second, third = kinds
        return self.column(length, first), self.column(length, second), self.column(length, third)

    def times(self, length: int, kind: _Kind, start: int) -> Integers:
        return (
            self.column(length, kind) + start
        )  # may wrap around: then it is out of range, or as good as any

    def end(self) -> None:
        if self._at != len(self._body):
            raise InvalidMessage("a batch with something behind its end")


@dataclass(frozen=True, slots=True)
class _Claims:
    """The names of a frame, of any type."""

    resources: Sequence[object]
    versions: Sequence[object]
    meters: Sequence[object]

    def draft(
        self, resource: int, version: int, meter: object, ts: int, bits: int, identity: bytes | None
    ) -> Draft:
        """The draft of one reading, or one that says that its names cannot be made out."""
        match _at(self.resources, resource), _at(self.versions, version), _at(self.meters, meter):
            case [owner, project], [user, source, generation, metadata], [name, kind, unit, int(real)]:
                return Draft(
                    meter=name,
                    type=kind,
                    unit=unit,
                    volume=volume_of(bits, real=bool(real)),
                    resource_id=owner,
                    project_id=project,
                    timestamp=moment_of(ts),
                    user_id=user,
                    source=source,
                    metadata=metadata,
                    generation=generation,
                    id=None if identity == _NO_ID else identity,
                )
        return unreadable("a reading of the batch whose names are not in its lists")


def _at(names: Sequence[object], place: object) -> object:
    return names[place] if type(place) is int and 0 <= place < len(names) else None


def _walk(columns: Sequence[Integers]) -> Iterator[tuple[int, ...]]:
    """The entries of columns as tuples, made a few thousand at a time."""
    for start in range(0, len(columns[0]), ROWS_AT_ONCE):
        yield from zip(*(column[start : start + ROWS_AT_ONCE].tolist() for column in columns), strict=True)


def _fits(sample: Sample) -> bool:
    """Whether the columns can hold a sample."""
    volume = sample.volume
    is_number = isinstance(volume, float) or (type(volume) is int and INT64_MIN <= volume <= INT64_MAX)
    return is_number and (sample.type != "delta" or sample.id is None or len(sample.id) == ID_BYTES)


def _assemble(arrangement: Arrangement[bytes], others: Sequence[Sample]) -> bytes:
    shapes, polled, deltas = arrangement.columns()
    resources = [encode_json([key.resource_id, key.project_id or None]) for key in arrangement.resources]
    meters = [[key.name, key.type, key.unit, int(key.real)] for key in arrangement.meters]
    lists = [
        _list(resources),
        _list(arrangement.versions),
        *map(encode_json, (meters, shapes, lists_of(others))),
    ]
    text = _list(lists)
    times = np.concatenate((polled.ts, deltas.ts))
    start = int(times.min()) if len(times) else 0
    places = [_width(len(names)) for names in (resources, arrangement.versions)]
    widths = (
        *places,
        _width(max(len(shapes), len(meters))),
        _width(int(times.max()) - start + 1 if len(times) else 0),
    )
    counts = _COUNTS.pack(len(text), len(polled.ts), len(polled.readings), len(deltas.ts), *widths, start)
    kinds = [*(_PLACES[width] for width in widths[:3]), _TIMES[widths[3]]]
    parts = [MAGIC, counts, text]
    for columns, values in (
        ((polled.resource, polled.version, polled.shape, polled.ts - start), polled.readings),
        ((deltas.resource, deltas.version, deltas.meter, deltas.ts - start), deltas.volume),
    ):
        parts += [column.astype(kind).tobytes() for column, kind in zip(columns, kinds, strict=True)]
        parts.append(values.astype(_BITS).tobytes())
    return b"".join([*parts, deltas.ids])


def _list(texts: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(texts) + b"]"


def _width(count: int) -> int:
    """Bytes of an entry that is one of so many."""
    return next(width for width in (1, 2, 4, 8) if count <= 1 << (8 * width))

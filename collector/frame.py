"""The batches agents send, version 2: names once as JSON, numbers as columns of raw bytes, little-endian.

    magic           b"nephometer.samples 2\\n"
    counts          bytes of the names, rows, readings, delta samples (4 bytes each); bytes of an entry in the columns
                    of resources, versions, shapes or meters, and times (1 each); the time at which times begin (8)
    names           JSON: [resources, metadata, versions, meters, shapes, [metadata of others, others]]
    rows            columns resource, version, shape (places in the lists of names) and time (microseconds)
    readings        8 bytes each, row by row, in the order of the shape: int64 or float64, as the meter says
    delta samples   columns resource, version, meter and time; 8 bytes each; ids of 16 bytes each (zeros: none)

No list has more names than the batch has samples. A resource is [resource, project], a version [user, source,
generation, place of its metadata, 1 if only cumulative meters have the generation], a meter [name, type, unit, 1 if
its readings are floats], a shape a list of places in meters. `others` are readings that fit no column
(`collector.listed`). Times of 8 bytes are whole ones, and begin at 0.

`collector.framing` writes them. Here they are read one reading at a time, with nothing but the standard library, as an
agent reads its own and as whatever is in doubt is read; `collector.columns` reads them as arrays.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from collector.draft import Draft, unreadable
from collector.errors import InvalidMessage
from collector.listed import draft_of, moment_of, parse_json
from storage.ingest.keys import ID_BYTES, volume_of

MAGIC = b"nephometer.samples 2\n"
COUNTS = struct.Struct("<4I4Bq")
CODES = {1: "B", 2: "H", 4: "I", 8: "q"}  # of `struct`, by bytes of an entry; 8: times and readings only
NO_ID = bytes(ID_BYTES)

READING = 8  # bytes
ROWS, READINGS, DELTAS = range(4), 4, range(5, 10)  # places of columns
SHAPES = ROWS[2]

_BEGIN = len(MAGIC) + COUNTS.size
_FARTHEST = 2**62  # microseconds: no column of four bytes leads from here beyond 64 bits


@dataclass(frozen=True, slots=True)
class Parts:
    """A batch of version 2 taken apart, nothing of it read.

    Its columns are those of the rows (resource, version, shape, time), the readings, and those of the delta samples
    (resource, version, meter, time, reading), numbered from 0. `codes` say what `struct` calls an entry of each, and
    `edges` where in the `body` the names, each column and the ids begin, and where all ends. Times count from `start`.
    """

    body: bytes
    edges: tuple[int, ...]
    codes: tuple[str, ...]
    start: int
    rows: int
    readings: int
    deltas: int

    def __len__(self) -> int:
        """How many samples its columns hold."""
        return self.readings + self.deltas

    @property
    def text(self) -> bytes:
        """The names."""
        return self.body[self.edges[0] : self.edges[1]]

    def column(self, place: int) -> memoryview:
        """One column, little-endian."""
        return memoryview(self.body)[self.edges[place + 1] : self.edges[place + 2]]

    def values(self, place: int) -> Iterator[int]:
        """The entries of a column, one after another."""
        return (value for (value,) in struct.iter_unpack(f"<{self.codes[place]}", self.column(place)))

    @property
    def ids(self) -> bytes:
        """Those of the delta samples, 16 bytes each."""
        return self.body[self.edges[-2] : self.edges[-1]]


def is_columnar(body: bytes) -> bool:
    """Whether a message is a batch of version 2."""
    return body.startswith(MAGIC)


def samples_in(body: bytes) -> int:
    """How many samples a message says it has, without reading it; 1 when it does not say."""
    if not is_columnar(body) or len(body) < len(MAGIC) + COUNTS.size:
        return 1
    _, _, readings, deltas, *_ = COUNTS.unpack_from(body, len(MAGIC))
    return int(readings + deltas)


def is_padded(lists: Sequence[Sequence[object]], samples: int) -> bool:
    """Whether one of the lists of a batch of so many samples has names that no sample can need."""
    return any(len(names) > samples for names in lists)


def take_apart(body: bytes) -> Parts:
    """The parts of a message; raises InvalidMessage when they do not fit together.

    No larger than the message: claims of more than it holds are refused before anything is made of them.
    """
    if len(body) < _BEGIN:
        raise InvalidMessage("a batch that was cut off")
    size, rows, readings, deltas, *widths, start = COUNTS.unpack_from(body, len(MAGIC))
    resource, version, kind, time = widths
    if not {resource, version, kind} <= {1, 2, 4} or time not in CODES:
        raise InvalidMessage("a batch with columns of an unknown width")
    if abs(start) > _FARTHEST or (time == READING and start):
        raise InvalidMessage("a batch whose times begin nowhere")
    bytes_of = (*widths, READING, *widths, READING)
    lengths = [
        count * width for count, width in zip((*[rows] * 4, readings, *[deltas] * 5), bytes_of, strict=True)
    ]
    edges = tuple(accumulate((size, *lengths, deltas * ID_BYTES), initial=_BEGIN))
    if edges[-1] > len(body):
        raise InvalidMessage("a batch that was cut off")
    if edges[-1] < len(body):
        raise InvalidMessage("a batch with something behind its end")
    return Parts(body, edges, tuple([CODES[width] for width in bytes_of]), start, rows, readings, deltas)


def drafts(body: bytes) -> Iterator[Draft]:
    """What a message claims, reading by reading, so that one bad reading stands alone.

    Raises InvalidMessage at the first reading when it cannot be read at all.
    """
    parts = take_apart(body)
    match parse_json(parts.text):
        case [
            list(resources),
            list(metadata),
            list(versions),
            list(meters),
            list(shapes),
            [list(of_others), list(others)],
        ] if all(isinstance(shape, list) for shape in shapes):
            claims = _Claims(resources, metadata, versions, meters)
        case _:
            raise InvalidMessage("a batch with names of the wrong form")
    if is_padded((resources, metadata, versions, meters, shapes), samples_in(body)):
        raise InvalidMessage("a batch that lists more names than it has readings")
    _check_account(parts, shapes)
    yield from _polled(parts, claims, shapes)
    columns = [parts.values(place) for place in DELTAS]
    ids = parts.ids
    for place, (resource, version, meter, ts, bits) in enumerate(zip(*columns, strict=True)):
        identity = ids[place * ID_BYTES : (place + 1) * ID_BYTES]
        yield claims.draft(resource, version, meter, parts.start + ts, bits, identity)
    for other in others:
        yield draft_of(other, of_others)


def _polled(parts: Parts, claims: "_Claims", shapes: Sequence[Sequence[object]]) -> Iterator[Draft]:
    readings = parts.values(READINGS)
    columns = [parts.values(place) for place in ROWS]
    for resource, version, shape, ts in zip(*columns, strict=True):
        for meter in shapes[shape]:
            yield claims.draft(resource, version, meter, parts.start + ts, next(readings), None)


def _check_account(parts: Parts, shapes: Sequence[Sequence[object]]) -> None:
    """Raises InvalidMessage unless the shapes divide the readings among the rows, none left over."""
    widths = [len(shape) for shape in shapes]
    try:
        of_rows = [widths[shape] for shape in parts.values(SHAPES)]
    except IndexError:
        of_rows = [0]
    if sum(of_rows) != parts.readings or not all(of_rows):
        raise InvalidMessage("a batch whose shapes do not account for its readings")


@dataclass(frozen=True, slots=True)
class _Claims:
    """The names of a frame, of any type."""

    resources: Sequence[object]
    metadata: Sequence[object]
    versions: Sequence[object]
    meters: Sequence[object]

    def draft(
        self, resource: int, version: int, meter: object, ts: int, bits: int, identity: bytes | None
    ) -> Draft:
        """The draft of one reading, or one that says that its names cannot be made out."""
        match _at(self.resources, resource), _at(self.versions, version), _at(self.meters, meter):
            case (
                [owner, project],
                [user, source, generation, int(place), 0 | 1 as counters_only],
                [name, kind, unit, int(real)],
            ) if _holds(self.metadata, place):
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
                    metadata=self.metadata[place],
                    generation=None if counters_only and kind != "cumulative" else generation,
                    id=None if identity == NO_ID else identity,
                )
        return unreadable("a reading of the batch whose names are not in its lists")


def _at(names: Sequence[object], place: object) -> object:
    return names[place] if type(place) is int and _holds(names, place) else None


def _holds(names: Sequence[object], place: int) -> bool:
    return type(place) is int and 0 <= place < len(names)

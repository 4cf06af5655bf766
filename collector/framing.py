"""Writes agents' batches of version 2 (`collector.frame`); an agent does it, so it needs no more than JSON."""

import struct
from collections.abc import Iterable, Iterator, Sequence

from collector.frame import CODES, COUNTS, MAGIC, NO_ID
from collector.listed import encode_json, lists_of
from storage.ingest.arrangement import Around, Arrangement
from storage.ingest.keys import ID_BYTES
from storage.sample import INT64_MAX, INT64_MIN, Sample

_About = tuple[str | None, str, int]  # user, source, place of the metadata


def encode(samples: Sequence[Sample]) -> bytes:
    """One batch of version 2; the same samples give the same bytes. Only delta samples keep their id."""
    writing = _Writing()
    others = []
    for sample in samples:
        if _fits(sample):
            writing.add(sample)
        else:
            others.append(sample)
    return writing.assembled(others)


class _Writing:
    """What is to be written, each name once."""

    def __init__(self) -> None:
        self._arrangement: Arrangement[_About] = Arrangement()
        self._metadata: dict[bytes, int] = {}
        self._places: dict[int, int] = {}  # by metadata object, which its sample keeps

    def add(self, sample: Sample) -> None:
        place = self._places.get(id(sample.metadata))
        if place is None:
            text = encode_json(dict(sample.metadata))
            place = self._metadata.setdefault(text, len(self._metadata))
            self._places[id(sample.metadata)] = place
        identity = (sample.id or NO_ID) if sample.type == "delta" else None
        self._arrangement.add(sample, (sample.user_id, sample.source, place), identity)

    def assembled(self, others: Sequence[Sample]) -> bytes:
        named, columns = self._arrangement, self._arrangement.arranged()
        resources = [encode_json([key.resource_id, key.project_id or None]) for key in named.resources]
        meters = [[key.name, key.type, key.unit, int(key.real)] for key in named.meters]
        versions = [encode_json(_version(around)) for around in columns.versions]
        lists = [_list(resources), _list(self._metadata), _list(versions)]
        text = _list([*lists, *map(encode_json, (meters, columns.shapes, lists_of(others)))])
        times = [row[3] for row in (*columns.rows, *columns.deltas)]
        time = _width(max(times) - min(times) + 1 if times else 0)
        start = min(times) if times and time < 8 else 0
        widths = (
            _width(len(resources)),
            _width(len(versions)),
            _width(max(len(columns.shapes), len(meters))),
            time,
        )
        sizes = len(text), len(columns.rows), len(columns.readings), len(columns.deltas)
        parts = [MAGIC, COUNTS.pack(*sizes, *widths, start), text]
        parts += _packed(columns.rows, start, widths)
        parts.append(_column(columns.readings, 8))
        parts += _packed(columns.deltas, start, (*widths, 8))
        return b"".join([*parts, columns.ids])


def _fits(sample: Sample) -> bool:
    """Whether the columns can hold a sample."""
    volume = sample.volume
    is_number = isinstance(volume, float) or (type(volume) is int and INT64_MIN <= volume <= INT64_MAX)
    return is_number and (sample.type != "delta" or sample.id is None or len(sample.id) == ID_BYTES)


def _version(around: Around[_About]) -> tuple[object, ...]:
    (user, source, place), generation, counters_only = around
    return user, source, generation, place, int(counters_only)


def _packed(rows: Sequence[tuple[int, ...]], start: int, widths: Sequence[int]) -> Iterator[bytes]:
    """The columns of rows, the fourth of which is a time."""
    for place, width in enumerate(widths):
        first = start if place == 3 else 0
        yield _column([row[place] - first for row in rows], width)


def _column(values: Sequence[int], width: int) -> bytes:
    return struct.pack(f"<{len(values)}{CODES[width]}", *values)


def _list(texts: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(texts) + b"]"


def _width(count: int) -> int:
    """Bytes of an entry that is one of so many."""
    return next(width for width in (1, 2, 4, 8) if count <= 1 << (8 * width))

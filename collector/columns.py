"""Agents' batches of version 2 (`collector.frame`) read as arrays, many at once, without an object for each reading."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from collector.frame import CODES, DELTAS, READINGS, ROWS, Parts
from storage.columns import Integers
from storage.ingest.batch import NO_DELTAS, Deltas, Polled, integers

_KINDS = {code: np.dtype(f"<{code}") for code in CODES.values()}


class Names(msgspec.Struct, array_like=True, frozen=True):
    """The names of a well-formed frame, most of them still as JSON, for whoever knows the text already."""

    resources: list[msgspec.Raw]
    metadata: list[msgspec.Raw]
    versions: list[msgspec.Raw]
    meters: msgspec.Raw
    shapes: list[list[int]]
    others: tuple[list[object], list[object]]


@dataclass(frozen=True, slots=True)
class Frames:
    """Some batches behind one another, each with `rows`, `readings` and `entries` (delta samples) of these numbers.

    Places of names are those in the lists of each.
    """

    polled: Polled
    deltas: Deltas
    rows: Integers
    readings: Integers
    entries: Integers


def join(frames: Sequence[Parts]) -> Frames:
    """The columns of these batches, which are at least one. Readings may not be written to."""
    rows, readings, entries = integers([(one.rows, one.readings, one.deltas) for one in frames]).T
    start = integers([one.start for one in frames])
    resource, version, shape, ts = (_array(frames, place) for place in ROWS)
    polled = Polled(resource, version, shape, ts + np.repeat(start, rows), _array(frames, READINGS))
    return Frames(polled, _deltas(frames, np.repeat(start, entries)), rows, readings, entries)


def read_names(text: bytes) -> Names | None:
    """The names of a frame; None where they are not what an agent writes."""
    try:
        return msgspec.json.decode(text, type=Names)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


def _deltas(frames: Sequence[Parts], start: Integers) -> Deltas:
    if not len(start):
        return NO_DELTAS
    resource, version, meter, ts, volume = (_array(frames, place) for place in DELTAS)
    return Deltas(resource, version, meter, ts + start, volume, b"".join([one.ids for one in frames]))


def _array(frames: Sequence[Parts], place: int) -> Integers:
    """One column of all of them; nearly always its entries are as wide in each."""
    codes = [one.codes[place] for one in frames]
    if codes.count(codes[0]) == len(codes):
        data = b"".join([one.column(place) for one in frames])
        return np.frombuffer(data, _KINDS[codes[0]]).astype(np.int64, copy=False)
    parts = [np.frombuffer(one.column(place), _KINDS[code]) for one, code in zip(frames, codes, strict=True)]
    return np.concatenate([part.astype(np.int64) for part in parts])

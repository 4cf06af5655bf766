"""Agents' batches of version 2 (`collector.frame`) read as arrays, without an object for each reading."""

from dataclasses import dataclass

import msgspec
import numpy as np

from collector.frame import CODES, Column, Parts, take_apart
from storage.batch import NO_DELTAS, Deltas, Polled
from storage.columns import Integers

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


def decode(body: bytes) -> Frame:
    """The frame in a message, its names unread; raises InvalidMessage for one whose parts do not fit together.

    Not much larger than the message, whatever it claims.
    """
    parts = take_apart(body)
    resource, version, shape, ts = map(_array, parts.rows)
    polled = Polled(resource, version, shape, ts + parts.start, _array(parts.readings))
    return Frame(parts.text, polled, _deltas(parts))


def read_names(text: bytes) -> Names | None:
    """The names of a frame; None where they are not what an agent writes."""
    try:
        return msgspec.json.decode(text, type=Names)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


def _deltas(parts: Parts) -> Deltas:
    if not parts.ids:
        return NO_DELTAS
    resource, version, meter, ts, volume = map(_array, parts.deltas)
    return Deltas(resource, version, meter, ts + parts.start, volume, parts.ids)


def _array(column: Column) -> Integers:
    return np.frombuffer(column.data, _KINDS[column.code]).astype(np.int64)

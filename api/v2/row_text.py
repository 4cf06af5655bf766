"""Rows of JSON put together column by column."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat

import numpy as np

from api.v2.time_columns import Texts

# What stands in every row, or in each of them; as an array of texts of one length where there are many.
Part = bytes | Sequence[bytes] | Texts


def object_of(fields: Mapping[str, Sequence[Part]]) -> list[Part]:
    """The parts of an object: its keys, each before the parts of its value."""
    parts: list[Part] = []
    for key, value in fields.items():
        parts += [f'{", " if parts else "{"}"{key}": '.encode(), *value]
    return [*parts, b"}"]


def array(parts: Sequence[Part], size: int) -> bytes:
    """An array of so many rows of these parts: a part of a row takes 20 ns so.

    What is of one length in all rows is one part, from within one row into the next.
    """
    first = next((at for at, part in enumerate(parts) if not isinstance(part, bytes)), len(parts))
    before = b"".join(part for part in parts[:first] if isinstance(part, bytes))
    columns: list[Iterable[bytes]] = []
    alike: list[bytes | Texts] = []
    for part in (*parts[first:], b", ", before):
        if isinstance(part, bytes):
            alike[-1:] = [alike[-1] + part] if alike and isinstance(alike[-1], bytes) else [*alike[-1:], part]
        elif isinstance(part, np.ndarray):
            alike.append(part)
        else:
            columns += [_alike(alike, size), part] if alike else [part]
            alike = []
    last = [*_alike(alike, size)]
    last[-1] = last[-1][: -len(before) - 2]
    between = chain.from_iterable(zip(*columns, last, strict=True))
    return b"".join(chain((b"[", before), between, (b"]",)))


def _alike(parts: Sequence[bytes | Texts], size: int) -> Iterable[bytes]:
    """These parts of each row together."""
    if len(parts) == 1 and isinstance(parts[0], bytes):
        return repeat(parts[0], size)
    widths = [len(part) if isinstance(part, bytes) else part.itemsize for part in parts]
    lines = np.empty((size, sum(widths)), np.uint8)
    at = 0
    for part, width in zip(parts, widths, strict=True):
        lines[:, at : at + width] = np.frombuffer(part, np.uint8).reshape(-1, width)
        at += width
    found: list[bytes] = lines.view(f"S{lines.shape[1]}")[:, 0].tolist()
    return found

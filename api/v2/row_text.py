"""Rows of JSON put together column by column."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat

import numpy as np

from api.v2.time_columns import Texts

# What stands in every row, or in each of them; as an array of texts of one length where there are many.
Part = str | Sequence[str] | Texts


def object_of(fields: Mapping[str, Sequence[Part]]) -> list[Part]:
    """The parts of an object: its keys, each before the parts of its value."""
    parts: list[Part] = []
    for key, value in fields.items():
        parts += [f'{", " if parts else "{"}"{key}": ', *value]
    return [*parts, "}"]


def rows(parts: Sequence[Part], size: int) -> str:
    """So many rows of these parts with commas between them: a part of a row takes 20 ns so.

    What is of one length in all rows is one part, from within one row into the next.
    """
    first = next((at for at, part in enumerate(parts) if not isinstance(part, str)), len(parts))
    before = "".join(str(part) for part in parts[:first])
    columns: list[Iterable[str]] = []
    alike: list[str | Texts] = []
    for part in (*parts[first:], ", ", before):
        if isinstance(part, str):
            alike[-1:] = [alike[-1] + part] if alike and isinstance(alike[-1], str) else [*alike[-1:], part]
        elif isinstance(part, np.ndarray):
            alike.append(part)
        else:
            columns += [_alike(alike, size), part] if alike else [part]
            alike = []
    columns.append(_alike(alike, size))
    whole = "".join(chain.from_iterable(zip(*columns, strict=True)))
    return f"{before}{whole[: -len(before) - 2]}"


def _alike(parts: Sequence[str | Texts], size: int) -> Iterable[str]:
    """These parts of each row together."""
    if len(parts) == 1 and isinstance(parts[0], str):
        return repeat(parts[0], size)
    widths = [len(part) if isinstance(part, str) else part.itemsize for part in parts]
    lines = np.empty((size, sum(widths)), np.uint8)
    at = 0
    for part, width in zip(parts, widths, strict=True):
        octets = np.frombuffer(part.encode() if isinstance(part, str) else part, np.uint8)
        lines[:, at : at + width] = octets.reshape(-1, width)
        at += width
    text, step = lines.tobytes().decode(), sum(widths)
    return [text[at : at + step] for at in range(0, len(text), step)]

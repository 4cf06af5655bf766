"""Tiles of lists, which tests are easier to write with than arrays."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from storage.columns import Volumes
from storage.tiles import codec
from storage.tiles.codec import Block, Ragged
from storage.tiles.kinds import Values

Series = Sequence[Sequence[int] | Sequence[float]]
Present = Sequence[Sequence[int] | None]


def encode_stamps(stamps: Sequence[Sequence[int]], *, checked: bool = False) -> Block:
    flat = np.array(list(chain.from_iterable(stamps)), np.int64)
    return codec.encode_stamps(flat, _counts(stamps), checked=checked)


def decode_stamps(block: Block) -> list[Values]:
    return _lists(codec.decode_stamps(block))


def encode_values(values: Series, present: Present, *, real: bool, checked: bool = False) -> Block:
    listed = list(chain.from_iterable(values))
    flat: Volumes = np.array(listed, np.float64) if real else np.array(listed, np.int64)
    marked = {
        slot: np.array(positions, np.int64) for slot, positions in enumerate(present) if positions is not None
    }
    return codec.encode_values(flat, _counts(values), marked, checked=checked)


def decode_values(block: Block) -> list[tuple[Values, list[int] | None]]:
    ragged, marked = codec.decode_values(block)
    return [
        (series, marked[slot].tolist() if slot in marked else None)
        for slot, series in enumerate(_lists(ragged))
    ]


def _counts(series: Series) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
    return np.array(list(map(len, series)), np.intp)


def _lists(ragged: Ragged) -> list[Values]:
    return [series.tolist() for series in np.split(ragged.flat, np.cumsum(ragged.counts)[:-1])][
        : len(ragged.counts)
    ]

"""Slots whose series are alike share a record, and each reads as if it had its own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.columns import Integers, Volumes
from storage.errors import DamagedTile
from storage.tiles import codec, heads, rolls, sharing
from storage.tiles.codec import Block
from storage.tiles.layout import bitmap_of, place_in
from storage.tiles.roll_stacks import RollRow, decode_rolls

some = settings(max_examples=100, deadline=None)
# Of each slot which node it is on, and of each node when it was polled.
nodes = st.dictionaries(st.integers(0, 127), st.integers(0, 4), min_size=1, max_size=40)
polls = st.lists(
    st.lists(st.integers(0, 10**15), min_size=1, max_size=9, unique=True).map(sorted), min_size=5, max_size=5
)

TIMES = frozenset((rolls.COUNT, rolls.FIRST, rolls.LAST))


def encoded(series: dict[int, list[int]]) -> tuple[bytes, Block]:
    slots = np.array(sorted(series), np.int64)
    counts = np.array([len(series[slot]) for slot in slots.tolist()], np.intp)
    stamps = np.concatenate([np.array(series[slot], np.int64) for slot in slots.tolist()])
    (block,) = sharing.encode_stamps([(stamps, slots)], counts)
    return bitmap_of(slots), block


def alone(bitmap: bytes, block: Block, slot: int) -> list[int] | None:
    """The stamps of one slot, of which nothing but its record is read."""
    head, number = place_in(bitmap, block.head, slot, heads.slots_in)
    if number is None:
        return None
    record = block.raw[number * block.w : (number + 1) * block.w]
    return codec.decode_stamps_of(head, record, number, block.w)


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@some
@given(nodes, polls)
def test_what_shares_records_comes_back(on: dict[int, int], polled: list[list[int]]) -> None:
    series = {slot: polled[node] for slot, node in on.items()}

    bitmap, block = encoded(series)

    assert len(block.raw) == block.w * len({tuple(one) for one in series.values()})
    found = sharing.decode_stamps(bitmap, block)
    assert found.flat.tolist() == [stamp for slot in sorted(series) for stamp in series[slot]]
    assert found.counts.tolist() == [len(series[slot]) for slot in sorted(series)]
    for slot in range(128):
        assert alone(bitmap, block, slot) == series.get(slot)


def test_every_flipped_bit_is_found_by_whoever_reads_all_or_one() -> None:
    bitmap, block = encoded({0: [1, 5], 3: [2], 4: [1, 5]})

    for bit in range(8 * len(block.head)):
        damaged = Block(block.w, flipped(block.head, bit), block.raw)
        with pytest.raises(DamagedTile):
            sharing.decode_stamps(bitmap, damaged)
        for slot in (0, 3, 4):
            with pytest.raises(DamagedTile):
                alone(bitmap, damaged, slot)
    for bit in range(8 * len(block.raw)):
        with pytest.raises(DamagedTile):
            sharing.decode_stamps(bitmap, Block(block.w, block.head, flipped(block.raw, bit)))


def test_records_of_other_slots_are_found() -> None:
    _, block = encoded({0: [1, 5], 3: [2], 4: [1, 5]})
    others = bitmap_of(np.array([0, 2, 4]))

    with pytest.raises(DamagedTile, match="slots and records"):
        sharing.decode_stamps(others, block)
    with pytest.raises(DamagedTile, match="slots and records"):
        alone(others, block, 4)


def test_what_is_cut_off_is_found() -> None:
    bitmap, block = encoded({0: [1, 5], 3: [2], 4: [1, 5]})

    for length in range(len(block.head)):
        with pytest.raises(DamagedTile):
            sharing.decode_stamps(bitmap, Block(block.w, block.head[:length], block.raw))


@some
@given(st.lists(nodes, min_size=1, max_size=3), st.integers(0, 2**32))
def test_hourly_times_that_are_alike_share_records_in_many_days(
    days: list[dict[int, int]], seed: int
) -> None:
    chance = np.random.default_rng(seed)
    grids = [_times(chance, on) for on in days]
    rows, blocks = [], []
    for on, grid in zip(days, grids, strict=True):
        slots = np.array(sorted(on), np.int64)
        block = rolls.encode_shared(slots, grid)
        own = sharing.whole(bitmap_of(slots), block)
        blocks.append(block)
        rows.append(RollRow(own.block, at=own.at))

    ((places, found),) = decode_rolls(rows, TIMES)

    assert places == list(range(len(days)))
    for number, column in found.items():
        by_hour = np.hstack([grid[number].reshape(-1, rolls.HOURS).T for grid in grids])
        assert column.tolist() == by_hour.ravel().tolist()
    for on, block in zip(days, blocks, strict=True):
        assert len(block.raw) == block.w * len(set(on.values()))


def _times(chance: np.random.Generator, on: dict[int, int]) -> dict[int, Volumes]:
    """Counts and times of slots, alike on one node; no two nodes have the same."""
    node: Integers = np.array([on[slot] for slot in sorted(on)], np.int64)
    found: dict[int, Volumes] = {}
    for number in sorted(TIMES):
        of_node = chance.integers(0, 10**9, (5, rolls.HOURS)) * 5 + np.arange(5)[:, None]
        found[number] = of_node[node].ravel()
    return found

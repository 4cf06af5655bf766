"""What a bundle reads of a slot is what each of its rows says alone."""

import random

import numpy as np
import pytest

from storage.errors import DamagedTile
from storage.tiles import bundles, sharing
from storage.tiles.bundles import NOBODY, Row
from storage.tiles.codec import Block
from storage.tiles.kinds import as_values
from storage.tiles.layout import bitmap_of
from storage.watermarks import HOUR
from tests.storage.tiles.lists import encode_values

Told = tuple[list[int], list[int], list[int] | None]


def hour(
    chance: random.Random, start: int, slots: list[int]
) -> tuple[list[tuple[Row, Block]], dict[int, Told]]:
    """The rows of an hour, and what each slot has in it: stamps, readings, and at which stamps; None: all."""
    points, told = chance.choice((1, 12)), dict[int, Told]()
    is_even, spread = chance.random() < 0.5, 2 ** chance.choice((4, 20, 62))
    for slot in slots:
        count = points if is_even else chance.randrange(1, points + 1)
        stamps = sorted(start + one for one in chance.sample(range(HOUR), count))
        at = (
            sorted(chance.sample(range(count), chance.randrange(count + 1)))
            if chance.random() < 0.2
            else None
        )
        values = [chance.randrange(-spread, spread) for _ in (stamps if at is None else at)]
        told[slot] = stamps, values, None if is_even else at
        if is_even:
            told[slot] = stamps, [chance.randrange(-spread, spread) for _ in stamps], None
    known = np.array(slots, np.int64)
    flat = np.array([stamp for slot in slots for stamp in told[slot][0]], np.int64)
    counts = np.array([len(told[slot][0]) for slot in slots], np.intp)
    (shared,) = sharing.encode_stamps([(flat, known)], counts)
    present = [told[slot][2] for slot in slots]
    own = encode_values([told[slot][1] for slot in slots], present, real=False, checked=True)
    bitmap = bitmap_of(known)
    rows = [(Row(mid, start, block.w, bitmap, block.head), block) for mid, block in ((0, shared), (7, own))]
    return rows, told


def records_of(rows: list[tuple[Row, Block]], ranks: list[int]) -> bytes:
    return b"".join(
        block.raw[rank * row.w : (rank + 1) * row.w] for (row, block), rank in zip(rows, ranks, strict=True)
    )


@pytest.mark.parametrize("seed", range(60))
def test_every_slot_is_read_as_it_was_written(seed: int) -> None:
    chance = random.Random(seed)
    slots = sorted(chance.sample(range(128), chance.choice((1, 3, 40))))
    hours = [hour(chance, number * HOUR, slots) for number in range(chance.choice((1, 5)))]
    rows = [row for some, _ in hours for row in some]
    chance.shuffle(rows)
    bundle = bundles.opened(bundles.packed([row for row, _ in rows]), are_days=False)

    for slot in slots:
        ranks = bundles.ranks_of(bundle, slot)
        found = bundles.read(bundle, slot, ranks, records_of(rows, ranks))

        size, points = len(bundle.meters), found.points()
        assert [start * HOUR for start in range(len(hours))] == list(bundle.starts)
        for number, (_, told) in enumerate(hours):
            stamps, values, positions = told[slot]
            assert found.grid[number, : len(values)].tolist() == as_values(0, values)
            assert points[number] == (len(values), positions)
            assert found.grid[size + number, : len(stamps)].tolist() == stamps
            assert points[size + number] == (len(stamps), None)
    strangers = set(range(129)) - set(slots)
    assert all(set(bundles.ranks_of(bundle, slot)) == {NOBODY} for slot in strangers)


def test_no_flipped_bit_of_a_record_or_head_is_read() -> None:
    rows, _ = hour(random.Random(5), HOUR, [3, 4, 9])
    known = [row for row, _ in rows]
    bundle = bundles.opened(bundles.packed(known), are_days=False)
    ranks = bundles.ranks_of(bundle, 4)
    raw = records_of(rows, ranks)
    for bit in range(8 * len(raw)):
        with pytest.raises(DamagedTile):
            bundles.read(bundle, 4, ranks, flipped(raw, bit))
    for number, row in enumerate(known):
        others = known[:number] + known[number + 1 :]
        heads = [row._replace(head=flipped(row.head, bit)) for bit in range(8 * len(row.head))]
        slots = [row._replace(slots=flipped(row.slots, bit)) for bit in range(8 * len(row.slots))]
        for damaged in (*heads, *slots):
            with pytest.raises(DamagedTile):
                read_anew([damaged, *others], 4, raw)


def read_anew(rows: list[bundles.Row], slot: int, raw: bytes) -> bundles.Records:
    bundle = bundles.opened(bundles.packed(rows), are_days=False)
    return bundles.read(bundle, slot, bundles.ranks_of(bundle, slot), raw)


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)

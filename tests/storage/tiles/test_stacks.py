"""Tiles decoded together are what they are one by one, and damage is found in them."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.columns import Volumes
from storage.errors import DamagedTile
from storage.sample import INT64_MAX, INT64_MIN
from storage.tables_tiles import STAMPS
from storage.tiles import rolls
from storage.tiles.codec import Block
from storage.tiles.heads import slots_in
from storage.tiles.layout import Series, Span, TileRow, place_in, slots_of
from storage.tiles.plans import lay_out
from storage.tiles.roll_stacks import RollRow, decode_rolls, first_damaged
from storage.tiles.sharing import whole
from storage.tiles.span_stacks import SpanRow, SpanStack

HOUR = 3_600_000_000
METER = 5

some = settings(max_examples=60, deadline=None)
integers = st.one_of(
    st.integers(INT64_MIN, INT64_MAX), st.integers(0, 3), st.sampled_from([INT64_MIN, INT64_MAX])
)
floats = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 99).map(lambda number: number / 4)
)
spans = st.lists(  # of each span: of each slot how many readings
    st.dictionaries(st.integers(0, 127), st.integers(1, 20), min_size=1, max_size=6), min_size=1, max_size=4
)


def series_of(start: int, counts: dict[int, int], draw: st.DataObject, *, real: bool) -> Series:
    slots = np.repeat(sorted(counts), [counts[slot] for slot in sorted(counts)])
    # Some slots are polled at one moment.
    ts = np.concatenate([start + np.arange(counts[slot]) * 60_000_000 + slot % 3 for slot in sorted(counts)])
    volume = drawn(draw, len(ts), real=real)
    ver = np.array(draw.draw(st.lists(st.integers(1, 3), min_size=len(ts), max_size=len(ts))))
    return Series(slots, ts, ver, volume)


def laid_out(series: Series) -> list[TileRow]:
    return lay_out({METER: series})


def stack_of(
    tiles: Sequence[list[TileRow]], slot: int | None
) -> tuple[SpanStack, list[tuple[int, int, SpanRow]]]:
    rows: dict[tuple[int, int], SpanRow] = {}
    asked = []
    for number, tile in enumerate(tiles):
        for row in tile:
            slots = slots_of(row.slots)
            if slot is not None and slot not in slots:
                continue
            own = whole(row.slots, row.block)
            span = SpanRow(slots, own.block, at=own.at) if slot is None else single(row, slot)
            if row.mid > STAMPS:
                asked.append((number, row.line, span))
            else:
                rows[number, row.mid] = span
    return SpanStack(rows), asked


def single(row: TileRow, slot: int) -> SpanRow:
    head, rank = place_in(row.slots, row.block.head, slot, slots_in)
    assert rank is not None
    record = row.block.raw[rank * row.block.w : (rank + 1) * row.block.w]
    return SpanRow(np.array([slot]), Block(row.block.w, head, record), rank)


def one_by_one(tiles: Sequence[list[TileRow]], slot: int | None) -> list[tuple[int, int, int, bytes]]:
    found = []
    for tile in tiles:
        rows = {row.mid: row for row in tile}
        span = Span(rows[STAMPS], {mid: row for mid, row in rows.items() if mid < STAMPS})
        found += listed(span.series(rows[METER], versions=True))
    return [reading for reading in found if slot in (None, reading[0])]


def listed(series: Series) -> list[tuple[int, int, int, bytes]]:
    columns = (series.slot.tolist(), series.ts.tolist(), series.ver.tolist())
    return list(zip(*columns, [one.tobytes() for one in series.volume], strict=True))


@some
@given(spans, st.booleans(), st.data())
def test_spans_decoded_together_are_what_they_are_one_by_one(
    counts: list[dict[int, int]], real: bool, data: st.DataObject
) -> None:
    tiles = [laid_out(series_of(number * HOUR, one, data, real=real)) for number, one in enumerate(counts)]
    for slot in (None, *sorted(counts[0])):
        stack, rows = stack_of(tiles, slot)

        series = stack.series(rows, versions=True)

        assert series is not None
        assert listed(series) == one_by_one(tiles, slot)


@some
@given(spans, st.data())
def test_meters_that_lack_readings_have_the_stamps_of_those_they_have(
    counts: list[dict[int, int]], data: st.DataObject
) -> None:
    tiles = []
    for number, one in enumerate(counts):
        whole = series_of(number * HOUR, one, data, real=False)
        kept = data.draw(st.lists(st.booleans(), min_size=len(whole.ts), max_size=len(whole.ts)))
        some_of_it = whole.only(np.array([True, *kept[1:]]))
        rows = lay_out({METER: some_of_it, METER + 1: whole})
        tiles.append([row for row in rows if row.mid != METER + 1])
    for slot in (None, *sorted(counts[0])):
        stack, asked = stack_of(tiles, slot)
        if asked:
            series = stack.series(asked, versions=True)

            assert series is not None
            assert listed(series) == one_by_one(tiles, slot)


def test_stamps_that_are_missing_are_left_to_whoever_reads_one_by_one() -> None:
    slot, ts = np.array([1, 1]), np.array([7, 9])
    tile = lay_out({METER: Series(slot, ts, slot, np.array([1, 2]))})
    _, rows = stack_of([tile], None)

    assert SpanStack({}).series(rows, versions=False) is None


@some
@given(spans, st.integers(0, 10**6), st.data())
def test_a_flipped_bit_is_found_among_many_spans(
    counts: list[dict[int, int]], place: int, data: st.DataObject
) -> None:
    tiles = [laid_out(series_of(n * HOUR, one, data, real=False)) for n, one in enumerate(counts)]
    for number, row in enumerate(tiles[-1]):
        head, raw = flipped(row.block.head, place), flipped(row.block.raw, place)
        for block in (Block(row.block.w, head, row.block.raw), Block(row.block.w, row.block.head, raw)):
            if block == row.block:
                continue
            damaged = list(tiles[-1])
            damaged[number] = TileRow(row.mid, row.line, row.slots, block, row.tot)
            with pytest.raises(DamagedTile):
                read([*tiles[:-1], damaged])


def read(tiles: Sequence[list[TileRow]]) -> Series | None:
    stack, rows = stack_of(tiles, None)
    return stack.series(rows, versions=True)


def flipped(data: bytes, place: int) -> bytes:
    if not data:
        return data
    at = place % (len(data) * 8)
    return data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :]


def rolled(slots: int, draw: st.DataObject, *, real: bool, numbers: Sequence[int]) -> dict[int, Volumes]:
    return {number: drawn(draw, slots * rolls.HOURS, real=real) for number in numbers}


def by_record(column: Volumes) -> Volumes:
    return column.reshape(rolls.HOURS, -1).T.ravel()


def drawn(draw: st.DataObject, size: int, *, real: bool) -> Volumes:
    found: Volumes
    if real:
        found = np.array(draw.draw(st.lists(floats, min_size=size, max_size=size)), np.float64)
    else:
        found = np.array(draw.draw(st.lists(integers, min_size=size, max_size=size)), np.int64)
    return found


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=4), st.booleans(), st.data()
)
def test_hourly_figures_decoded_together_are_what_they_are_one_by_one(
    days: list[tuple[int, bool]], real: bool, data: st.DataObject
) -> None:
    wide, narrow = (rolls.LEAST, rolls.HIGH, rolls.LOW), (rolls.LEAST, rolls.EXCESS)
    grids = [rolled(slots, data, real=real, numbers=wide if wider else narrow) for slots, wider in days]
    rows = [RollRow(rolls.encode_roll(grid)) for grid in grids]
    wanted = frozenset((*wide, *narrow))

    for places, found in decode_rolls(rows, wanted):
        for number, column in found.items():
            assert by_record(column).tobytes() == b"".join(grids[place][number].tobytes() for place in places)
    for row, grid in zip(rows, grids, strict=True):
        w, last = row.block.w, len(row.block.raw) // row.block.w - 1
        alone = RollRow(Block(w, row.block.head, row.block.raw[last * w :]), last)
        ((_, found),) = decode_rolls([alone], wanted)
        assert {number: column.tobytes() for number, column in found.items()} == {
            number: column[last * rolls.HOURS :].tobytes() for number, column in grid.items()
        }


@pytest.mark.parametrize("seed", range(8))
def test_hundreds_of_records_are_decoded_as_few_are(seed: int) -> None:
    chance = np.random.default_rng(seed)
    days = []
    for _ in range(5):
        size = int(chance.integers(60, 128)) * rolls.HOURS
        wide = chance.integers(INT64_MIN, INT64_MAX, size, endpoint=True)
        rare = np.where(chance.random(size) < 0.01, wide, 12)
        walk = chance.integers(0, 1 << int(chance.choice([5, 20, 58])), size)
        days.append({rolls.LEAST: wide, rolls.HIGH: rare, rolls.LOW: walk, rolls.COUNT: np.full(size, 12)})

    ((places, found),) = decode_rolls([RollRow(rolls.encode_roll(day)) for day in days], frozenset(days[0]))

    assert places == list(range(5))
    for number, column in found.items():
        assert by_record(column).tolist() == np.concatenate([day[number] for day in days]).tolist()


@some
@given(st.integers(0, 10**6), st.data())
def test_damage_among_many_days_of_figures_is_found_and_placed(place: int, data: st.DataObject) -> None:
    good = rolls.encode_roll(rolled(2, data, real=False, numbers=(rolls.LEAST, rolls.EXCESS)))
    wanted = frozenset((rolls.LEAST, rolls.EXCESS))
    checksums = {good.w * rank + good.w - byte for rank in range(2) for byte in (1, 2)}
    raw = flipped(good.raw, place)
    for bad in (Block(good.w, flipped(good.head, place), good.raw), Block(good.w, good.head, raw)):
        if bad.raw != good.raw and place // 8 % len(good.raw) in checksums:
            continue  # compared by whoever reads the record alone
        rows = [RollRow(good), RollRow(bad)]
        with pytest.raises(DamagedTile):
            list(decode_rolls(rows, wanted))
        assert first_damaged(rows, wanted)[0] == 1


@some
@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(-1, 9))
def test_bytes_nobody_wrote_crash_no_reader(head: bytes, raw: bytes, w: int) -> None:
    with suppress(DamagedTile):
        list(decode_rolls([RollRow(Block(w, head, raw))], frozenset((rolls.LEAST,))))
    with suppress(DamagedTile):
        row = SpanRow(np.array([0]), Block(w, head, raw))
        SpanStack({(0, STAMPS): row}).series([(0, -1, row)], versions=False)

"""Whatever goes into a tile comes out of it, bit for bit, by either path; and it goes in small."""

import random
import struct
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.sample import INT64_MAX, INT64_MIN
from storage.tiles.codec import (
    Block,
    decode_stamps_of,
    decode_values_of,
)
from storage.tiles.kinds import Values
from tests.storage.tiles.lists import decode_stamps, decode_values, encode_stamps, encode_values

Series = Sequence[Sequence[int] | Sequence[float]]
Present = Sequence[Sequence[int] | None]

FIVE_MINUTES = 300_000_000
MIDNIGHT = 1_700_006_400_000_000
PLAIN_PYTHON, NUMPY = 12, 288  # points decoded by either way of the record path
few = settings(max_examples=60, deadline=None)

int64s = st.one_of(st.integers(INT64_MIN, INT64_MAX), st.sampled_from([INT64_MIN, INT64_MAX, 0, -1, 1]))
finite = st.floats(allow_nan=False, allow_infinity=False)
hundredths = st.integers(-(10**9), 10**9).map(lambda number: number / 100)


def exactly(values: Sequence[int | float]) -> list[object]:
    """Values as something whose equality sees the type and every bit."""
    return [struct.pack("<d", value) if isinstance(value, float) else value for value in values]


def record(block: Block, slot: int) -> bytes:
    return block.raw[block.w * slot : block.w * (slot + 1)]


def assert_kept(values: Series, present: Present | None = None, *, real: bool = False) -> Block:
    """Kept by tiles with and without checksums in their records; returns that without."""
    _kept(values, present, real=real, checked=True)
    return _kept(values, present, real=real, checked=False)


def _kept(values: Series, present: Present | None, *, real: bool, checked: bool) -> Block:
    positions = [None] * len(values) if present is None else present
    block = encode_values(values, positions, real=real, checked=checked)
    whole = decode_values(block)
    single = [decode_values_of(block.head, record(block, slot), slot, block.w) for slot in range(len(values))]

    expected = [
        (exactly(series), None if some is None else list(some))
        for series, some in zip(values, positions, strict=True)
    ]
    assert len(block.raw) == block.w * len(values)
    assert [(exactly(series), some) for series, some in whole] == expected
    assert [(exactly(series), some) for series, some in single] == expected
    return block


def bytes_per_sample(block: Block, values: Series) -> float:
    return (len(block.head) + len(block.raw)) / sum(map(len, values))


def counters(slots: int, points: int, seed: int = 1) -> list[list[int]]:
    """Requests served: as many resources, each with its own rate."""
    random_ = np.random.default_rng(seed)
    increments = random_.poisson(random_.uniform(100, 20_000, (slots, 1)), (slots, points))
    series: list[list[int]] = (random_.integers(0, 10**7, (slots, 1)) + increments.cumsum(axis=1)).tolist()
    return series


def with_resets(series: list[list[int]], number: int) -> list[list[int]]:
    random_ = random.Random(2)
    for slot in random_.sample(range(len(series)), number):
        at = random_.randrange(1, len(series[slot]))
        series[slot][at:] = [value - series[slot][at] for value in series[slot][at:]]
    return series


@few
@given(st.lists(st.lists(int64s, max_size=50), max_size=6))
def test_integers_of_every_size_are_kept(values: list[list[int]]) -> None:
    assert_kept(values)


@few
@given(st.lists(st.lists(finite, max_size=50), max_size=6))
def test_finite_floats_are_kept_bit_for_bit(values: list[list[float]]) -> None:
    assert_kept(values, real=True)


@few
@given(st.lists(st.lists(hundredths, max_size=50), max_size=6), st.lists(finite, max_size=2))
def test_decimals_are_kept_alone_and_in_any_company(values: list[list[float]], others: list[float]) -> None:
    assert_kept(values, real=True)
    assert_kept([*values, others], real=True)


@few
@given(st.integers(0, 64), st.integers(0, 63), st.integers(0, 128), st.integers(0, 90), st.randoms())
def test_deltas_of_every_width_and_shift_are_kept(
    width: int, shift: int, slots: int, points: int, random_: random.Random
) -> None:
    shape = random.Random(random_.getrandbits(32))
    most = 1 << max(0, width - 1)
    wrapped = [(shape.randrange(-most, most) << shift) for _ in range(min(slots * points, 500))]
    kept = [(value + (1 << 63)) % (1 << 64) - (1 << 63) for value in wrapped]
    ragged = [kept[start : start + points] for start in range(0, len(kept), points or 1)]

    assert_kept(ragged[:slots])


@few
@given(st.data())
def test_sparse_series_keep_their_positions(data: st.DataObject) -> None:
    positions = st.none() | st.sets(st.integers(0, 120), max_size=60).map(sorted)
    present = data.draw(st.lists(positions, max_size=6))
    values = [
        data.draw(st.lists(st.integers(0, 10**6), max_size=20))
        if some is None
        else [7 * position for position in some]
        for some in present
    ]

    assert_kept(values, present)


@few
@given(st.lists(st.sets(st.integers(0, 86_400_000_000), max_size=60).map(sorted), max_size=6))
def test_stamps_are_kept(offsets: list[list[int]]) -> None:
    stamps = [[MIDNIGHT + offset for offset in slot] for slot in offsets]
    block = encode_stamps(stamps)

    assert decode_stamps(block) == stamps
    assert [
        decode_stamps_of(block.head, record(block, slot), slot, block.w) for slot in range(len(stamps))
    ] == stamps


@pytest.mark.parametrize("points", [1, 2, PLAIN_PYTHON, 39, 40, 41, 42, NUMPY])
def test_alternating_extremes_are_kept(points: int) -> None:
    extremes = [INT64_MIN if point % 2 else INT64_MAX for point in range(points)]

    assert_kept([extremes, [0] * points, extremes[::-1], [INT64_MIN] * points])


@pytest.mark.parametrize(
    "value", [0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1 + 0.2, 2.0**53]
)
@pytest.mark.parametrize("company", [[], [0.0, 1.0], [0.25, 12.34]])
def test_odd_floats_are_kept(value: float, company: list[float]) -> None:
    assert_kept([[value, *company, value], company], real=True)


@pytest.mark.parametrize("points", [PLAIN_PYTHON, NUMPY])
def test_a_tile_without_change_takes_no_room(points: int) -> None:
    block = assert_kept([[2048] * points] * 100)

    assert block.w == 0
    assert len(block.head) < 40


@pytest.mark.parametrize("points", [PLAIN_PYTHON, NUMPY])
def test_resets_are_outliers_and_widen_nobody(points: int) -> None:
    without = counters(100, points)
    some = with_resets(counters(100, points), 10)

    plain, reset = assert_kept(without), assert_kept(some)

    assert reset.w <= plain.w + 1
    assert len(reset.head) - len(plain.head) <= 10 * (1 + 2 + 4)


def test_more_resets_than_a_head_can_list_are_kept() -> None:
    random_ = random.Random(3)
    values = [
        [
            random_.choice((1, 2, 3)) if random_.random() < 0.9 else random_.getrandbits(60)
            for _ in range(6_000)
        ]
        for _ in range(128)
    ]

    block = encode_values(values, [None] * 128, real=False)

    assert [series for series, _ in decode_values(block)] == values
    assert decode_values_of(block.head, record(block, 99), 99, block.w) == (values[99], None)


def test_a_day_of_seconds_beside_silent_slots_is_kept() -> None:
    day = [second * second for second in range(86_400)]
    present = [None, [], list(range(1, 172_800, 2)), None]

    block = assert_kept([day, [], day, []], present)

    assert block.w < 86_400 * 3


def test_a_slot_the_tile_does_not_know_is_silent() -> None:
    values, stamps = encode_values([[1, 5]], [None], real=False), encode_stamps([[MIDNIGHT]])

    assert decode_values_of(values.head, b"", 1, values.w) == ([], [])
    assert decode_stamps_of(stamps.head, b"", 127, stamps.w) == []


def test_tiles_without_slots_or_points_are_tiles() -> None:
    assert_kept([])
    assert_kept([], real=True)
    assert_kept([[], []], [None, []], real=True)
    assert decode_stamps(encode_stamps([])) == []


@pytest.mark.parametrize(
    ("values", "present"),
    [
        ([[]] * 129, [None] * 129),
        ([[0] * 131_073], [None]),
        ([[1, 2]], [[0]]),
    ],
)
def test_what_no_tile_holds_is_refused(values: Series, present: Present) -> None:
    with pytest.raises(ValueError, match=r"a tile holds|differ in number"):
        encode_values(values, present, real=False)


@pytest.mark.parametrize(("points", "most"), [(PLAIN_PYTHON, 3.0), (NUMPY, 2.3)])
def test_counters_take_few_bytes(points: int, most: float) -> None:
    values = with_resets(counters(100, points), 1)

    assert bytes_per_sample(assert_kept(values), values) < most


@pytest.mark.parametrize(("points", "most"), [(PLAIN_PYTHON, 2.0), (NUMPY, 1.9)])
def test_percentages_of_two_decimals_take_few_bytes(points: int, most: float) -> None:
    drawn = np.random.default_rng(4).normal(40, 8, (100, points))
    values: list[list[float]] = np.round(np.clip(drawn, 0, 100), 2).tolist()

    assert bytes_per_sample(assert_kept(values, real=True), values) < most


def test_missing_readings_take_few_bytes() -> None:
    random_ = random.Random(5)
    values: list[list[int]] = []
    present: list[list[int] | None] = []
    for series in counters(100, PLAIN_PYTHON):
        kept = [position for position in range(PLAIN_PYTHON) if random_.random() > 0.02]
        values.append([series[position] for position in kept])
        present.append(None if len(kept) == PLAIN_PYTHON else kept)

    ragged = bytes_per_sample(assert_kept(values, present), values)

    assert ragged < bytes_per_sample(assert_kept(values), values) + 0.1 < 2.4


def test_stamps_take_a_fifth_of_a_byte_for_each_of_ten_meters() -> None:
    jitter = np.random.default_rng(6).normal(0, 3_000, PLAIN_PYTHON).astype(int).tolist()
    poll = [MIDNIGHT + point * FIVE_MINUTES + late for point, late in enumerate(jitter)]
    stamps = [poll] * 100

    assert bytes_per_sample(encode_stamps(stamps), stamps) / 10 < 0.2


def test_types_come_back_as_the_meter_says() -> None:
    def types(values: Series, *, real: bool) -> set[type]:
        block = encode_values(values, [None] * len(values), real=real)
        found: list[Values] = [decode_values_of(block.head, record(block, 0), 0, block.w)[0]]
        found.extend(series for series, _ in decode_values(block))
        return {type(value) for series in found for value in series}

    for points in (PLAIN_PYTHON, NUMPY):
        assert types([[3] * points], real=False) == {int}
        assert types([[3.0] * points], real=True) == {float}
        assert types([[3] * points], real=True) == {float}
        assert types([[1 / 3] * points], real=True) == {float}


def test_a_change_that_comes_once_a_day_does_not_widen_every_record() -> None:
    series: list[list[int]] = [[2] * 100 + [1] * 188, *[[2] * 288] * 49]

    block = assert_kept(series)

    assert (block.w, block.raw) == (0, b"")

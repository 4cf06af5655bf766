"""Whether the rows of a group's hour or day are what maintenance wrote: whole, and fitting each other.

Checksums cover the heads and records. What no checksum covers is compared with what is: totals with the readings,
slots with the stamps, hourly figures with the samples of their day while there are any.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from storage.columns import Integers, Volumes, is_real
from storage.errors import DamagedTile
from storage.tables_tiles import STAMPS
from storage.tiles import rolls, sharing
from storage.tiles.codec import decode_values
from storage.tiles.layout import Series, Span, TileRow, slots_of
from storage.tiles.outlived import EVERY, TIMES, times_of
from storage.tiles.totals import SIZE, WORD, Total, is_whole, pack_total, unpack_total
from storage.watermarks import HOUR

Rows = Mapping[int, TileRow]  # of one group and span, by mid
Found = tuple[int, str]  # a mid, and what is wrong with its row

VALUES = {rolls.LEAST, rolls.RANGE}
CLOSE = 1e-5  # deviations are kept to seven digits

# What bytes that nobody wrote can make of this program.
SENSELESS = (DamagedTile, ArithmeticError, LookupError, ValueError, MemoryError)


@dataclass(frozen=True, slots=True)
class Expected:
    """Total and hourly figures of a meter, as they follow from its samples."""

    tot: bytes
    columns: Mapping[int, Volumes]


def check_span(rows: Rows, start: int, end: int, series: dict[int, Series]) -> Iterator[Found]:
    """What is wrong with rows of `tile` or `day_tile`; fills in the readings of each meter that is right."""
    stamps = rows.get(STAMPS)
    if stamps is None:
        yield from ((mid, "the stamps of its hour or day are missing") for mid in sorted(rows))
        return
    try:
        _check_stamps(stamps, start, end)
    except SENSELESS as error:
        yield STAMPS, str(error)
        return
    span = Span(stamps, {mid: row for mid, row in rows.items() if mid < STAMPS})
    for mid, row in sorted(rows.items()):
        if mid == STAMPS:
            continue
        try:
            if mid < STAMPS:
                _check_line(row, stamps)
                continue
            found = span.series(row, versions=True)
            if pack_total(found.ts, found.volume) != row.tot:
                raise DamagedTile("its total is not that of its readings")
            series[mid] = found
        except SENSELESS as error:
            yield mid, str(error)


def check_roll(rows: Rows, day: int, expected: Mapping[int, Expected]) -> Iterator[Found]:
    """What is wrong with rows of `day_roll`; `expected` has the meters whose samples are there."""
    stamps = rows.get(STAMPS)
    for mid, row in sorted(rows.items()):
        try:
            found = _decoded(row)
            if mid == STAMPS:
                continue
            if rolls.COUNT not in found:
                if stamps is None:
                    raise DamagedTile("the times of its hours are missing")
                found |= times_of(row, stamps)
            if not found.keys() >= TIMES | VALUES:
                raise DamagedTile("a column of hourly figures is missing")
            _check_total(row, day, found)
            if mid in expected:
                _compare(row, found, expected[mid])
        except SENSELESS as error:
            yield mid, str(error)


def _check_stamps(row: TileRow, start: int, end: int) -> None:
    stamps, slots = sharing.decode_stamps(row.slots, row.block), slots_of(row.slots)
    if len(slots) != len(stamps.counts):
        raise DamagedTile("slots and records of a tile differ in number")
    if not len(stamps.flat) or stamps.flat.min() < start or stamps.flat.max() >= end:
        raise DamagedTile("a stamp lies outside of its hour or day")
    place = Series(np.repeat(slots, stamps.counts), cast("Integers", stamps.flat), slots, slots).place
    if (place[1:] <= place[:-1]).any():
        raise DamagedTile("stamps are not in order")


def _check_line(row: TileRow, stamps: TileRow) -> None:
    versions, _ = decode_values(row.block)
    counts = sharing.decode_stamps(stamps.slots, stamps.block).counts
    if row.slots != stamps.slots or not np.array_equal(versions.counts, counts):
        raise DamagedTile("versions and stamps of a tile differ in number")


def _decoded(row: TileRow) -> dict[int, Volumes]:
    """All columns of a row, each record's checksum compared."""
    block, at = sharing.whole(row.slots, row.block)
    records = len(slots_of(row.slots)) if at is None else int(at.max(initial=-1)) + 1
    found = rolls.decode_roll(block, EVERY)
    numbers = rolls.columns_in(block)
    if sorted(found) != numbers:
        raise DamagedTile("the columns of hourly figures make no sense")
    if any(len(column) != records * rolls.HOURS for column in found.values()):
        raise DamagedTile("slots and records of hourly figures differ in number")
    for rank in range(records):
        record = block.raw[rank * block.w : (rank + 1) * block.w]
        rolls.decode_roll_of(block, record, rank, frozenset())
    return found if at is None else {number: rolls.of_records(one, at) for number, one in found.items()}


def _check_total(row: TileRow, day: int, found: Mapping[int, Volumes]) -> None:
    """Compares the total of a day with its hours: integers exactly, sums of floats as nearly as they are known."""
    if not row.tot:
        return
    chosen = cast("Integers", found[rolls.COUNT]) > 0
    if len(row.tot) != SIZE or not is_whole(row.tot) or not chosen.any():
        raise DamagedTile("its total makes no sense")
    some = {number: column[chosen] for number, column in found.items()}
    begin = np.tile(day + np.arange(rolls.HOURS) * HOUR, len(chosen) // rolls.HOURS)[chosen]
    least, real = some[rolls.LEAST], is_real(some[rolls.LEAST])
    total = unpack_total(row.tot, real=real)
    most = some[rolls.RANGE] if real else least + some[rolls.RANGE]
    told = (
        int(some[rolls.COUNT].sum()),
        int((begin + some[rolls.FIRST]).min()),
        int((begin + some[rolls.LAST]).max()),
        least.min(),
        most.max(),
    )
    if told != (total.count, total.first, total.last, total.least, total.most) or not _is_sum(
        total, some, real
    ):
        raise DamagedTile("its total is not that of its hours")


def _is_sum(total: Total, found: Mapping[int, Volumes], real: bool) -> bool:
    if real:
        if rolls.TOTAL not in found:
            return True
        sums = found[rolls.TOTAL].tolist()
        return math.isclose(math.fsum(sums), total.high, rel_tol=1e-9, abs_tol=1e-9 * max(map(abs, sums)))
    count, least = found[rolls.COUNT].tolist(), found[rolls.LEAST].tolist()
    if rolls.EXCESS in found:
        excess = sum(rolls.excess(found).tolist())
    elif rolls.HIGH in found and rolls.LOW in found:
        excess = (sum(found[rolls.HIGH].tolist()) << WORD) + sum(found[rolls.LOW].tolist())
    else:
        raise DamagedTile("a column of hourly figures is missing")
    known = sum(number * value for number, value in zip(count, least, strict=True)) + excess
    return bool(known == (int(total.high) << WORD) + total.low)


def _compare(row: TileRow, found: Mapping[int, Volumes], expected: Expected) -> None:
    """Raises DamagedTile unless the total and the hours with a reading are alike."""
    if row.tot != expected.tot:
        raise DamagedTile("its total is not that of the samples of its day")
    counted = cast("Integers", expected.columns[rolls.COUNT]) > 0
    for number, column in expected.columns.items():
        stored = found.get(number)
        if stored is None or len(stored) != len(column):
            raise DamagedTile("a column of hourly figures is missing")
        if not _is_alike(stored[counted], column[counted], number):
            raise DamagedTile("hourly figures are not those of the samples of their day")
    if not np.array_equal(cast("Integers", found[rolls.COUNT]) > 0, counted):
        raise DamagedTile("hourly figures are not those of the samples of their day")


def _is_alike(stored: Volumes, column: Volumes, number: int) -> bool:
    if number == rolls.SPREAD:
        floats: NDArray[np.float64] = stored.astype(np.float64)
        return bool(np.allclose(floats, column.astype(np.float64), rtol=CLOSE, atol=0))
    return stored.dtype == column.dtype and np.array_equal(stored.view(np.int64), column.view(np.int64))

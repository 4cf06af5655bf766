"""Reads hourly figures of resources, counted when their day was compacted; many days at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import NamedTuple, cast

import numpy as np
from sqlalchemy import Connection

from storage.columns import Figures, Integers, Volumes
from storage.errors import DamagedTile
from storage.names import Names
from storage.reading.asking import ask, marks, record_in
from storage.reading.counted import GroupDay, Uncounted
from storage.reading.sums import split
from storage.reading.tiled import FEW, Piece, located, unshared, where_damaged
from storage.tables_tiles import STAMPS, day_roll, day_tile
from storage.tiles import rolls
from storage.tiles.codec import Block
from storage.tiles.layout import SLOT_BITS, slots_of
from storage.tiles.roll_stacks import RollRow, decode_rolls, first_damaged
from storage.tiles.totals import WORD
from storage.watermarks import DAY, HOUR

LOW = (1 << WORD) - 1
GROUPS_AT_ONCE = 16
FAR = 2.0**62  # no sum below it is beyond int64, however it was rounded
TIMES = frozenset((rolls.COUNT, rolls.FIRST, rolls.LAST))
VALUES = frozenset((rolls.LEAST, rolls.RANGE, rolls.EXCESS, rolls.HIGH, rolls.LOW, rolls.TOTAL))
FIGURES = TIMES | VALUES
SPREADS = FIGURES | {rolls.SPREAD, rolls.SQUARES}
_HOURS = np.arange(rolls.HOURS) * HOUR

Columns = Mapping[int, Volumes]


class Day(NamedTuple):
    """A row of a meter's day, and whose records those in it are."""

    start: int
    slots: Integers
    row: RollRow


class Records(NamedTuple):
    """Some records' places (day and slot in one number), and columns: of each of 24 hours a value for each record."""

    places: Integers
    columns: Columns


def hourly(
    connection: Connection,
    names: Names,
    pieces: Sequence[Piece],
    dirty: frozenset[GroupDay],
    *,
    spread: bool,
) -> Iterator[Figures | Uncounted]:
    """One entry per resource and hour of whole hours that were compacted; their owners' names are learned.

    The pieces differ in nothing but groups and slots; they begin and end on the hour. Days that are `dirty` or lack a
    needed column come as `Uncounted`.
    """
    for piece, by_mid in _fetched(connection, pieces):
        seen = np.zeros(1 << SLOT_BITS, bool)
        for day in chain.from_iterable(by_mid.values()):
            seen[day.slots] = True
        names.learn_owners(connection, names.rids(connection, piece.gid, np.flatnonzero(seen)).tolist())
        clean: dict[int, list[Day]] = {}
        for mid, days in by_mid.items():
            clean[mid] = [day for day in days if (piece.gid, day.start) not in dirty]
            if mid != STAMPS and len(clean[mid]) < len(days):
                starts = {day.start for day in days if (piece.gid, day.start) in dirty}
                yield from (_uncounted(piece, mid, start) for start in sorted(starts))
        yield from figures_of(names, piece, clean, spread=spread)


def _fetched(connection: Connection, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, dict[int, list[Day]]]]:
    """What there is of each piece, by meter."""
    if not pieces or pieces[0].start >= pieces[0].end:
        return
    whole = []
    for piece in pieces:
        if piece.slots is not None and len(piece.slots) <= FEW:
            yield piece, _few(connection, piece)
        else:
            whole.append(piece)
    for at in range(0, len(whole), GROUPS_AT_ONCE):
        some = {piece.gid: piece for piece in whole[at : at + GROUPS_AT_ONCE]}
        statement, values = _statement(pieces[0], sorted(some), "raw")
        for gid, rows in groupby(ask(connection, statement, values), key=lambda row: int(row[0])):
            by_mid: dict[int, list[Day]] = {}
            for _, mid, start, slots, w, head, raw in rows:
                own = unshared((day_roll, gid, mid, start), slots, Block(w, head, raw))
                by_mid.setdefault(mid, []).append(Day(start, slots_of(slots), RollRow(own.block, at=own.at)))
            yield some[gid], by_mid


def _few(connection: Connection, piece: Piece) -> dict[int, list[Day]]:
    """Only the records of the wanted slots: first from where they are if every slot before them has one."""
    by_mid: dict[int, list[Day]] = {}
    statement, values = _statement(piece, [piece.gid], record_in(connection))
    for slot in sorted(piece.slots or ()):
        guesses, asked = [slot], set[int]()
        while guesses:
            guess = guesses.pop()
            asked.add(guess)
            for _, mid, start, bitmap, w, head, record in ask(connection, statement, (slot, guess, *values)):
                where = day_roll, piece.gid, mid, start
                own, rank = located(where, bitmap, head, slot, slots_in=rolls.slots_in)
                if mid == STAMPS and len(asked) > 1:
                    continue  # of stamps the first answer had it
                if rank == guess or (mid == STAMPS and rank is not None):
                    row = RollRow(Block(w, own, record or b""), rank)  # beyond a damaged row's end: NULL
                    by_mid.setdefault(mid, []).append(Day(start, np.array([slot]), row))
                elif rank is not None and rank not in asked and rank not in guesses:
                    guesses.append(rank)
    return by_mid


def _statement(piece: Piece, gids: Sequence[int], records: str) -> tuple[str, tuple[int, ...]]:
    mids = sorted({STAMPS, *(piece.mids or ())})
    statement = (
        f"SELECT gid, mid, start, slots, w, head, {records} FROM day_roll"  # noqa: S608 - ours
        f" WHERE gid IN ({marks(gids)}) AND mid IN ({marks(mids)}) AND start >= %s AND start < %s"
        " ORDER BY gid, mid, start"
    )
    return statement, (*gids, *mids, piece.start - piece.start % DAY, piece.end)


def figures_of(
    names: Names, piece: Piece, by_mid: Mapping[int, Sequence[Day]], *, spread: bool
) -> Iterator[Figures | Uncounted]:
    """The entries of one group, whose resources are known to `names`; raises DamagedTile."""
    for mid, records in records_of(piece, by_mid, spread=spread):
        if is_counted(records.columns, real=names.meter(mid).real):
            yield from _figures(names, piece, mid, records)
        else:
            starts = np.unique(records.places >> SLOT_BITS) * DAY
            yield from (_uncounted(piece, mid, start) for start in starts.tolist())


def all_figures_of(names: Names, piece: Piece, by_mid: Mapping[int, Sequence[Day]]) -> Iterator[Figures]:
    """The same, without their spread, where no day has to be read; raises LookupError at one without figures."""
    for mid, records in records_of(piece, by_mid, spread=False):
        if not is_counted(records.columns, real=names.meter(mid).real):
            raise LookupError("a day without figures")
        yield from _figures(names, piece, mid, records)


def records_of(
    piece: Piece, by_mid: Mapping[int, Sequence[Day]], *, spread: bool
) -> Iterator[tuple[int, Records]]:
    """The records of each meter, with their times as far as anybody knows them; raises DamagedTile."""
    wanted = SPREADS if spread else FIGURES
    times: Records | None = None
    stamps = by_mid.get(STAMPS, ())
    for mid, days in by_mid.items():
        if mid == STAMPS:
            continue
        for places, found in _decoded(piece, mid, days, wanted):
            records = _records([days[place] for place in places], found)
            if rolls.COUNT not in found and stamps:
                if times is None:
                    times = _times(piece, stamps)
                records = _with_times(piece, mid, records, times)
            yield mid, records


def _decoded(
    piece: Piece, mid: int, days: Sequence[Day], wanted: frozenset[int]
) -> Iterable[tuple[list[int], dict[int, Volumes]]]:
    rows = [day.row for day in days]
    try:
        if any(
            day.row.rank is None
            and day.row.at is None
            and len(day.slots) * day.row.block.w != len(day.row.block.raw)
            for day in days
        ):
            raise DamagedTile("slots and records of hourly figures differ in number")
        return list(decode_rolls(rows, wanted))
    except DamagedTile:
        place, error = first_damaged(rows, wanted)
        raise where_damaged(day_roll, piece.gid, mid, days[place].start, error) from error


def _records(days: Sequence[Day], found: Columns) -> Records:
    sizes = [len(day.slots) for day in days]
    starts = np.repeat([day.start // DAY for day in days], sizes)
    return Records(starts << SLOT_BITS | np.concatenate([day.slots for day in days]), found)


def _times(piece: Piece, stamps: Sequence[Day]) -> Records:
    """Counts and times of the group's own stamps."""
    for places, found in _decoded(piece, STAMPS, stamps, TIMES):
        if len(places) == len(stamps) and found.keys() == TIMES:
            return _records(stamps, found)
    error = DamagedTile("the times of its hours are missing")
    raise where_damaged(day_roll, piece.gid, STAMPS, stamps[0].start, error)


def _with_times(piece: Piece, mid: int, records: Records, times: Records) -> Records:
    """Counts and times added, which are those of the stamps."""
    places = records.places
    if np.array_equal(places, times.places):
        return Records(places, {**records.columns, **times.columns})
    order = np.argsort(times.places)
    at = order[np.searchsorted(times.places, places, sorter=order) % len(order)]
    if (missing := times.places[at] != places).any():
        start = int(places[missing][0] >> SLOT_BITS) * DAY
        error = DamagedTile("hourly figures are of slots that have no times")
        raise where_damaged(day_roll, piece.gid, mid, start, error)
    found = {
        number: column.reshape(rolls.HOURS, -1)[:, at].ravel() for number, column in times.columns.items()
    }
    return Records(places, {**records.columns, **found})


def is_counted(found: Columns, *, real: bool) -> bool:
    """Whether these columns have times and sums."""
    total = rolls.TOTAL in found if real else (rolls.EXCESS in found or rolls.HIGH in found)
    return total and found.keys() >= TIMES


def _uncounted(piece: Piece, mid: int, day: int) -> Uncounted:
    return Uncounted(day_tile, piece.gid, mid, max(day, piece.start), min(day + DAY, piece.end))


def _figures(names: Names, piece: Piece, mid: int, records: Records) -> Iterator[Figures]:
    """Those of hours that have a reading and belong to the piece."""
    slot = records.places & (1 << SLOT_BITS) - 1
    rid = names.known_rids(piece.gid, slot)
    begin = (records.places >> SLOT_BITS) * DAY + _HOURS[:, None]
    chosen = cast("Integers", records.columns[rolls.COUNT]).reshape(begin.shape) > 0
    if begin[0].min() < piece.start or begin[-1].max() >= piece.end:
        chosen &= (begin >= piece.start) & (begin < piece.end)
    if piece.slots is not None:
        chosen &= np.isin(slot, sorted(piece.slots))
    rid, begin, chosen = np.tile(rid, rolls.HOURS), begin.ravel(), chosen.ravel()
    found = records.columns
    if not chosen.all():
        rid, begin = rid[chosen], begin[chosen]
        found = {number: column[chosen] for number, column in found.items()}
    if len(rid):
        yield counted(piece.gid, mid, rid, begin, found)


def counted(gid: int, mid: int, rid: Integers, begin: Integers, found: Columns) -> Figures:
    """The figures of hours that begin then, from their columns."""
    count, least = cast("Integers", found[rolls.COUNT]), found[rolls.LEAST]
    if rolls.TOTAL in found:
        most, high, low = found[rolls.RANGE], found[rolls.TOTAL], np.zeros_like(count)
    else:
        most = least + found[rolls.RANGE]
        high, low = _integer_sums(count, cast("Integers", least), cast("dict[int, Integers]", found))
    first = begin + cast("Integers", found[rolls.FIRST])
    last = begin + cast("Integers", found[rolls.LAST])
    spread = rolls.spread_of(found)
    return Figures(gid, mid, rid, begin, count, first, last, least, most, high, low, spread)


def _integer_sums(
    count: Integers, least: Integers, found: Mapping[int, Integers]
) -> tuple[Integers, Integers]:
    """count * least and what exceeds it, in two words."""
    if rolls.EXCESS in found:
        excess = rolls.excess(found)
        farthest = max(float(least.max()), -float(least.min()))
        if farthest * float(count.max()) + float(excess.max()) < FAR:
            return split(excess + count * least)
        high, low = split(excess)
    else:
        high, low = found[rolls.HIGH], found[rolls.LOW]
    low = low + count * (least & LOW)
    return high + count * (least >> WORD) + (low >> WORD), low & LOW

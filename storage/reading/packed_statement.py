"""The statement of `storage.reading.brief` for hours of a meter where PostgreSQL packs what it finds into one row.

A value for each layer costs less than its rows, to the server as to whoever reads them. That needs a record at the
same place in every row: who has others asks by `storage.reading.brief_statement`.
"""

from functools import lru_cache
from struct import Struct
from typing import Any, Final, NamedTuple

from storage.dialects.postgresql import PostgreSQL
from storage.names import Names
from storage.packing import READING
from storage.reading.asking import one_record
from storage.reading.brief_statement import GUARDED, Asked
from storage.reading.layer import Layer
from storage.reading.moment import Moment
from storage.reading.places import Placed
from storage.tables_tiles import STAMPS
from storage.watermarks import BLOCK, DAY

Value = int | str | bytes

# As storage.tiles.bundles.ROW.
_ROWS: Final = (
    "string_agg(int4send(mid) || int8send(start) || int4send(w)"
    " || int4send(octet_length(slots)) || int4send(octet_length(head)) || slots || head, ''::bytea)"
)
_HOT: Final = "string_agg(int8send(ts) || int4send(part) || vals, ''::bytea)"
HOT: Final = Struct(">qi")  # before the readings of a row of `hot`: time and shape
_TIME: Final = 8  # bytes of the first of them


class Packed(NamedTuple):
    """What the statement found: where the resource is (None: nowhere, or at several places) and what there is of it.

    `is_over`: the answer is not right, because the moment is over, something is late, or there are several places.
    `is_elsewhere`: nor is it where the resource is not where the question said.
    """

    place: Placed | None
    days: Layer
    hours: Layer
    hot: bytes | None
    is_over: bool
    is_elsewhere: bool


class _Terms(NamedTuple):
    """What stands in the statement for where the resource is: columns of a place that it finds, or marks."""

    gid: str
    rid: str
    slot: str


_FOUND: Final = _Terms(*(f"(SELECT {column} FROM place)" for column in ("gid", "rid", "slot")))  # noqa: S608 - ours
_KNOWN: Final = _Terms(PostgreSQL.mark, PostgreSQL.mark, PostgreSQL.mark)
# What is known came from another question: numbers are handed out again where a database was restored meanwhile.
_THERE: Final = " AND ".join(
    f"{column} = {PostgreSQL.mark}" for column in ("r.rid", "r.gid", "r.slot", "r.id", "p.id")
)
_ELSEWHERE: Final = f"NOT EXISTS (SELECT FROM resource r JOIN project p ON p.pid = r.pid WHERE {_THERE})"


class PackedStatement:
    """Of one moment; `put` is for one meter, and for places of records that are known."""

    def __init__(self, moment: Moment) -> None:
        self.moment = moment
        # The numbers of a moment are part of its text, which is prepared anew for each moment: half as many values.
        moved = moment.moved(PostgreSQL.mark, GUARDED)
        self._moved = [f"EXISTS (SELECT FROM {source % (*numbers,)})" for source, numbers in moved]
        self._texts: dict[tuple[bool, bool, bool], str] = {}

    def put(self, asked: Asked) -> tuple[str, list[Value]]:
        """The statement, and the values of its marks."""
        marks, place = asked.moment.marks, asked.place
        (mid,), start, end = asked.mids, asked.start, asked.sealed_end
        first, hour = start - start % DAY, max(start - start % BLOCK, marks.compacted)
        has_days = first < marks.sealed - marks.sealed % DAY  # no later day is compacted
        key = place is not None, asked.project_id is not None, has_days
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = self._text(*key)
        days, hours = asked.gaps.days or 0, asked.gaps.hours or 0
        since = max(start, marks.sealed)
        if place is None:
            names = [asked.resource_id] if asked.project_id is None else [asked.resource_id, asked.project_id]
            of_rolls = [days, mid, first, end] if has_days else []
            return text, [*names, since, asked.end, *of_rolls, hours, mid, hour, end]
        gid, rid, slot, owner = place
        there = (rid, gid, slot, asked.resource_id, owner)
        others = (asked.resource_id, rid) if asked.project_id is None else ()
        of_days = [slot, slot, days, gid, mid, first, end] if has_days else []
        of_hours = (slot, slot, hours, gid, mid, hour, end)
        return text, [gid, rid, since, asked.end, gid, rid, *others, *there, *of_days, *of_hours]

    def _text(self, is_known: bool, in_project: bool, has_days: bool) -> str:
        mark, terms = PostgreSQL.mark, _KNOWN if is_known else _FOUND
        of_it = f"gid = {terms.gid} AND rid = {terms.rid}"
        over = [*self._moved, f"EXISTS (SELECT FROM late WHERE {of_it})"]
        if is_known and not in_project:
            over.append(f"EXISTS (SELECT FROM resource WHERE id = {mark} AND rid <> {mark})")
        days = f"{_layer('day_roll', terms)}, " if has_days else ""
        of_days = "day_rolls.packed, day_rolls.raw" if has_days else "NULL::bytea, NULL::bytea"
        hot = f"(SELECT {_HOT} FROM hot WHERE {of_it} AND ts >= {mark} AND ts < {mark})"  # noqa: S608 - ours
        elsewhere = _ELSEWHERE if is_known else "FALSE"
        told = f"{of_days}, tiles.packed, tiles.raw, {hot}, {' OR '.join(over)}, {elsewhere}"
        layers = f"{days}{_layer('tile', terms)}"
        if is_known:
            return f"SELECT {told} FROM {layers}"  # noqa: S608 - ours
        of_project = f" AND p.id = {mark}" if in_project else ""
        place = (
            "SELECT min(r.gid) AS gid, min(r.rid) AS rid, min(r.slot) AS slot, min(p.id) AS owner,"  # noqa: S608 - ours
            f" count(*) AS places FROM resource r JOIN project p ON p.pid = r.pid WHERE r.id = {mark}{of_project}"
        )
        return f"WITH place AS ({place}) SELECT {told}, gid, rid, slot, owner, places FROM place, {layers}"  # noqa: S608 - ours


def _layer(table: str, terms: _Terms) -> str:
    """The rows of a table and their records, as one row."""
    mark = PostgreSQL.mark
    record = one_record(PostgreSQL.byte, terms.slot, f"({terms.slot} - {mark})")
    return (
        f"(SELECT {_ROWS} AS packed, string_agg({record}, ''::bytea) AS raw FROM {table}"  # noqa: S608 - ours
        f" WHERE gid = {terms.gid} AND mid IN ({STAMPS}, {mark}) AND start >= {mark} AND start < {mark}) AS {table}s"
    )


def unpacked(row: Any, known: Placed | None) -> Packed:
    """The one row of an answer; `known` is where the question said the resource is."""
    days, day_records, hours, hour_records, hot, is_over, is_elsewhere, *place = row
    if known is None and place[-1] == 1:
        known = Placed(*place[:-1])
    return Packed(known, Layer(days, day_records), Layer(hours, hour_records), hot, is_over, is_elsewhere)


def hot_readings(names: Names, mid: int, packed: bytes | None) -> list[tuple[int, float]]:
    """Time and reading of a meter in the rows of `hot`, in order. Raises KeyError for a shape that is not learned."""
    found: list[tuple[int, float]] = []
    begin, packed = 0, packed or b""
    while begin < len(packed):
        _, part = HOT.unpack_from(packed, begin)
        mids = names.mids_of(part)
        size = HOT.size + READING * len(mids)
        end = begin + size
        while packed[end + _TIME : end + HOT.size] == packed[begin + _TIME : begin + HOT.size]:
            end += size  # rows of one shape are read together
        if mid in mids:
            reading = _reading(mids.index(mid), len(mids), names.meter(mid).real)
            found += reading.iter_unpack(packed[begin:end])
        begin = end
    found.sort()
    return found


@lru_cache(1000)
def _reading(place: int, size: int, real: bool) -> Struct:
    """The time and one of the readings of a row."""
    return Struct(f">q4x{READING * place}x{'d' if real else 'q'}{READING * (size - place - 1)}x")

"""The statement that asks for the newest rows of `hot`, and whether it was put rightly."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, Final

from storage.dialects import Dialect
from storage.dialects.postgresql import PostgreSQL
from storage.names import Names
from storage.packing import READING
from storage.reading.moment import Moment
from storage.reading.recent_rows import Row
from storage.reading.selection import Selection
from storage.reading.strangers import Source
from storage.tables import delta, hot, late

_COLUMNS: Final = "rid, ts, part, ver, recv, vals"
_COUNTED: Final = "SELECT count(*) AS rid, 0 AS ts, 0 AS part, 0 AS ver, 0 AS recv, NULL AS vals FROM"
# Each || takes the server as long as to find a row: so two numbers of four bytes are one.
_PACKED: Final = "int8send((rid::int8 << 32) + ver) || int8send(ts) || int8send(recv) || int4send(part)"
_HEAD: Final = struct.Struct(">iiqqi")

_ts = itemgetter(1)

Value = int | str | bytes


class Statement:
    """Written out for what a question led to in a moment; its times and how many rows it takes may differ.

    It finds rows of `hot`, newest first and at most a page of them, and how many times the moment is over, or late
    readings or deltas match, or `strangers` have the selection's numbers. PostgreSQL packs the rows into one value,
    which costs less than to send them.
    `is_polled`: no delta could match. `place`: all rows are of one shape, of which the reading at this place is all
    that is wanted. Without the others an answer of a hundred rows fits into one packet, and its reader wakes once.
    """

    def __init__(
        self,
        moment: Moment,
        selection: Selection,
        dialect: Dialect,
        strangers: Sequence[Source],
        *,
        is_polled: bool,
        place: int | None = None,
    ) -> None:
        self.mids = selection.mids
        self._mark, self._packs = dialect.mark, dialect.name == PostgreSQL.name
        self.place = place if self._packs else None
        timeless = replace(selection, start=None, end=None)
        self._hot = timeless.sql(hot, self._mark)
        tables = (late,) if is_polled else (late, delta)
        self._others = {table.name: timeless.sql(table, self._mark) for table in tables}
        over: list[Source] = [*moment.moved(self._mark), *strangers]
        self._over = [source for source, _ in over]
        self._over_values = [value for _, some in over for value in some]
        self._texts: dict[tuple[bool, int], str] = {}

    def put(self, start: int, end: int | None, page: int) -> tuple[str, Sequence[Value]]:
        """The statement for these times, microseconds since 1970 UTC (None: no end), and the values of its marks."""
        key = end is None, page
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = self._text(page, has_end=end is not None)
        times = (start,) if end is None else (start, end)
        values: list[Value] = []
        for _, some in (self._hot, *self._others.values()):
            values += some
            values += times
        return text, values + self._over_values

    def _text(self, page: int, *, has_end: bool) -> str:
        times = f"ts >= {self._mark}" + (f" AND ts < {self._mark}" if has_end else "")
        newest = f"SELECT {_COLUMNS} FROM hot WHERE {self._hot[0]} AND {times} ORDER BY ts DESC LIMIT {page}"  # noqa: S608 - ours
        others = [
            f"(SELECT gid FROM {table} WHERE {condition} AND {times} LIMIT 1) AS others"  # noqa: S608 - ours
            for table, (condition, _) in self._others.items()
        ]
        sources = [*others, *self._over]
        if self._packs:
            readings = (
                "vals" if self.place is None else f"substr(vals, {READING * self.place + 1}, {READING})"
            )
            packed = f"SELECT string_agg({_PACKED} || {readings}, ''::bytea) FROM ({newest}) AS newest"  # noqa: S608 - ours
            return f"SELECT ({packed}), {' + '.join(f'(SELECT count(*) FROM {one})' for one in sources)}"  # noqa: S608 - ours
        counted = (f"{_COUNTED} {one}" for one in sources)
        return " UNION ALL ".join([f"SELECT * FROM ({newest}) AS newest", *counted])  # noqa: S608 - ours

    def rows(self, names: Names, answered: Sequence[Any]) -> list[Row] | None:
        """The newest rows of `hot`, newest first; None when the moment is over, or others have to be looked at.

        Raises KeyError for a shape that is not learned.
        """
        rows = self._unpacked(names, *answered[0]) if self._packs else _apart(answered)
        if rows is not None:
            rows.sort(key=_ts, reverse=True)
        return rows

    def _unpacked(self, names: Names, packed: bytes | None, others: int) -> list[Row] | None:
        if others:
            return None
        rows: list[Row] = []
        begin, packed = 0, packed or b""
        while begin < len(packed):
            rid, ver, ts, recv, part = _HEAD.unpack_from(packed, begin)
            begin += _HEAD.size
            end = begin + READING * (1 if self.place is not None else len(names.mids_of(part)))
            rows.append((rid, ts, part, ver, recv, packed[begin:end]))
            begin = end
        return rows


def _apart(answered: Iterable[Row]) -> list[Row] | None:
    rows: list[Row] = []
    for row in answered:
        if row[5] is not None:
            rows.append(row)
        elif row[0]:
            return None
    return rows

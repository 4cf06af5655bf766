"""The statement that asks for the newest rows of `hot`, and whether it was put rightly."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from storage.reading.moment import Moment
from storage.reading.selection import Selection, Value
from storage.tables import delta, hot, late

_COLUMNS: Final = "rid, ts, part, ver, recv, vals"
_COUNTED: Final = "SELECT count(*) AS rid, 0 AS ts, 0 AS part, 0 AS ver, 0 AS recv, NULL AS vals FROM"


class Statement:
    """Written out for what a question led to in a moment; its times and how many rows it takes may differ.

    It gives rows of `hot`, newest first and at most a page of them, and some without `vals`: unless the `rid` of all of
    those is 0 the moment is over, or late readings or deltas match.
    """

    def __init__(self, moment: Moment, selection: Selection, mark: str) -> None:
        self.mids = selection.mids
        self._mark = mark
        timeless = replace(selection, start=None, end=None)
        self._hot, self._late, self._delta = (timeless.sql(table, mark) for table in (hot, late, delta))
        moved = moment.moved(mark)
        self._moved = [f"{_COUNTED} {source}" for source, _ in moved]
        self._moved_values = [value for _, some in moved for value in some]
        self._texts: dict[tuple[bool, int], str] = {}

    def put(self, start: int, end: int | None, page: int) -> tuple[str, Sequence[Value]]:
        """The statement for these times, microseconds since 1970 UTC (None: no end), and the values of its marks."""
        key = end is None, page
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = self._text(page, has_end=end is not None)
        times = (start,) if end is None else (start, end)
        values: list[Value] = []
        for _, some in (self._hot, self._late, self._delta):
            values += some
            values += times
        return text, values + self._moved_values

    def _text(self, page: int, *, has_end: bool) -> str:
        times = f"ts >= {self._mark}" + (f" AND ts < {self._mark}" if has_end else "")
        newest = f"SELECT {_COLUMNS} FROM hot WHERE {self._hot[0]} AND {times} ORDER BY ts DESC LIMIT {page}"  # noqa: S608 - ours
        others = [
            f"{_COUNTED} (SELECT gid FROM {table} WHERE {condition} AND {times} LIMIT 1) AS others"  # noqa: S608 - ours
            for table, (condition, _) in (("late", self._late), ("delta", self._delta))
        ]
        return " UNION ALL ".join([f"SELECT * FROM ({newest}) AS newest", *others, *self._moved])  # noqa: S608 - ours

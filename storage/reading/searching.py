"""Samples of which an expression is true, in whatever order is asked for."""

import heapq
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Connection

from storage.columns import Columns
from storage.database import Database
from storage.errors import TookTooLong
from storage.expression import Compared, Expression, Sorting, in_order, needed
from storage.names import Names
from storage.query import SampleQuery, Scope
from storage.reading.expressed import Flags, matching, value_of
from storage.reading.polled import only
from storage.reading.readings import Reader
from storage.reading.stored import FoundSample, found_samples, newest_first
from storage.sample import EPOCH, from_microseconds

FIRST_SPAN = timedelta(hours=1)
AHEAD = timedelta(minutes=10)  # readings may be a little in the future
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
_NAMED = {"meter", "resource_id", "project_id", "user_id", "source", "message_id"}  # of a question's fields


@dataclass(frozen=True, slots=True)
class Search:
    """Which samples are meant. `order` is that of the fields; without any, the newest come first."""

    scope: Scope
    expression: Expression
    order: tuple[Sorting, ...] = ()


class Searching:
    """Looks for them: back in time as far as it takes for the newest ones, else through all that could match."""

    def __init__(self, database: Database, names: Names) -> None:
        self._database = database
        self._names = names
        self._ends_at = time.monotonic() + database.settings.timeout_s

    def find(self, search: Search, limit: int, now: datetime) -> list[FoundSample]:
        """At most `limit` of them; raises TookTooLong when they are too few among too many."""
        query = narrowed(search)
        with self._database.snapshot() as connection:
            names = self._names.lent(self._database.breaks)
            if search.order:
                key = in_order(search.order, value_of)
                found = self._all(connection, names, query, search, limit)
                return heapq.nsmallest(limit, found, key=lambda one: (key(one), newest_first(one)))
            found_new: list[FoundSample] = []
            for start, end in spans(query, now):
                part = replace(query, start=start, end=end) if end is not None else query
                some = self._all(connection, names, part, search, limit - len(found_new))
                found_new += sorted(some, key=newest_first)[: limit - len(found_new)]
                if len(found_new) >= limit:
                    break
            return found_new

    def _all(
        self, connection: Connection, names: Names, query: SampleQuery, search: Search, limit: int
    ) -> Iterator[FoundSample]:
        """Those that match; of each block of readings no more than `limit` that may be among the first."""
        for block in Reader(names).columns(connection, query):
            if time.monotonic() > self._ends_at:
                raise TookTooLong("too many samples to look at")
            flags = matching(search.expression, names, block)
            if flags.any():
                yield from found_samples(names, _first(only(block, flags), search.order, limit))


def _first(block: Columns, order: Sequence[Sorting], limit: int) -> Columns:
    """Those that may be among the first `limit`: told by number where the order begins with one, else all."""
    first = order[0] if order else Sorting("timestamp", descends=True)
    columns = {"timestamp": block.ts, "volume": block.volume}
    if first.field not in columns or len(block.ts) <= limit:
        return block
    column = columns[first.field]
    place = len(column) - limit if first.descends else limit - 1
    bound = np.partition(column, place)[place]
    flags: Flags = column >= bound if first.descends else column <= bound
    return only(block, flags)


def narrowed(search: Search) -> SampleQuery:
    """The question that all of them answer, so that less has to be looked at."""
    query = SampleQuery(search.scope)
    for leaf in needed(search.expression):
        if not isinstance(leaf, Compared):
            continue
        if leaf.op == "=" and leaf.field in _NAMED and getattr(query, leaf.field) is None:
            named: dict[str, Any] = {leaf.field: leaf.value}  # Any: the type of the field, which is text
            query = replace(query, **named)
        if leaf.field == "timestamp" and isinstance(leaf.value, int):
            query = _bounded(query, leaf.op, leaf.value)
    return query


def _bounded(query: SampleQuery, op: str, moment: int) -> SampleQuery:
    """The question between these times; the end of a question is the first moment it does not mean."""
    begin, until = moment + (op == ">"), moment + (op in {"<=", "="})
    if op in {">", ">=", "="}:
        start = from_microseconds(begin)
        query = replace(query, start=start if query.start is None else max(query.start, start))
    if op in {"<", "<=", "="}:
        end = from_microseconds(until)
        query = replace(query, end=end if query.end is None else min(query.end, end))
    return query


def spans(query: SampleQuery, now: datetime) -> Iterator[tuple[datetime | None, datetime | None]]:
    """Longer and longer times back from the newest sample there can be; (None, None) is all of it at once."""
    if query.message_id is not None:
        yield None, None
        return
    begin = EPOCH if query.start is None else query.start
    end = LATEST if query.end is None else query.end
    start = max(begin, min(end, now + AHEAD) - FIRST_SPAN)
    while True:
        if start < end:
            yield start, end
        if start <= begin:
            return
        end, length = start, 2 * ((now + AHEAD) - start)
        start = max(begin, end - max(length, FIRST_SPAN))

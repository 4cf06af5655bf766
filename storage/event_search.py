"""Finds events: the rarest thing that is known of them leads to their rows, the rest is looked at row by row.

Rows are read in the order of time, some at a time, so that a question for few of many ends when it has them.
"""

import heapq
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain, groupby, islice
from typing import Any

from sqlalchemy import Connection

from storage.comparison import COMPARE
from storage.database import Database
from storage.errors import TookTooLong
from storage.event import Event, Trait, TraitType
from storage.event_query import EVERY_EVENT, EventQuery, EventScope, Order
from storage.event_rows import Shape, digest, event_of, key_of, payload_of
from storage.event_statement import LISTED, Place, Reading, statement
from storage.reading.asking import ask, marks
from storage.sample import to_microseconds

FEW, MANY = 20, 5000  # rows of a statement, at least and at most
WHOLE = 1000  # rows of a statement for all events, with what was sent
PAYLOADS = 200  # moments asked for at once
OLDEST_FIRST = Order()

_SHAPES = "SELECT shape, event_type, traits FROM event_shape"


class EventSearch:
    """What is in the store of events; any number of threads may use it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect.name
        self._shapes: dict[int, Shape] = {}

    def find(
        self, query: EventQuery, limit: int, order: Order = OLDEST_FIRST, after: Event | None = None
    ) -> list[Event]:
        """The first events that match, whole; with `after` those that follow this one in the order.

        Raises TookTooLong when they are too few among too many.
        """
        with self._database.read() as connection:
            found = self._ordered(connection, query, limit, order, after)
            return self._with_payloads(connection, found) if query.traits else found

    def get(self, scope: EventScope, message_id: str) -> Event | None:
        """The event of this message, None when the scope holds none; of several senders' the earliest."""
        found = self.find(EventQuery(scope, message_id=message_id), 1)
        return found[0] if found else None

    def between(
        self, start: datetime, end: datetime, event_types: Iterable[str] | None = None
    ) -> Iterator[Event]:
        """Every event from `start` to before `end`, whole, in the order of time, then of message id.

        Types that end in `.*` mean every one that begins so; None is all. No transaction is open while the caller has
        an event.
        """
        wanted = None if event_types is None else tuple(event_types)
        query, until = EventQuery(EVERY_EVENT, start=start), to_microseconds(end)
        place: Place | None = None
        kept: list[Event] = []  # of the last moment that was read, as there may be more
        is_over = start >= end
        while not is_over:
            with self._database.read() as connection:
                kinds = None if wanted is None else self._kinds(connection, wanted)
                rows = ask(connection, *statement(query, self._dialect, Reading(WHOLE, place, kinds=kinds)))
                events = self._events(connection, [row for row in rows if row[0] < until])
            is_over = len(rows) < WHOLE or rows[-1][0] >= until
            kept += events
            last = None if is_over or not kept else kept[-1].generated
            yield from _in_order(event for event in kept if event.generated != last)
            kept = [event for event in kept if event.generated == last]
            place = Place(rows[-1][0], rows[-1][1]) if rows else None

    def types(self) -> list[str]:
        """The types of the events there are, sorted."""
        one = "SELECT e.kind FROM event e WHERE e.kind = s.kind LIMIT 1"  # MariaDB would go through all for EXISTS
        with self._database.read() as connection:
            rows = ask(connection, f"SELECT event_type FROM event_shape s WHERE ({one}) IS NOT NULL")  # noqa: S608 - ours
        return sorted({name for (name,) in rows})

    def traits(self, event_type: str) -> list[tuple[str, TraitType]]:
        """Names and types of the traits that events of a type have or had, sorted."""
        with self._database.read() as connection:
            shapes = self._all_shapes(connection).values()
        return sorted({trait for shape in shapes if shape.event_type == event_type for trait in shape.traits})

    def values(self, event_type: str, name: str, limit: int) -> list[Trait]:
        """This trait of the first events of a type that have it, the oldest first."""
        with self._database.read() as connection:
            shapes = [
                number
                for number, shape in self._all_shapes(connection).items()
                if shape.event_type == event_type and any(name == known for known, _ in shape.traits)
            ]
            rows = self._rows(
                connection, EventQuery(EVERY_EVENT, event_type), limit, shapes=shapes, payload=False
            )
            events = islice(_in_order_of_time(rows) if shapes else (), limit)
            return [trait for event in events for trait in event.traits if trait.name == name]

    def _ordered(
        self, connection: Connection, query: EventQuery, limit: int, order: Order, after: Event | None
    ) -> list[Event]:
        if after is not None and order.first == "generated":
            bound = {"end" if order.time_descends else "start": after.generated}
            query = _narrowed(query, **bound)
        found = self._matching(connection, query, limit, descending=order.time_descends)
        if order.first == "generated":
            found = _in_order_of_time(found, descending=order.id_descends)
        if after is not None:
            found = (event for event in found if _follows(event, after, order))
        if order.first == "generated":
            return list(islice(found, limit))
        choose = heapq.nlargest if order.id_descends else heapq.nsmallest
        return choose(limit, found, key=lambda event: event.message_id)

    def _matching(
        self, connection: Connection, query: EventQuery, limit: int, *, descending: bool
    ) -> Iterator[Event]:
        """Events that match, in the order of time; without their payload if there are traits to look at."""
        shapes: list[int] | None = None
        if query.traits:
            shapes = [n for n, shape in self._all_shapes(connection).items() if _may_match(shape, query)]
            if not shapes:
                return
        for event in self._rows(
            connection, query, limit, descending=descending, shapes=shapes, payload=not query.traits
        ):
            if _matches(event, query):
                yield event

    def _rows(
        self,
        connection: Connection,
        query: EventQuery,
        limit: int,
        *,
        descending: bool = False,
        shapes: Sequence[int] | None = None,
        payload: bool = True,
    ) -> Iterator[Event]:
        """The events of every row that may match, in the order of time."""
        ends_at = time.monotonic() + self._database.settings.timeout_s
        size, place = min(limit + FEW, MANY), None
        while True:
            reading = Reading(size, place, descending, shapes, payload=payload)
            rows = ask(connection, *statement(query, self._dialect, reading))
            yield from self._events(connection, rows)
            if len(rows) < size:
                return
            if time.monotonic() > ends_at:
                raise TookTooLong("too many events to look at")
            place, size = Place(rows[-1][0], rows[-1][1]), MANY

    def _events(self, connection: Connection, rows: Sequence[Any]) -> list[Event]:  # Any: integers and bytes
        missing = sorted({row[5] for row in rows} - self._shapes.keys())
        for first in range(0, len(missing), LISTED):
            some = missing[first : first + LISTED]
            self._learn(ask(connection, f"{_SHAPES} WHERE shape IN ({marks(some)})", some))
        return [event_of(row, self._shapes[row[5]]) for row in rows]

    def _all_shapes(self, connection: Connection) -> dict[int, Shape]:
        found = ask(connection, _SHAPES)
        self._learn(found)
        return {number: self._shapes[number] for number, _, _ in found}

    def _learn(self, rows: Sequence[Any]) -> None:
        for number, event_type, text in rows:
            if number not in self._shapes:
                self._shapes[number] = Shape.of_text(event_type, text)

    def _kinds(self, connection: Connection, event_types: Sequence[str]) -> list[int]:
        """What rows say for the types that are meant."""
        exact = {name for name in event_types if not name.endswith(".*")}
        prefixes = tuple(name[:-1] for name in event_types if name.endswith(".*"))
        known = {shape.event_type for shape in self._all_shapes(connection).values()}
        return sorted(digest(name) for name in known if name in exact or name.startswith(prefixes))

    def _with_payloads(self, connection: Connection, events: Sequence[Event]) -> list[Event]:
        moments = sorted({to_microseconds(event.generated) for event in events})
        found: dict[tuple[int, int], bytes] = {}
        for first in range(0, len(moments), PAYLOADS):
            some = moments[first : first + PAYLOADS]
            rows = ask(connection, f"SELECT ts, k, payload FROM event WHERE ts IN ({marks(some)})", some)  # noqa: S608 - ours
            found.update(((ts, k), payload) for ts, k, payload in rows)
        keys = ((to_microseconds(event.generated), key_of(event)) for event in events)
        return [
            replace(event, raw=payload_of(found.get(key, b"")))
            for event, key in zip(events, keys, strict=True)
        ]


def _in_order_of_time(events: Iterable[Event], *, descending: bool = False) -> Iterator[Event]:
    """Events that come in the order of time, those of one moment by message id."""
    moments = groupby(events, key=lambda event: event.generated)
    return chain.from_iterable(
        sorted(some, key=lambda event: event.message_id, reverse=descending) for _, some in moments
    )


def _in_order(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event.generated, event.message_id))


def _narrowed(query: EventQuery, start: datetime | None = None, end: datetime | None = None) -> EventQuery:
    """The query with these bounds, too."""
    if start is not None and (query.start is None or start > query.start):
        query = replace(query, start=start)
    if end is not None and (query.end is None or end < query.end):
        query = replace(query, end=end)
    return query


def _follows(event: Event, other: Event, order: Order) -> bool:
    """Whether an event comes after another one."""
    is_later = (
        (event.message_id < other.message_id) if order.id_descends else event.message_id > other.message_id
    )
    if order.first == "message_id" or event.generated == other.generated:
        return is_later
    return event.generated < other.generated if order.time_descends else event.generated > other.generated


def _may_match(shape: Shape, query: EventQuery) -> bool:
    """Whether events of this shape have every trait that is asked for."""
    return {(match.name, match.type) for match in query.traits} <= set(shape.traits)


def _matches(event: Event, query: EventQuery) -> bool:
    """Whether it is meant; rows say less than events."""
    if not query.scope.allows(event):
        return False
    if query.event_type not in (None, event.event_type) or query.message_id not in (None, event.message_id):
        return False
    traits = {trait.name: trait for trait in event.traits}
    for match in query.traits:
        trait = traits.get(match.name)
        if trait is None or trait.type != match.type or not COMPARE[match.op](trait.value, match.value):
            return False
    return True

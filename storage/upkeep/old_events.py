"""Forgets events that happened before a time, a slice at a time, the oldest first."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from storage.database import Database
from storage.event import Event
from storage.event_query import EVERY_EVENT, EventQuery
from storage.event_rows import facets, key_of, layout_of
from storage.event_search import EventSearch
from storage.sample import from_microseconds, to_microseconds

EVENTS_A_SLICE = 1000

_FACET = "DELETE FROM event_facet WHERE h = {0} AND ts = {0} AND k = {0}"
_EVENT = "DELETE FROM event WHERE ts = {0} AND k = {0}"


def forget_events(database: Database, before: int) -> Iterator[tuple[str, int]]:
    """Deletes a slice before each of these: of which table, and how many rows. `before`: microseconds since 1970.

    Which traits events had is never forgotten (`storage.tables_events.event_shape`).
    """
    search = EventSearch(database)
    query = EventQuery(EVERY_EVENT, end=from_microseconds(before) - timedelta(microseconds=1))
    while before and (events := search.find(query, EVENTS_A_SLICE)):
        work = partial(_remove, mark=database.dialect.mark, events=events)
        yield "event", database.write_retrying(work)


def _remove(connection: Connection, mark: str, events: Sequence[Event]) -> int:
    """What leads to the events goes with them."""
    keys = [(to_microseconds(event.generated), key_of(event)) for event in events]
    found = sorted(
        {(h, *key) for event, key in zip(events, keys, strict=True) for h in facets(event, layout_of(event))}
    )
    if found:
        connection.exec_driver_sql(_FACET.format(mark), found)
    return connection.exec_driver_sql(_EVENT.format(mark), keys).rowcount

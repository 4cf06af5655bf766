"""Events in the store: each once, on every database."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import func, select

from storage.database import Database
from storage.errors import DataRefused
from storage.event import Event, Trait
from storage.event_query import EVERY_EVENT, EventQuery, TraitMatch
from storage.event_search import EventSearch
from storage.events import Events, StoredEvents
from storage.tables_events import event as event_table
from storage.tables_events import event_facet
from tests.factories import NOW

CREATED = Event(
    "6f1e0b1c-5df3-4b5f-9c5b-7f3b0c0a1d11",
    "compute.cmp01",
    "compute.instance.create.end",
    NOW,
    (
        Trait("fault", "text", ""),
        Trait("instance_id", "text", "0b6f9b1e-8f3e-4f0a-9d59-95b5d2a6f0c1"),
        Trait("launched_at", "datetime", NOW + timedelta(microseconds=1)),
        Trait("load", "float", 0.1),
        Trait("memory_mb", "integer", -(2**63)),
        Trait("project_id", "text", "project-a"),
        Trait("user_id", "text", "user-1"),
    ),
    "project-a",
    "user-1",
    {"name": "wéb \ud800", "deep": {"list": [1, 2.5, None, 2**70]}},
)


def many(count: int) -> Sequence[Event]:
    """So many different events."""
    return [replace(CREATED, message_id=f"m-{n}", generated=NOW + timedelta(seconds=n)) for n in range(count)]


def count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(event_table)).scalar_one())


def test_an_event_that_comes_again_at_another_time_leaves_nothing_there(database: Database) -> None:
    events = Events(database)
    events.store([CREATED], received_at=NOW)
    again = replace(CREATED, generated=NOW + timedelta(hours=1))

    events.store(
        [again, replace(CREATED, message_id="bare", traits=(), project_id=None, user_id=None)],
        received_at=NOW,
    )
    events.store([again, *many(3)], received_at=NOW)

    with database.read() as connection:
        there = {(row.ts, row.k) for row in connection.execute(select(event_table.c.ts, event_table.c.k))}
        found = {(row.ts, row.k) for row in connection.execute(select(event_facet.c.ts, event_facet.c.k))}
    assert len(there) == 5
    assert found < there  # of the bare one nothing can be searched for


def test_an_event_delivered_twice_counts_once_and_the_first_stays(database: Database) -> None:
    events = Events(database)
    again = replace(CREATED, generated=NOW + timedelta(hours=1), traits=(), raw=None)

    first = events.store([CREATED, CREATED], received_at=NOW)
    second = Events(database).store([again, many(1)[0]], received_at=NOW)

    assert first == StoredEvents(new=1, duplicates=1)
    assert second == StoredEvents(new=1, duplicates=1)
    assert count(database) == 2


def test_senders_that_number_alike_have_events_of_their_own(database: Database) -> None:
    stored = Events(database).store([CREATED, replace(CREATED, publisher_id="other")], received_at=NOW)

    assert stored.new == 2


def test_two_collectors_with_the_same_events_store_each_once(database: Database) -> None:
    given, together = many(300), threading.Barrier(4)

    def store(turn: int) -> int:
        together.wait(10)
        some = given[::-1] if turn % 2 else given
        return Events(database).store(some, received_at=NOW).new

    with ThreadPoolExecutor(4) as pool:
        new = list(pool.map(store, range(4)))

    assert sum(new) == count(database) == 300


def test_a_batch_with_what_no_database_takes_is_refused_whole(database: Database) -> None:
    bad = replace(CREATED, message_id="bad", traits=(Trait("n", "integer", 2**64),))

    with pytest.raises(DataRefused):
        Events(database).store([CREATED, bad], received_at=NOW)

    assert count(database) == 0


def test_a_batch_larger_than_a_statement_may_be_is_kept(database: Database) -> None:
    noise = Random(1).randbytes(400_000).hex()  # half of it when compressed
    large = [replace(event, raw={"noise": noise}) for event in many(24)]

    assert Events(database).store(large, received_at=NOW).new == 24


def test_events_are_stored_on_after_some_that_came_twice(database: Database) -> None:
    events, given = Events(database), many(30)

    stored = [events.store(given[first : first + 10], received_at=NOW).new for first in (0, 5, 10, 15, 20)]

    assert stored == [10, 5, 5, 5, 5]
    assert len(EventSearch(database).find(EventQuery(EVERY_EVENT), 100)) == 30
    by_instance = TraitMatch("instance_id", "eq", "text", str(given[0].traits[1].value))
    assert len(EventSearch(database).find(EventQuery(EVERY_EVENT, traits=(by_instance,)), 100)) == 30

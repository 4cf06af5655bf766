"""Events end at an age of their own, and what leads to them goes with them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from storage.database import Database
from storage.event_query import EVERY_EVENT, EventQuery, Order
from storage.event_search import EventSearch
from storage.events import Events
from storage.settings import RetentionSettings
from storage.tables_events import event, event_facet, event_shape
from storage.upkeep import old_events
from tests.factories import NOW
from tests.storage.aging import DAY, MIDNIGHT, count, maintain
from tests.storage.test_events import CREATED

KEPT_A_WEEK = RetentionSettings(events="7d")


def test_events_are_kept_for_as_many_days_as_are_set(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_events, "EVENTS_A_SLICE", 3)
    events = Events(database)
    times = [MIDNIGHT - days * DAY for days in range(1, 12)]
    events.store(
        [replace(CREATED, message_id=f"m-{at}", generated=at) for at in times]
        + [
            replace(
                CREATED, message_id="last moment", generated=MIDNIGHT - 7 * DAY - timedelta(microseconds=1)
            )
        ],
        received_at=NOW,
    )
    facets = count(database, event_facet) // 12

    maintain(database, KEPT_A_WEEK)

    left = EventSearch(database).find(EventQuery(EVERY_EVENT), 100, Order(time_descends=True))
    assert [one.generated for one in left] == times[:7]
    assert count(database, event_facet) == 7 * facets
    assert count(database, event_shape) == 1


def test_a_type_without_events_is_none(database: Database) -> None:
    events = Events(database)
    events.store([replace(CREATED, generated=MIDNIGHT - 30 * DAY)], received_at=NOW)

    maintain(database, KEPT_A_WEEK)

    assert count(database, event) == 0
    assert EventSearch(database).types() == []
    assert events.store([CREATED], received_at=NOW).new == 1
    assert EventSearch(database).types() == [CREATED.event_type]

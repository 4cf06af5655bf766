"""Events are found again: on every database as a plain list of them would answer."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, cast

import pytest

from storage import event_search
from storage.comparison import COMPARE
from storage.database import Database
from storage.errors import TookTooLong
from storage.event import Event, Trait
from storage.event_query import (
    EVERY_EVENT,
    EventQuery,
    EventScope,
    Order,
    TraitMatch,
)
from storage.event_search import EventSearch
from storage.events import Events
from tests.factories import NOW
from tests.storage.test_events import CREATED

SECOND = timedelta(seconds=1)
IDS = [f"{n:032x}" for n in range(8)]
NAMES = ("web", "db", "ünï", "")
TYPES = ("image.create", "image.delete", "imagery", "volume.exists")
ORDERS = [
    Order(),
    Order(time_descends=True),
    Order(time_descends=True, id_descends=True),
    Order(id_descends=True),
    Order("message_id"),
    Order("message_id", id_descends=True),
]


def happened(number: int, chance: Random) -> Event:
    """One of many events: few moments, projects and values, so that much is alike."""
    project, user = chance.choice([None, *IDS[:3]]), chance.choice([None, "me", *IDS[:5]])
    found: dict[str, Any] = {  # Any: the value of a trait
        "resource_id": chance.choice(IDS),
        "name": chance.choice(NAMES),
        "size": chance.randrange(-2, 3),
        "load": chance.randrange(4) / 4,
        "at": NOW + chance.randrange(3) * SECOND,
        "project_id": project,
        "user_id": user,
    }
    kinds = {str: "text", int: "integer", float: "float", datetime: "datetime"}
    traits = [
        Trait(name, cast("Any", kinds[type(value)]), value)  # Any: a literal of four
        for name, value in sorted(found.items())
        if value is not None and (name in ("project_id", "user_id") or chance.random() < 0.8)
    ]
    moment = NOW + chance.randrange(40) * SECOND
    raw = {"number": number} if chance.random() < 0.5 else None
    return Event(f"m-{number}", "p", chance.choice(TYPES), moment, tuple(traits), project, user, raw)


EVENTS = [happened(number, Random(number)) for number in range(400)]


@pytest.fixture
def search(database: Database) -> EventSearch:
    """The store with all of `EVENTS`."""
    Events(database).store(EVENTS, received_at=NOW)
    return EventSearch(database)


def expected(query: EventQuery, order: Order) -> list[Event]:
    """What a list would answer."""
    found = [event for event in EVENTS if is_meant(event, query)]
    found.sort(key=lambda event: event.message_id, reverse=order.id_descends)
    if order.first == "generated":
        found.sort(key=lambda event: event.generated, reverse=order.time_descends)
    return found


def is_meant(event: Event, query: EventQuery) -> bool:
    traits = {(trait.name, trait.type): trait.value for trait in event.traits}
    return (
        query.scope.allows(event)
        and query.event_type in (None, event.event_type)
        and query.message_id in (None, event.message_id)
        and (query.start is None or event.generated >= query.start)
        and (query.end is None or event.generated <= query.end)
        and all(
            (match.name, match.type) in traits
            and COMPARE[match.op](traits[match.name, match.type], match.value)
            for match in query.traits
        )
    )


def asked(chance: Random) -> EventQuery:
    """Any question."""
    matches: list[TraitMatch] = []
    for name, kind, values in (
        ("resource_id", "text", IDS),
        ("user_id", "text", ["me", *IDS]),
        ("project_id", "text", IDS),
        ("name", "text", NAMES),
        ("size", "integer", [-1, 0, 1]),
        ("load", "float", [0.25, 0.5]),
        ("at", "datetime", [NOW, NOW + SECOND]),
        ("absent", "text", ["x"]),
    ):
        if chance.random() < (0.02 if name == "absent" else 0.15):
            op = chance.choice(["eq", "eq", *COMPARE])
            matches.append(TraitMatch(name, op, cast("Any", kind), chance.choice(cast("list[str]", values))))
    project = chance.choice(IDS[:3])
    return EventQuery(
        chance.choice(
            [EVERY_EVENT, EventScope(project, and_nobodys=True), EventScope(project, chance.choice(IDS[:5]))]
        ),
        event_type=chance.choice([None, None, "image.create", "volume.exists", "nothing"]),
        message_id=f"m-{chance.randrange(450)}" if chance.random() < 0.05 else None,
        start=NOW + chance.randrange(20) * SECOND if chance.random() < 0.3 else None,
        end=NOW + chance.randrange(15, 40) * SECOND if chance.random() < 0.3 else None,
        traits=tuple(matches),
    )


def test_every_question_is_answered_as_a_list_would(
    search: EventSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = Random(7)
    monkeypatch.setattr(event_search, "FEW", 3)
    monkeypatch.setattr(event_search, "MANY", 20)

    for _ in range(150):
        query, order, limit = asked(chance), chance.choice(ORDERS), chance.choice([1, 5, 30, 1000])

        assert search.find(query, limit, order) == expected(query, order)[:limit], (query, order, limit)


@pytest.mark.parametrize("order", ORDERS)
def test_pages_make_the_whole_list(search: EventSearch, order: Order) -> None:
    query, pages = EventQuery(EVERY_EVENT, start=NOW + 5 * SECOND, event_type="image.create"), list[Event]()
    after: Event | None = None

    while page := search.find(query, 7, order, after):
        pages += page
        after = page[-1]

    assert pages == expected(query, order)


def test_one_event_by_its_message(search: EventSearch) -> None:
    project, user = IDS[0], IDS[1]
    own = next(event for event in EVENTS if (event.project_id, event.user_id) == (project, user))
    other = next(event for event in EVENTS if event.project_id == IDS[2])
    scope = EventScope(project, user)

    assert search.get(EVERY_EVENT, other.message_id) == other
    assert search.get(scope, own.message_id) == own
    assert search.get(scope, other.message_id) is None
    assert search.get(EVERY_EVENT, "nothing") is None


def test_events_come_back_as_they_went_in(database: Database) -> None:
    events = Events(database)
    events.store([CREATED], received_at=NOW)

    assert EventSearch(database).get(EVERY_EVENT, CREATED.message_id) == CREATED
    by_trait = EventQuery(EVERY_EVENT, traits=(TraitMatch("memory_mb", "lt", "integer", 0),))
    assert EventSearch(database).find(by_trait, 10) == [CREATED]


def test_types_and_traits_are_those_of_the_events(search: EventSearch) -> None:
    assert search.types() == sorted(TYPES)
    assert search.traits("imagery") == [
        ("at", "datetime"),
        ("load", "float"),
        ("name", "text"),
        ("project_id", "text"),
        ("resource_id", "text"),
        ("size", "integer"),
        ("user_id", "text"),
    ]
    assert search.traits("nothing") == []
    sizes = [
        trait
        for event in expected(EventQuery(EVERY_EVENT, "imagery"), Order())
        for trait in event.traits
        if trait.name == "size"
    ]
    assert search.values("imagery", "size", 10) == sizes[:10]
    assert search.values("imagery", "nothing", 10) == []


@pytest.mark.parametrize(
    ("event_types", "meant"),
    [
        (None, TYPES),
        (["image.*"], ["image.create", "image.delete"]),
        (["volume.exists", "imagery", "nothing"], ["volume.exists", "imagery"]),
        ([], []),
    ],
)
def test_what_happened_between_two_times_in_order(
    search: EventSearch,
    event_types: Sequence[str] | None,
    meant: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_search, "WHOLE", 7)
    start, end = NOW + 3 * SECOND, NOW + 30 * SECOND
    every = [event for event in EVENTS if start <= event.generated < end and event.event_type in meant]

    found = list(search.between(start, end, event_types))

    assert found == sorted(every, key=lambda event: (event.generated, event.message_id))


def test_a_question_that_looks_at_too_much_is_ended(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    Events(database).store(
        [replace(event, generated=NOW + number * SECOND) for number, event in enumerate(EVENTS)],
        received_at=NOW,
    )

    query = EventQuery(EVERY_EVENT, traits=(TraitMatch("size", "gt", "integer", 100),))

    monkeypatch.setattr(event_search, "FEW", 3)
    monkeypatch.setattr(event_search, "MANY", 20)
    monkeypatch.setattr("storage.event_search.time.monotonic", iter(range(0, 10**6, 11)).__next__)

    with pytest.raises(TookTooLong):
        EventSearch(database).find(query, 1)

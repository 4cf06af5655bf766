"""Facts of lives on their way through the pipeline, beside the samples of the same messages."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from collector.errors import PublisherUnavailable
from collector.lifecycle_definitions import load_life_rules
from collector.lifecycle_mapping import LifecycleMapping
from collector.lives import Lives
from collector.pipeline import Pipeline
from collector.publishers.database import DatabasePublisher
from collector.sightings import Witness
from storage.database import Database
from storage.errors import DatabaseUnavailable, DataRefused
from storage.events import Events
from storage.fact import Fact
from storage.query import EVERYTHING
from storage.sample import Sample
from storage.samples import Samples
from storage.segments import Segments
from tests.collector.factories import (
    MAPPING,
    NOW,
    StubPublisher,
    batch,
    message,
    metrics,
    notification,
    payload,
)

RULES = load_life_rules()
CPU = Sample(
    "cpu", "cumulative", "ns", 1, "vm-1", "project-1", NOW - timedelta(hours=2), generation="g",
    metadata={"display_name": "web", "flavor": {"name": "m1.small", "vcpus": 1}},
)  # fmt: skip


class Store:
    """Keeps what it is given; refuses resources in `poisonous`."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.error: Exception | None = None
        self.poisonous: frozenset[str] = frozenset()

    def store(self, facts: Iterable[Fact]) -> int:
        given = list(facts)
        if self.error:
            raise self.error
        if any(fact.resource_id in self.poisonous for fact in given):
            raise DataRefused("poison")
        self.facts += given
        return len(given)


def lives(store: Store | Segments) -> Lives:
    return Lives(LifecycleMapping(RULES), Witness(RULES), store, metrics())


def pipeline(store: Store, publisher: StubPublisher | None = None) -> Pipeline:
    return Pipeline(publisher or StubPublisher(), MAPPING, metrics(), lives=lives(store))


def test_a_notification_is_a_sample_and_a_part_of_a_life(database: Database) -> None:
    keeper = DatabasePublisher(Samples(database), metrics(), Events(database))
    taking = Pipeline(keeper, MAPPING, metrics(), lives=lives(Segments(database)))
    born = message(notification(event_type="volume.create.start"))
    gone = message(
        notification(event_type="volume.delete.end", message_id="2", timestamp="2024-11-23 11:59:30")
    )

    for messages in ([gone], [born], [gone, born]):
        taking.process(messages)

    (found,) = Segments(database).of_resource(EVERYTHING, "volume-1")
    assert found.end is not None
    assert found.end - found.start == timedelta(seconds=30, microseconds=-1)
    assert found.attributes.size == 10


def test_facts_come_before_samples_and_both_again_when_the_database_was_away() -> None:
    store, publisher = Store(), StubPublisher()
    taking = pipeline(store, publisher)
    store.error = DatabaseUnavailable("away")

    with pytest.raises(PublisherUnavailable):
        taking.process([message(notification())])

    assert publisher.samples == []
    store.error = None
    taking.process([message(notification())])
    assert (len(publisher.samples), len(store.facts)) == (1, 1)


def test_what_the_database_refuses_holds_up_no_neighbour() -> None:
    store = Store()
    store.poisonous = frozenset({"volume-3"})
    told = [
        message(notification(message_id=str(number), payload=payload(volume_id=f"volume-{number}")))
        for number in range(8)
    ]

    pipeline(store).process(told)

    assert [fact.resource_id for fact in store.facts] == [f"volume-{n}" for n in range(8) if n != 3]


def test_what_an_agent_measures_shows_that_a_server_is_there() -> None:
    store = Store()
    taking = pipeline(store)

    for minutes in range(0, 120, 5):
        taking.process([batch(replace(CPU, timestamp=CPU.timestamp + timedelta(minutes=minutes)))])

    assert [fact.at - CPU.timestamp for fact in store.facts] == [timedelta(0), timedelta(hours=1)]
    said = store.facts[0].attributes
    assert (said.project_id, said.type, said.name, said.status) == ("project-1", "m1.small", "web", None)
    assert said.more == (("vcpus", 1),)


def test_a_cloud_larger_than_what_is_remembered_costs_what_is_beyond_that_and_no_more() -> None:
    store = Store()
    taking = Pipeline(
        StubPublisher(),
        MAPPING,
        metrics(),
        lives=Lives(LifecycleMapping(RULES), Witness(RULES, known_limit=10), store, metrics()),
    )

    for minutes in range(0, 60, 5):
        at = CPU.timestamp + timedelta(minutes=minutes)
        servers = [replace(CPU, resource_id=f"vm-{number}", timestamp=at) for number in range(30)]
        for one in servers:
            taking.process([batch(one)])

    assert len({fact.resource_id for fact in store.facts}) == 30
    assert len(store.facts) == 30 + 11 * 10


def test_a_server_that_changes_between_two_polls_is_noted_at_once() -> None:
    store = Store()
    taking = pipeline(store)
    larger = replace(
        CPU, metadata={"flavor": {"name": "m1.large"}}, timestamp=CPU.timestamp + timedelta(minutes=5)
    )

    taking.process([batch(CPU)])
    taking.process([batch(larger)])

    assert [fact.attributes.type for fact in store.facts] == ["m1.small", "m1.large"]


@pytest.mark.parametrize("at_once", [False, True])
def test_a_server_that_is_again_what_it_was_is_noted_at_once(at_once: bool) -> None:
    store = Store()
    taking = pipeline(store)
    larger = replace(CPU, metadata={"flavor": {"name": "m1.large"}})
    polls = [
        batch(replace(one, timestamp=CPU.timestamp + timedelta(minutes=minutes)))
        for minutes, one in ((0, CPU), (5, larger), (10, CPU), (15, CPU))
    ]

    for some in [polls] if at_once else [[poll] for poll in polls]:
        taking.process(some)

    assert [(fact.at - CPU.timestamp, fact.attributes.type) for fact in store.facts] == [
        (timedelta(), "m1.small"),
        (timedelta(minutes=5), "m1.large"),
        (timedelta(minutes=10), "m1.small"),
    ]


def test_a_server_that_changes_hands_is_noted_at_once() -> None:
    store = Store()
    taking = pipeline(store)
    later = replace(CPU, project_id="project-2", timestamp=CPU.timestamp + timedelta(minutes=5))

    taking.process([batch(CPU)])
    taking.process([batch(later)])

    assert [fact.attributes.project_id for fact in store.facts] == ["project-1", "project-2"]


def test_metadata_that_says_nothing_of_a_life_costs_no_transaction() -> None:
    store = Store()
    taking = pipeline(store)

    for minutes in (0, 5, 10):
        said = {**CPU.metadata, "launched_by": f"job {minutes}"}
        taking.process(
            [batch(replace(CPU, timestamp=CPU.timestamp + timedelta(minutes=minutes), metadata=said))]
        )

    assert [fact.at for fact in store.facts] == [CPU.timestamp]


def test_a_look_that_was_not_stored_is_looked_at_again() -> None:
    store = Store()
    taking = pipeline(store)
    store.error = DatabaseUnavailable("away")
    with pytest.raises(PublisherUnavailable):
        taking.process([batch(CPU)])

    store.error = None
    taking.process([batch(CPU)])

    assert len(store.facts) == 1


def test_whoever_posts_samples_tells_nothing_of_the_lives_of_resources() -> None:
    store = Store()

    pipeline(store).accept([CPU], origin="api", now=NOW)

    assert store.facts == []

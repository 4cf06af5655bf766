"""Each of five hundred hostile bodies ends somewhere, whatever is in it."""

from datetime import timedelta

import pytest

from collector.event_definitions import load_event_rules
from collector.event_mapping import EventMapping
from tests.collector.factories import NOW, StubPublisher, message, notification, pipeline
from tests.collector.poison_corpus import COUNT, at, corpus

EVENTS = EventMapping(load_event_rules())
SENT = (NOW - timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
CORPUS = corpus()


def test_there_are_five_hundred_and_no_two_are_alike() -> None:
    assert len(CORPUS) == COUNT
    assert len(set(CORPUS.values())) == COUNT


@pytest.mark.parametrize("family", range(10))
def test_a_hostile_body_becomes_samples_events_or_is_refused_with_a_reason_and_costs_no_neighbour(
    family: int,
) -> None:
    for name, body in list(CORPUS.items())[family::10]:
        publisher = StubPublisher()

        pipeline(publisher, events=EVENTS).process(
            [message(at(body, SENT)), message(notification(publisher_id="neighbour"))]
        )

        assert publisher.samples or publisher.refused, name
        assert "neighbour" in [event.publisher_id for event in publisher.events], name
        others = [event for event in publisher.events if event.publisher_id != "neighbour"]
        assert len(publisher.samples) + len(publisher.refused) + len(others) >= 2, name
        assert all(one.reason and "the program failed" not in one.reason for one in publisher.refused), name

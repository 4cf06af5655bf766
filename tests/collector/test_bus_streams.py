"""The archive of notifications in a stream of a real RabbitMQ."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from collector.bus import SamplePublisher, archived, streams
from collector.envelope import encode_batch
from collector.errors import BusUnavailable
from collector.settings import BusSettings
from tests.collector.brokers import resources, send, settings, storing, until, volumes, waiting
from tests.collector.factories import StubPublisher, good

COUNT = 600  # more than are in flight at once


def bodies(options: BusSettings, since: datetime | int | None = None) -> list[bytes]:
    assert options.url is not None
    return [message.body for message in archived(options.url, options, since)]


def test_every_notification_is_archived_as_it_came_and_collected_all_the_same(
    url: str, keeper: StubPublisher
) -> None:
    options = settings(url, stream="archive")
    sent = volumes(COUNT)

    with storing(options, keeper):
        send(url, *sent)
        agent = SamplePublisher(options)
        agent.send(encode_batch([good(1)]))
        agent.close()
        until(lambda: len(keeper.samples) == COUNT + 1)
    first, again = bodies(options), bodies(options, 0)

    assert first == again == sent
    assert bodies(options, COUNT - 2) == sent[-2:]
    assert bodies(options, COUNT) == []
    assert len(resources(keeper)) == COUNT + 1


def test_reading_ends_at_what_was_the_newest_when_it_began(url: str, keeper: StubPublisher) -> None:
    options = settings(url, stream="archive")
    with storing(options, keeper):
        send(url, *volumes(3))
    assert options.url is not None

    reading = archived(options.url, options)
    begun = [message.body for message in islice(reading, 1)]
    send(url, *volumes(5))

    assert [*begun, *(message.body for message in reading)] == volumes(3)


def test_reading_may_begin_at_a_time(
    url: str, keeper: StubPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "FIRST_S", 1.0)
    options = settings(url, stream="archive", timeout=1)
    with storing(options, keeper):
        send(url, *volumes(3))
    now = datetime.now(UTC)

    assert bodies(options, now - timedelta(hours=1)) == volumes(3)
    assert bodies(options, now + timedelta(hours=1)) == []


def test_an_empty_archive_holds_nothing(
    url: str, keeper: StubPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "FIRST_S", 0.2)
    options = settings(url, stream="archive")
    with storing(options, keeper):
        pass

    assert bodies(options) == []


@pytest.mark.parametrize("queue_type", ["quorum", "classic"])
def test_what_is_no_stream_is_left_as_it_was(url: str, keeper: StubPublisher, queue_type: str) -> None:
    options = settings(url, queue_type=queue_type, stream="nephometer.notifications")
    with storing(settings(url, queue_type=queue_type), keeper):
        pass
    send(url, *volumes(2))

    with pytest.raises(BusUnavailable, match=r"is no stream|invalid arg 'x-stream-offset'"):
        bodies(options)

    until(lambda: waiting(url, "nephometer.notifications") == 2)


def test_an_archive_that_is_absent_is_told_with_what_to_do(url: str) -> None:
    with pytest.raises(BusUnavailable, match=r"no stream 'archive': set bus\.stream"):
        bodies(settings(url, stream="archive"))

from collections.abc import Iterator

import pika
import pytest

from collector.errors import BusSilent, BusUnavailable
from collector.patience import answered_within


@pytest.fixture
def connection(url: str) -> Iterator[pika.BlockingConnection]:
    """A connection to the real broker."""
    opened = pika.BlockingConnection(pika.URLParameters(url))
    yield opened
    if opened.is_open:
        opened.close()


def test_a_question_that_is_never_answered_ends_the_connection(connection: pika.BlockingConnection) -> None:
    channel = connection.channel()

    with pytest.raises(BusSilent, match="leader"), answered_within(connection, 0.5):
        channel._flush_output(
            lambda: False
        )  # what every blocking call waits in, for an answer that never comes

    assert not connection.is_open
    assert issubclass(BusSilent, BusUnavailable)


def test_an_answered_question_leaves_the_connection_as_it_was(connection: pika.BlockingConnection) -> None:
    with answered_within(connection, 0.2):
        channel = connection.channel()
    connection.sleep(0.5)

    assert channel.is_open


def test_another_fault_stays_what_it_is(connection: pika.BlockingConnection) -> None:
    with pytest.raises(pika.exceptions.ChannelClosedByBroker), answered_within(connection, 5):
        connection.channel().queue_declare("no such queue", passive=True)

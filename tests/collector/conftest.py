import pytest

from tests.broker import RabbitMQ
from tests.collector.factories import StubPublisher


@pytest.fixture
def url(rabbitmq: RabbitMQ) -> str:
    """A broker that nobody has touched, by its URL."""
    return rabbitmq.create_vhost()


@pytest.fixture
def database() -> StubPublisher:
    """What stands in for the database."""
    return StubPublisher()

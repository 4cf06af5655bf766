"""Two collectors of which one dies every second, in short."""

from itertools import cycle
from pathlib import Path

import pytest

from tests.broker import RabbitMQ
from tests.databases import WithSchema
from tests.servers import DatabaseServer
from tests.torture.collectors import tortured
from tests.torture.traffic import make

pytestmark = pytest.mark.end_to_end


def test_two_collectors_lose_and_double_nothing_whoever_dies(
    rabbitmq: RabbitMQ, postgresql: DatabaseServer, lenders: dict[str, WithSchema], tmp_path: Path
) -> None:
    url = lenders.setdefault("postgresql", WithSchema(postgresql)).lend()

    result = tortured(make(4000, 200), rabbitmq, url, tmp_path, 4, cycle([0, 1]))

    assert result.wrong == ()
    assert result.kills > 1, "too few messages to kill anything among them"

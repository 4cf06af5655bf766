"""Poison among good notifications in short: every body of the corpus, four good ones for each."""

from pathlib import Path

import pytest

from tests.broker import RabbitMQ
from tests.databases import WithSchema
from tests.servers import DatabaseServer
from tests.torture.poisoned import LARGEST_MB, poison

pytestmark = pytest.mark.end_to_end


def test_poison_costs_no_neighbour_and_ends_in_quarantine(
    rabbitmq: RabbitMQ, postgresql: DatabaseServer, lenders: dict[str, WithSchema], tmp_path: Path
) -> None:
    url = lenders.setdefault("postgresql", WithSchema(postgresql)).lend()

    result = poison(2000, rabbitmq.create_vhost(), url, tmp_path)

    assert result.wrong == []
    assert (result.good, result.poison) == (2000, 500)
    assert result.quarantined > 300
    assert result.peak_mb < LARGEST_MB

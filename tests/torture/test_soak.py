"""The soak in short: some days of a tiny cloud."""

from pathlib import Path

import pytest

from tests.broker import RabbitMQ
from tests.torture.conftest import Served
from tests.torture.soak import Plan, soak

pytestmark = pytest.mark.end_to_end


def test_days_of_a_cloud_are_answered_as_they_were_sent(
    rabbitmq: RabbitMQ, served: Served, tmp_path: Path
) -> None:
    result = soak(Plan(12, 7200, 8, 1), rabbitmq.create_vhost(), served.url, tmp_path, print)

    assert len(result.account.cells) > 1000
    assert result.queries > 5

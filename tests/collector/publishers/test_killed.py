"""A collector killed on the way to a publisher: nothing is lost, and only what was under way may come twice."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from collector.publishers.messages import message_id
from tests.collector.factories import good
from tests.collector.publishers.receivers import FileReceiver
from tests.databases import sqlite_with_schema

PROGRAM = """
import sys
from datetime import UTC, datetime, timedelta
from prometheus_client import CollectorRegistry
from collector.outlet import Outlet
from collector.outlet_metrics import OutletMetrics
from collector.outlets import Outlets, ToAll
from collector.pipeline import Pipeline
from collector.publishers.database import DatabasePublisher
from collector.publishers.urls import Around, publisher_of
from collector.settings import BusSettings
from storage.database import Database
from storage.events import Events
from storage.outgoing import Outgoing
from storage.samples import Samples
from storage.settings import DatabaseSettings
from storage.standings import Standings
from tests.collector.factories import MAPPING, batch, good, metrics

database, url, later = Database(DatabaseSettings(url=sys.argv[1])), sys.argv[2], timedelta(minutes=int(sys.argv[3]))
publisher, counted = publisher_of(url, Around(BusSettings())), OutletMetrics(CollectorRegistry())
clock = lambda: datetime.now(UTC) + later
outlets = Outlets(database, [publisher], ToAll([publisher]), counted, clock)
keeper = DatabasePublisher(Samples(database), metrics(), Events(database))
if sys.argv[4] == "receive":
    Pipeline(keeper, MAPPING, metrics(), owing=outlets).process([batch(good(1), good(2))])
    sys.stdout.write("acknowledged")
    sys.stdout.flush()
later += timedelta(seconds=1)
outlet = Outlet(publisher, Outgoing(database), Standings(database), counted, clock)
while outlet.turn() is not None:
    pass
"""


@pytest.mark.parametrize(
    ("point", "copies"),
    [("ingest.committed", 1), ("outgoing.committed", 2), ("outlet.published", 2)],
)
def test_nothing_is_lost(tmp_path: Path, point: str, copies: int) -> None:
    database, receiver = sqlite_with_schema(tmp_path), FileReceiver(tmp_path)
    receiver.start()

    def run(minutes: int, task: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-c", PROGRAM, database, receiver.url, str(minutes), task]
        return subprocess.run(command, env={**os.environ, **environment}, check=False, capture_output=True)

    killed = run(0, "receive", NEPHOMETER_FAULT=point)
    is_acknowledged = killed.stdout == b"acknowledged"
    after = run(5, "deliver" if is_acknowledged else "receive")

    assert (killed.returncode, after.returncode) == (-signal.SIGKILL, 0), after.stderr.decode()
    arrived = Counter(message["id"] for message in receiver.messages())
    assert arrived == {message_id(good(1)): copies, message_id(good(2)): copies}

"""A collector killed between commit and acknowledgement: the same messages again change nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from collector.pipeline import Pipeline
from collector.publishers.database import DatabasePublisher
from storage.database import Database
from storage.events import Events
from storage.query import EVERYTHING, SampleQuery
from storage.samples import Samples
from storage.settings import DatabaseSettings
from storage.tables_events import event
from tests.collector.factories import MAPPING, batch, good, message, metrics, published, publishing
from tests.databases import sqlite_with_schema

PROGRAM = """
import sys
from collector.pipeline import Pipeline
from collector.publishers.database import DatabasePublisher
from storage.database import Database
from storage.events import Events
from storage.samples import Samples
from storage.settings import DatabaseSettings
from tests.collector.factories import MAPPING, batch, good, message, metrics, published, publishing
database = Database(DatabaseSettings(url=sys.argv[1]))
publisher = DatabasePublisher(Samples(database), metrics(), Events(database))
sent = [batch(good(1), good(2)), message(publishing(published()))]
Pipeline(publisher, MAPPING, metrics()).process(sent)
"""


@pytest.mark.parametrize("point", ["events.before_commit", "events.committed", "ingest.committed"])
def test_what_was_committed_and_not_acknowledged_counts_once(tmp_path: Path, point: str) -> None:
    url = sqlite_with_schema(tmp_path)
    armed = {**os.environ, "NEPHOMETER_FAULT": point}
    killed = subprocess.run([sys.executable, "-c", PROGRAM, url], env=armed, check=False)
    database = Database(DatabaseSettings(url=url))
    samples, events = Samples(database), Events(database)
    publisher = DatabasePublisher(samples, metrics(), events)

    again = [batch(good(1), good(2)), message(publishing(published()))]
    Pipeline(publisher, MAPPING, metrics()).process(again)

    assert killed.returncode == -signal.SIGKILL
    assert len(samples.find(SampleQuery(EVERYTHING), 10)) == 2
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(event)).scalar_one() == 1

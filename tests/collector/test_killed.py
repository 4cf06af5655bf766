"""A collector killed between commit and acknowledgement: the same messages again change nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from collector.pipeline import Pipeline
from collector.publishers.database import DatabasePublisher
from storage.database import Database
from storage.query import EVERYTHING, SampleQuery
from storage.samples import Samples
from storage.settings import DatabaseSettings
from tests.collector.factories import MAPPING, batch, good, metrics
from tests.databases import sqlite_with_schema

PROGRAM = """
import sys
from collector.pipeline import Pipeline
from collector.publishers.database import DatabasePublisher
from storage.database import Database
from storage.samples import Samples
from storage.settings import DatabaseSettings
from tests.collector.factories import MAPPING, batch, good, metrics
store = Samples(Database(DatabaseSettings(url=sys.argv[1])))
Pipeline(DatabasePublisher(store, metrics()), MAPPING, metrics()).process([batch(good(1), good(2))])
"""


def test_what_was_committed_and_not_acknowledged_counts_once(tmp_path: Path) -> None:
    url = sqlite_with_schema(tmp_path)
    armed = {**os.environ, "NEPHOMETER_FAULT": "ingest.committed"}
    killed = subprocess.run([sys.executable, "-c", PROGRAM, url], env=armed, check=False)
    samples = Samples(Database(DatabaseSettings(url=url)))

    Pipeline(DatabasePublisher(samples, metrics()), MAPPING, metrics()).process([batch(good(1), good(2))])

    assert killed.returncode == -signal.SIGKILL
    assert len(samples.find(SampleQuery(EVERYTHING), 10)) == 2

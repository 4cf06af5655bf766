"""Pipelines as the roles build them: from the settings to what publishers get."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from cli.parts import Server
from cli.settings import Settings
from collector.errors import InvalidDefinition, InvalidPublisher
from collector.settings import CollectorSettings
from storage.settings import DatabaseSettings
from storage.transforming import Transforming
from tests.databases import sqlite_with_schema
from tests.factories import sample

ROCKY = Path(__file__).parents[1] / "collector" / "pipelines" / "rocky.yaml"
MINUTE = timedelta(minutes=1)
DEADLINE_S = 20


def built(tmp_path: Path, pipeline: str, *publishers: str) -> Server:
    file = tmp_path / "pipeline.yaml"
    file.write_text(pipeline)
    collector = CollectorSettings(
        pipeline=str(file), publishers=tuple(SecretStr(url) for url in publishers), pipeline_settle=0
    )
    database = DatabaseSettings(url=sqlite_with_schema(tmp_path))
    return Server.of(Settings(database=database, collector=collector))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """With the pipelines of Rocky, their samples in a file; another file gets everything."""
    text = ROCKY.read_text().replace("gnocchi://", f"file://{tmp_path}/sinks.json")
    server = built(tmp_path, text, f"file://{tmp_path}/all.json")
    yield server
    assert server.forwarding is not None
    server.forwarding.dispose()
    server.database.dispose()
    server.intake.dispose()


def test_raw_and_derived_samples_get_to_the_publishers_of_their_sinks(server: Server, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    Transforming(server.intake).position(now - 10 * MINUTE)  # as if a collector had ended then
    cpu = [
        sample(timestamp=now - minutes * MINUTE, volume=volume, metadata={"cpu_number": 1})
        for minutes, volume in ((5, 0), (4, 6 * 10**9))
    ]
    stop = threading.Event()
    parts = server.publishers()
    threads = [threading.Thread(target=part.run, args=(stop,)) for part in parts]

    server.pipeline.accept(cpu, origin="api", now=now)
    for thread in threads:
        thread.start()
    found = {name: lines_of(tmp_path / name, 4) for name in ("sinks.json", "all.json")}
    stop.set()
    for thread in threads:
        thread.join()

    assert [part.name for part in parts] == ["publishers", "pipelines"]
    assert found["sinks.json"] == found["all.json"]
    assert found["all.json"] == [("cpu", 0), ("cpu", 6 * 10**9), ("cpu.delta", 6 * 10**9), ("cpu_util", 10.0)]


def test_a_sample_that_comes_too_late_for_transformers_is_counted(server: Server) -> None:
    now = datetime.now(UTC)
    Transforming(server.intake).position(now - 3 * MINUTE)

    server.pipeline.accept([sample(timestamp=now - age * MINUTE) for age in (5, 4, 2)], origin="api", now=now)

    assert server.registry.get_sample_value("nephometer_pipeline_samples_late_total") == 2


def lines_of(file: Path, count: int) -> list[tuple[str, float]]:
    """Meter and volume of what is in a file, once there are so many."""
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) >= count:
            break
        threading.Event().wait(0.05)
    return sorted((one["name"], one["volume"]) for one in map(json.loads, lines))


def test_without_transformers_nothing_runs(tmp_path: Path) -> None:
    server = built(
        tmp_path,
        "sources: [{name: a, meters: ['*'], sinks: [s]}]\nsinks: [{name: s, publishers: ['notifier://']}]",
    )

    assert server.publishers() == []


def test_files_that_cannot_be_meant_keep_a_role_from_starting(tmp_path: Path) -> None:
    with pytest.raises(InvalidDefinition, match="there is no sink 'lost'"):
        built(
            tmp_path,
            "sources: [{name: a, meters: ['*'], sinks: [lost]}]\nsinks: [{name: s, publishers: [x]}]",
        )
    with pytest.raises(InvalidPublisher, match="a sink of the pipelines: monasca://"):
        built(
            tmp_path,
            "sources: [{name: a, meters: ['*'], sinks: [s]}]\nsinks: [{name: s, publishers: ['monasca://h']}]",
        )


def test_a_sink_of_events_names_nobody_who_would_throw_them_away(tmp_path: Path) -> None:
    file = tmp_path / "event_pipeline.yaml"
    file.write_text(
        "sources: [{name: a, events: ['*'], sinks: [s]}]\nsinks: [{name: s, publishers: ['udp://host']}]"
    )
    database = DatabaseSettings(url=f"sqlite:///{tmp_path / 'nephometer.db'}")

    with pytest.raises(InvalidPublisher, match="a sink of the pipelines: udp://host takes no events"):
        Server.of(Settings(database=database, collector=CollectorSettings(event_pipeline=str(file))))


def test_the_file_of_rocky_starts_as_it_is(tmp_path: Path) -> None:
    server = built(tmp_path, ROCKY.read_text())

    assert [part.name for part in server.publishers()] == ["publishers", "pipelines"]
    assert server.forwarding is not None
    assert [one.name.partition(":")[0] for one in server.forwarding.receivers.all] == ["gnocchi"]

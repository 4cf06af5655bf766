"""Samples too late for transformers are counted, and stored and handed on like others."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from collector.pipelines.files import read_pipelines
from collector.pipelines.lateness import Latecomers
from storage.errors import DatabaseUnavailable
from storage.event import Event
from storage.ingest.arranged import arrange
from storage.ingest.batch import NO_SAMPLES, SampleBatch
from storage.sample import Sample, make_id
from tests.factories import CPU_UTIL, MINUTE, NOW, sample, series

SETTLE = MINUTE
FILE = (
    "sources: [{name: a, meters: [cpu], sinks: [rate]}, {name: b, meters: ['*'], sinks: [plain]}]\n"
    "sinks:\n"
    "- {name: rate, transformers: [{name: delta}], publishers: ['http://one/']}\n"
    "- {name: plain, publishers: ['http://two/']}\n"
)


class Others:
    def __init__(self) -> None:
        self.samples = 0

    def keep(self, samples: SampleBatch, events: Sequence[Event]) -> None:
        self.samples += len(samples)


def counted(
    folder: Path,
    samples: Sequence[Sample],
    reached: Callable[[], datetime | None] = lambda: NOW,
    now: datetime = NOW + 2 * MINUTE,
) -> tuple[float | None, int]:
    """How many were late, and how many were handed on."""
    file, registry, others = folder / "pipeline.yaml", CollectorRegistry(), Others()
    file.write_text(FILE)
    counting = Latecomers(read_pipelines(file), reached, SETTLE, lambda: now, registry, others=others)
    counting.keep(arrange(samples) if samples else NO_SAMPLES, ())
    return registry.get_sample_value("nephometer_pipeline_samples_late_total"), others.samples


def test_those_before_the_time_transformers_have_reached_are_counted(tmp_path: Path) -> None:
    delta = sample(type="delta", id=make_id("one"), timestamp=NOW - MINUTE)
    other = sample(meter="disk.usage", timestamp=NOW - MINUTE)

    assert counted(tmp_path, [sample(timestamp=NOW - MINUTE), delta, other, *series(2)]) == (2, 5)


@pytest.mark.parametrize("samples", [[], [CPU_UTIL], series(3)])
def test_others_are_not(tmp_path: Path, samples: Sequence[Sample]) -> None:
    assert counted(tmp_path, samples) == (0, len(samples))


def test_where_transformers_lag_nothing_is_late_yet(tmp_path: Path) -> None:
    old = [sample(timestamp=NOW - timedelta(hours=1))]

    assert counted(tmp_path, old, lambda: NOW - timedelta(hours=2)) == (0, 1)
    assert counted(tmp_path, old, lambda: None) == (0, 1)


def test_batches_of_these_minutes_cost_no_question_to_the_database(tmp_path: Path) -> None:
    def unasked() -> datetime:
        raise AssertionError("asked")

    assert counted(tmp_path, series(3), unasked, now=NOW + SETTLE) == (0, 3)
    assert counted(tmp_path, [sample(meter="disk.usage", timestamp=NOW - MINUTE)], unasked) == (0, 1)


def test_a_database_that_is_away_costs_the_figure_and_nothing_else(tmp_path: Path) -> None:
    def away() -> datetime:
        raise DatabaseUnavailable("away")

    assert counted(tmp_path, [sample(timestamp=NOW - MINUTE)], away) == (0, 1)

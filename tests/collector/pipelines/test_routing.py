"""Which publishers get what."""

import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from collector.pipelines.files import read_event_pipelines, read_pipelines
from collector.pipelines.routing import REMEMBERED, ByPipeline, is_database, urls_of
from collector.publishers.publisher import EVERYTHING
from storage.event import Event
from storage.ingest.arranged import arrange
from storage.ingest.batch import NO_SAMPLES, SampleBatch
from storage.outgoing import Kind
from tests.factories import CPU_UTIL, NOW, sample


@dataclass
class Stub:
    name: str
    takes: frozenset[Kind] = EVERYTHING

    def publish(self, samples: SampleBatch, events: Sequence[Event]) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("notifier://", True),
        ("notifier://?policy=drop&max_queue_length=512", True),
        ("notifier://?topic=alarm.all", False),
        ("notifier://10.0.0.5:5672", False),
        ("direct://", True),
        ("panko://", True),
        ("rpc://", True),
        ("gnocchi://", False),
        ("http://receiver/path", False),
    ],
)
def test_what_went_to_ceilometers_database_is_ours(url: str, answer: bool) -> None:
    assert is_database(url) is answer


def test_sinks_without_transformers_get_what_their_sources_choose(tmp_path: Path) -> None:
    file, events = tmp_path / "pipeline.yaml", tmp_path / "event_pipeline.yaml"
    file.write_text(
        "sources: [{name: a, meters: [cpu], sinks: [raw, rate]}, {name: b, meters: ['cpu*'], sinks: [raw]}]\n"
        "sinks:\n"
        "- {name: raw, publishers: ['http://one/', 'notifier://', 'http://all/']}\n"
        "- {name: rate, transformers: [{name: delta}], publishers: ['http://two/']}\n"
    )
    events.write_text(
        "sources: [{name: a, events: ['compute.*'], sinks: [s]}]\nsinks: [{name: s, publishers: ['http://two/']}]"
    )
    pipelines, about_events = read_pipelines(file), read_event_pipelines(events)
    names = {url: url.removeprefix("http://") for url in urls_of(pipelines, about_events)}
    routing = ByPipeline([Stub("all/")], names, pipelines, about_events)
    cpu, other = sample(), sample(meter="disk.root.size")
    happened = [Event("1", "p", kind, NOW) for kind in ("compute.instance.create.end", "image.update")]

    shares = list(routing.route(arrange([cpu, CPU_UTIL, other]), happened))

    assert list(names) == ["http://one/", "http://all/", "http://two/"]
    assert [(share.publisher, share.samples.samples(), [*share.events]) for share in shares] == [
        ("all/", [cpu, CPU_UTIL, other], happened),
        ("one/", [cpu, CPU_UTIL], []),
        ("two/", [], happened[:1]),
    ]


def test_without_files_only_those_of_the_settings_get_anything() -> None:
    routing = ByPipeline([Stub("all/")], {}, None, None)

    assert [share.publisher for share in routing.route(arrange([CPU_UTIL]), [])] == ["all/"]


def test_whatever_names_are_sent_memory_stays_small(tmp_path: Path) -> None:
    file = tmp_path / "event_pipeline.yaml"
    file.write_text(
        "sources: [{name: a, events: ['compute.*'], sinks: [s]}]\nsinks: [{name: s, publishers: ['http://two/']}]"
    )
    routing = ByPipeline([], {"http://two/": "two/"}, None, read_event_pipelines(file))
    tracemalloc.start()
    for number in range(3 * REMEMBERED):
        list(routing.route(NO_SAMPLES, [Event("1", "p", f"{number:0250}", NOW)]))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < 1000 * REMEMBERED  # bytes: each of them takes 620

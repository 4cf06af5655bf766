"""The pipeline on real databases: whatever normalization lets through, each of them keeps."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import update

from collector.event_definitions import load_event_rules
from collector.event_mapping import EventMapping
from collector.pipeline import Message, Pipeline
from collector.publishers.database import DatabasePublisher
from storage.database import Database
from storage.event_search import EventSearch
from storage.events import Events
from storage.quarantine import Quarantine
from storage.query import EVERYTHING, SampleQuery
from storage.sample import Sample, to_microseconds
from storage.samples import Samples
from storage.tables_tiles import watermark
from tests.collector.corpus import RECORDED, expected, readable_event, readable_sample
from tests.collector.factories import (
    MAPPING,
    NOW,
    SAMPLE,
    StubPublisher,
    batch,
    good,
    message,
    metrics,
    notification,
    payload,
    polled,
    polling,
)
from tests.collector.factories import pipeline as stub_pipeline
from tests.collector.poison import POISON

ODD_NAMES = [
    "a",
    "A",
    "a ",
    " a",
    "é",
    "e\u0301",
    "🌩",
    "ع\u200d",
    "x" * 255,
    "🌩" * 255,
    "'\"\\;--",
    "a\ufffdb",
]


def test_who_posts_readings_older_than_the_retention_is_told(database: Database) -> None:
    samples = Samples(database)
    with database.write() as connection:
        connection.execute(
            update(watermark).where(watermark.c.name == "raw_from").values(at=to_microseconds(NOW))
        )
    old = replace(SAMPLE, timestamp=NOW - timedelta(hours=1))
    pipeline = Pipeline(DatabasePublisher(samples, metrics(), Events(database)), MAPPING, metrics())

    (refused,) = pipeline.accept([SAMPLE, old], origin="api", now=NOW)

    assert "older than the retention" in refused.reason
    assert [one.sample for one in samples.find(SampleQuery(EVERYTHING), 10)] == [SAMPLE]
    assert Quarantine(database).count() == 1


def test_poison_is_quarantined_and_every_good_and_every_odd_sample_is_kept_once(database: Database) -> None:
    samples = Samples(database)
    pipeline = Pipeline(
        DatabasePublisher(samples, metrics(), Events(database)), MAPPING, metrics(), batch_size=50
    )
    bad = [message(body) for body in POISON.values()]
    odd = [message(notification(payload=payload(volume_id=name, tenant_id=name))) for name in ODD_NAMES]
    nul = message(
        polling(polled(resource_id="a\0b"), polled(resource_id="a\ud800c", counter_volume=2**63 - 1))
    )
    delta = message(notification(event_type="image.send", payload={"image_id": "i", "bytes_sent": 2**53 + 1}))
    messages = [*bad, *odd, nul, delta, batch(*(good(number) for number in range(100)))]

    pipeline.process(messages)
    pipeline.process(messages)

    stored = [one.sample for one in samples.find(SampleQuery(EVERYTHING), 1000)]
    assert len(stored) == len(ODD_NAMES) + 2 + 2 + 100
    volumes = {sample.resource_id: sample.project_id for sample in stored if sample.meter == "volume.size"}
    assert volumes == {name: name for name in ODD_NAMES}
    assert {s.resource_id: s.volume for s in stored if s.meter == "disk.device.usage"} == {
        "a\ufffdb": 1024,
        "a\ufffdc": 2**63 - 1,
    }
    assert {s.meter: s.volume for s in stored if s.type == "delta"} == {
        "image.download": 2**53 + 1,
        "image.serve": 2**53 + 1,
    }
    assert Quarantine(database).count() == len(bad)
    assert {one.body for one in Quarantine(database).newest(100)} == {one.body for one in bad}


def test_every_recorded_notification_is_kept_as_it_is_expected(database: Database) -> None:
    samples, events = Samples(database), Events(database)
    making = EventMapping(load_event_rules())
    pipeline = Pipeline(DatabasePublisher(samples, metrics(), events), MAPPING, metrics(), events=making)
    bodies = [message(path.read_bytes()) for path in RECORDED]

    pipeline.process(bodies)
    pipeline.process(bodies)

    stored = [readable_sample(one.sample) for one in samples.find(SampleQuery(EVERYTHING), 1000)]
    wanted = [readable_sample(sample) for sample in _first_ones(bodies)]
    assert sorted(map(_figures, stored)) == sorted(map(_figures, wanted))
    kept = [readable_event(event) for event in EventSearch(database).between(NOW - timedelta(days=2), NOW)]
    told = [expected(path)["event"] for path in RECORDED]
    assert sorted(map(_text, kept)) == sorted(map(_text, told))
    assert Quarantine(database).count() == 0


def _first_ones(bodies: Sequence[Message]) -> list[Sample]:
    """What is made of these notifications; of a resource's readings of one meter and instant, the first."""
    publisher = StubPublisher()
    stub_pipeline(publisher).process(bodies)
    first: dict[object, Sample] = {}
    for sample in publisher.samples:
        known = sample.id or (sample.meter, sample.project_id, sample.resource_id, sample.timestamp)
        first.setdefault(known, sample)
    return list(first.values())


def _figures(readable: dict[str, object]) -> str:
    """A sample without its metadata: of several at one instant a resource keeps one version."""
    return _text({key: value for key, value in readable.items() if key != "metadata"})


def _text(readable: object) -> str:
    return json.dumps(readable, sort_keys=True)

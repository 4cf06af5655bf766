import json
from dataclasses import asdict
from pathlib import Path

import pytest

from collector.definitions import Entry, load_definitions
from collector.mapping import MeterMapping
from storage.sample import Sample
from tests.collector.factories import StubPublisher, message, pipeline

FOLDER = Path(__file__).parent / "notifications"
RECORDED = sorted(path for path in FOLDER.glob("*/*.json") if not path.name.endswith(".expected.json"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_service_notification_gives_exactly_the_samples_written_beside_it(path: Path) -> None:
    publisher = StubPublisher()

    pipeline(publisher).process([message(path.read_bytes())])

    expected = json.loads(path.with_suffix(".expected.json").read_text())
    assert publisher.refused == []
    assert [readable(sample) for sample in publisher.samples] == expected


@pytest.mark.parametrize("entry", load_definitions(), ids=lambda entry: min(entry.events))
def test_every_packaged_entry_is_shown_by_a_recorded_notification(entry: Entry) -> None:
    mapping = MeterMapping([entry])
    publisher = StubPublisher()
    shown = pipeline(publisher, mapping=mapping)

    shown.process([message(path.read_bytes()) for path in RECORDED])

    assert {sample.meter for sample in publisher.samples} == {meter.name.value({}) for meter in entry.meters}


def readable(sample: Sample) -> dict[str, object]:
    fields = asdict(sample)
    fields["timestamp"] = sample.timestamp.isoformat()
    fields["id"] = sample.id.hex() if sample.id else None
    return {key: value for key, value in fields.items() if value is not None}

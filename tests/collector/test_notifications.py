"""Every packaged definition, shown by the recorded notifications beside it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from collector.definitions import Entry, load_definitions
from collector.envelope import decode_notification
from collector.event_definitions import EventRule, load_event_rules
from collector.event_mapping import EventMapping
from collector.event_types import Names
from collector.mapping import MeterMapping
from tests.collector.corpus import RECORDED, expected, name_of, readable_event, readable_sample
from tests.collector.factories import NOW, StubPublisher, message, pipeline

RULES = load_event_rules()
EVENTS = EventMapping(RULES)
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "meters.md"
ROW = re.compile(r"^\| `(?P<meter>[^`]+)` \| (?P<type>\w+) \| (?P<unit>\w+) \| [A-Za-z]", re.M)
NAMED_BY_MAGNUM = {("cpu_util", "gauge", "%"), ("memory_util", "gauge", "%")}
NEVER_KEPT = "do-not-keep"  # what stands in the recorded notifications in place of secrets


@pytest.mark.parametrize("path", RECORDED, ids=name_of)
def test_a_notification_gives_exactly_the_samples_and_the_event_written_beside_it(path: Path) -> None:
    publisher = StubPublisher()

    pipeline(publisher, events=EVENTS).process([message(path.read_bytes())])

    (event,) = publisher.events
    assert publisher.refused == []
    assert {
        "samples": [readable_sample(sample) for sample in publisher.samples],
        "event": readable_event(event),
    } == expected(path)


@pytest.mark.parametrize("entry", load_definitions(), ids=lambda entry: min(entry.events.events))
def test_every_packaged_meter_is_shown_by_a_recorded_notification(entry: Entry) -> None:
    for meter in entry.meters:
        publisher = StubPublisher()
        shown = pipeline(publisher, mapping=MeterMapping([replace(entry, meters=(meter,))]))

        shown.process([message(path.read_bytes()) for path in RECORDED])

        assert publisher.samples, meter


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: min(rule.events.events))
def test_every_packaged_trait_is_shown_by_a_recorded_notification(rule: EventRule) -> None:
    assert isinstance(rule.events, Names)
    types = {decode_notification(path.read_bytes()).event_type for path in RECORDED}
    mapping = EventMapping([rule])

    found = [mapping.event(decode_notification(path.read_bytes()), NOW) for path in RECORDED]

    shown = {trait.name for event in found if event for trait in event.traits}
    assert {trait.name for trait in rule.traits} - shown == set()
    for event_type in rule.events.events:
        assert any(_is_named(event_type, told) for told in types), event_type


def test_no_secret_of_a_notification_is_kept() -> None:
    priorities = frozenset({"info", "error"})
    keeping = EventMapping(RULES, store_raw=priorities)
    publisher = StubPublisher()
    bodies = [path.read_bytes() for path in RECORDED]

    pipeline(publisher, events=keeping).process([message(body) for body in bodies])

    kept = repr((publisher.samples, publisher.events))
    assert sum(NEVER_KEPT.encode() in body for body in bodies) > 10
    assert all(event.raw for event in publisher.events)
    assert NEVER_KEPT not in kept


def test_no_usage_is_billed_to_the_service_that_sent_a_notification() -> None:
    service = "5e41ce5e41ce5e41ce5e41ce5e41ce5e"
    publisher = StubPublisher()

    pipeline(publisher).process([message(path.read_bytes()) for path in RECORDED])

    assert service not in {sample.project_id for sample in publisher.samples}


def test_the_reference_lists_exactly_the_meters_that_notifications_make() -> None:
    publisher = StubPublisher()

    pipeline(publisher).process([message(path.read_bytes()) for path in RECORDED])

    made = {(sample.meter, sample.type, sample.unit) for sample in publisher.samples} - NAMED_BY_MAGNUM
    written = {(row["meter"], row["type"], row["unit"]) for row in ROW.finditer(REFERENCE.read_text())}
    assert made == written


def _is_named(named: str, told: str) -> bool:
    return named in (told, "*") or (named.endswith(".*") and told.startswith(named[:-1]))

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Nephometer

OURS = """
service: x
notifications:
- events: [thing.exists]
  resource: payload.id
  project: payload.project_id
  meters:
  - {name: thing.size, unit: GiB, volume: payload.size}
  - {name: thing.load, unit: percent, volume: payload.load, optional: true}
  - {name: thing.room, unit: GiB, volume: payload.room, ignore: [unknown]}
- events: [thing.used]
  resource: payload.id
  meters: [{name: thing.traffic, type: delta, unit: B, volume: payload.bytes}]
events:
- events: [thing.*]
  traits:
    name: payload.name
    size: {path: payload.size, type: integer}
    load: {path: payload.load, type: float}
"""
METERS = """
metric:
- {name: m, event_type: 'thing.e.*', type: gauge, unit: B, volume: $.payload.size, resource_id: $.payload.id}
"""
EVENTS = "[{event_type: 'thing.*', traits: {id: {fields: payload.id}}}]"
BARE = {"event_type": "thing.exists", "payload": {"id": "t", "size": 5, "name": "n", "room": "unknown"}}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with definitions of every format and notifications."""
    for name, text in (("ours", OURS), ("meters", METERS), ("events", EVENTS), ("wrong", "metric: [{}]")):
        (tmp_path / f"{name}.yaml").write_text(text)
    wrapped = {"oslo.version": "2.0", "oslo.message": json.dumps(BARE | {"timestamp": "2026-01-01 00:00:00"})}
    refused = BARE | {"payload": {"id": "t", "size": "many", "room": 1}}
    other = {"event_type": "other.exists", "payload": {}}
    failed = BARE | {"priority": "ERROR"}
    for name, value in (
        ("bare", BARE), ("wrapped", wrapped), ("refused", refused), ("other", other), ("failed", failed),
        ("debug", BARE | {"priority": "DEBUG"}), ("empty", {}),
    ):  # fmt: skip
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    return tmp_path


def rows(
    nephometer: Nephometer, files: Path, noun: str, definitions: str, sample: str, code: int = 0
) -> list[dict[str, object]]:
    ended = nephometer(
        noun,
        "test",
        str(files / f"{definitions}.yaml"),
        "--sample",
        str(files / f"{sample}.json"),
        "-f",
        "json",
    )
    assert ended.code == code, ended
    found: list[dict[str, object]] = json.loads(ended.out)
    return found


def test_a_meter_gives_a_sample_or_the_reason_why_not(nephometer: Nephometer, files: Path) -> None:
    found = rows(nephometer, files, "meter", "ours", "bare")

    assert [(row["meter"], row["volume"], row["reason"]) for row in found] == [
        ("thing.size", 5.0, None),
        ("thing.load", None, "there is no volume (payload.load)"),
        ("thing.room", None, "the volume is 'unknown', which says nothing"),
        ("thing.traffic", None, "not for thing.exists, but for thing.used"),
    ]


def test_a_file_of_ceilometer_is_known_by_its_shape(nephometer: Nephometer, files: Path) -> None:
    (meter,) = rows(nephometer, files, "meter", "meters", "wrapped")
    traits = rows(nephometer, files, "event", "events", "wrapped")

    assert (meter["meter"], meter["volume"], meter["timestamp"]) == ("m", 5, "2026-01-01T00:00:00Z")
    assert {"part": "trait", "name": "id", "type": "text", "value": "t", "reason": None} in traits


def test_a_reading_that_would_be_refused_fails(nephometer: Nephometer, files: Path) -> None:
    found = rows(nephometer, files, "meter", "ours", "refused", code=1)

    assert found[0]["reason"] == "refused: volume is not a number"


@pytest.mark.parametrize(
    ("volume", "resource", "reason"),
    [
        (
            "payload.nix",
            "payload.id",
            "refused: volume is not a number; not in the notification: volume (payload.nix)",
        ),
        (
            "{path: 'payload.nix | payload.all[name=a b].x.*', match: a}",
            "payload.no.1",
            "refused: volume is not a number; not in the notification:"
            " volume (payload.nix | payload.all[name=a b].x.*), resource (payload.no.1)",
        ),
        (
            "payload.size",
            "payload.no",
            "refused: resource is missing; not in the notification: resource (payload.no)",
        ),
        ("$.payload.nix", "$.payload.id", "there is no volume (payload.nix)"),
        ("$.payload.nix[?(@.a == 1)].b", "$.payload.id", "there is no volume"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(
    nephometer: Nephometer, files: Path, volume: str, resource: str, reason: str
) -> None:
    if volume.startswith("$"):
        text = METERS.replace("$.payload.size", f"'{volume}'").replace("$.payload.id", resource)
    else:
        meter = f"{{name: m, unit: B, volume: {volume}}}"
        text = "service: x\nnotifications:\n- events: [thing.exists]\n"
        text += f"  resource: {resource}\n  meters: [{meter}]\n"
    (files / "new.yaml").write_text(text)

    (found,) = rows(nephometer, files, "meter", "new", "bare", code=1)

    assert found["reason"] == reason


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        ("other", "not for other.exists, but for thing.exists"),
        ("failed", "priority error: a report of a failure holds no reading"),
    ],
)
def test_no_sample_at_all_fails(nephometer: Nephometer, files: Path, sample: str, reason: str) -> None:
    assert rows(nephometer, files, "meter", "ours", sample, code=1)[0]["reason"] == reason


def test_an_event_has_its_fields_its_traits_and_what_was_left_out(
    nephometer: Nephometer, files: Path
) -> None:
    found = {(row["part"], row["name"]): row for row in rows(nephometer, files, "event", "ours", "bare")}

    assert found["event", "event_type"]["value"] == "thing.exists"
    assert found["trait", "size"]["value"] == 5
    assert found["left out", "load"]["reason"] == "there is nothing"


def test_an_event_no_definition_is_for_fails_and_says_so(nephometer: Nephometer, files: Path) -> None:
    for sample, words in (("other", "No definition"), ("debug", "No event")):
        ended = nephometer(
            "event", "test", str(files / "ours.yaml"), "--sample", str(files / f"{sample}.json")
        )

        assert ended.code == 1
        assert words in ended.err


@pytest.mark.parametrize(
    ("noun", "definitions", "sample", "code", "words"),
    [
        ("meter", "wrong", "bare", 1, "$.metric[0]"),
        ("meter", "events", "bare", 1, "no definitions of meters"),
        ("event", "meters", "bare", 1, "no definitions of events"),
        ("meter", "missing", "bare", 2, "cannot be read"),
        ("meter", "ours", "missing", 2, "cannot be read"),
        ("event", "ours", "empty", 2, "event_type"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    nephometer: Nephometer, files: Path, noun: str, definitions: str, sample: str, code: int, words: str
) -> None:
    ended = nephometer(
        noun, "test", str(files / f"{definitions}.yaml"), "--sample", str(files / f"{sample}.json")
    )

    assert ended.code == code
    assert ended.err.startswith("nephometer: ")
    assert words in ended.err

"""nephometer quarantine: what was refused, for people and programs."""

import json
from datetime import timedelta

import pytest

from storage.database import Database
from storage.quarantine import Quarantine
from storage.sample import Refused
from storage.settings import DatabaseSettings
from tests.cli.conftest import Nephometer
from tests.factories import NOW

BODY = json.dumps({"password": "SEKRET", "size": "NaN", "long": "ü" * 3000}, ensure_ascii=False).encode()


@pytest.fixture(autouse=True)
def _quarantine(schema_url: str, monkeypatch: pytest.MonkeyPatch, nephometer: Nephometer) -> None:
    """Three refused messages; the oldest is as a program before masking kept it."""
    assert nephometer  # it empties the environment first
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", schema_url)
    database = Database(DatabaseSettings(url=schema_url))
    refused = [
        Refused("volume is no number", BODY, "notifications", NOW),
        Refused("no unit", b"\xff\0", "agent", NOW + timedelta(seconds=1)),
        Refused("a time in the future", b"", "notifications", NOW + timedelta(seconds=2)),
    ]
    Quarantine(database).keep(refused)
    Quarantine(database).keep(refused[1:])
    database.dispose()


def test_what_was_refused_is_listed_the_newest_first_without_secrets(nephometer: Nephometer) -> None:
    ended = nephometer("quarantine", "list", "-f", "json")

    found = json.loads(ended.out)
    assert [(one["origin"], one["reason"], one["times"]) for one in found] == [
        ("notifications", "a time in the future", 2),
        ("agent", "no unit", 2),
        ("notifications", "volume is no number", 1),
    ]
    assert found[2]["last_seen"] == "2026-11-23T12:00:00Z"
    assert found[2]["body"].startswith('{"password":"***", "size": "NaN", "long": "ü')
    assert len(found[2]["body"]) == 200
    assert found[1]["body"] == "\ufffd\0"


def test_some_of_them_are_chosen(nephometer: Nephometer) -> None:
    one = nephometer("quarantine", "list", "--limit", "1", "-f", "value", "-c", "reason", "-c", "size")
    agents = nephometer("quarantine", "list", "--origin", "agent", "-f", "value", "-c", "reason")
    table = nephometer("quarantine", "list")
    nobody = nephometer("quarantine", "list", "--origin", "nobody")

    assert one.out == "a time in the future 0\n"
    assert agents.out == "no unit\n"
    assert "| volume is no number" in table.out
    assert (nobody.code, nobody.out, nobody.err) == (0, "", "Nothing found.\n")

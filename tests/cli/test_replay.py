"""Notifications of the past through corrected definitions, in real databases."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from collector.envelope import Notification
from collector.rederiving import Derivation, Derived
from storage.event_search import EventSearch
from storage.quarantine import Quarantine
from storage.query import EVERYTHING
from storage.segments import Segments
from storage.settings import RetentionSettings
from tests.broker import RabbitMQ
from tests.cli.conftest import Nephometer
from tests.cli.replaying import FIRST, NOW, WRONG, Place, bodies
from tests.collector.brokers import send, settings, storing
from tests.collector.factories import StubPublisher
from tests.databases import sqlite_with_schema
from tests.storage.aging import maintain


@pytest.fixture
def place(tmp_path: Path, nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    url = sqlite_with_schema(tmp_path)
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", url)
    place = Place(url, tmp_path, nephometer)
    yield place
    place.database.dispose()


@pytest.fixture
def anywhere(
    schema_url: str, tmp_path: Path, nephometer: Nephometer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """The same on every database."""
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", schema_url)
    place = Place(schema_url, tmp_path, nephometer)
    yield place
    place.database.dispose()


def test_what_no_definition_took_is_added_from_an_archive_and_once_only(anywhere: Place) -> None:
    sent = bodies()
    source = anywhere.archive(sent)
    anywhere.collect(sent[:1], "right")

    seen = anywhere.replay(source, "-f", "json")
    before = anywhere.volumes("thing.size")
    done = anywhere.replay(source, "--apply", "-f", "json")
    again = anywhere.replay(source, "--apply", "-f", "json")

    assert (seen.code, done.code, again.code) == (0, 0, 0)
    assert (
        anywhere.counts(seen)
        == anywhere.counts(done)
        == {"thing.parts": (3, 0, 1, 0), "thing.size": (3, 0, 1, 0)}
    )
    assert anywhere.counts(again) == {"thing.parts": (0, 0, 4, 0), "thing.size": (0, 0, 4, 0)}
    assert before == [("thing-0", 10)]
    assert anywhere.volumes("thing.size") == [(f"thing-{number}", 10) for number in range(4)]
    assert len(list(EventSearch(anywhere.database).between(FIRST, NOW))) == 4
    assert Segments(anywhere.database).of_resource(EVERYTHING, "thing-3")[0].attributes.type == "big"


def test_a_wrong_reading_is_told_and_stays(place: Place) -> None:
    sent = bodies()
    place.collect(sent)

    ended = place.replay(place.archive(sent), "--apply")

    assert ended.code == 1
    assert "changed thing.size thing-0" in ended.err
    assert "7.0 GiB of project-a -> 10.0 GiB of project-a" in ended.err
    assert "a reading is never replaced" in ended.err
    assert place.volumes("thing.size") == [(f"thing-{number}", 7) for number in range(4)]


def test_readings_that_are_sealed_are_found_as_well(anywhere: Place) -> None:
    sent = bodies()
    anywhere.collect(sent)
    maintain(anywhere.database, RetentionSettings(), NOW + timedelta(days=2))

    ended = anywhere.replay(anywhere.archive(sent), "-f", "json")

    assert anywhere.counts(ended) == {"thing.parts": (0, 0, 4, 0), "thing.size": (0, 4, 0, 0)}


def test_a_life_is_put_right(place: Place) -> None:
    sent = bodies()
    place.collect(sent)
    types = [one.attributes.type for one in Segments(place.database).of_resource(EVERYTHING, "thing-0")]

    place.replay(place.archive(sent), "--apply")

    found = Segments(place.database).of_resource(EVERYTHING, "thing-0")
    assert (types, [one.attributes.type for one in found]) == (["red"], ["big"])


def test_what_new_definitions_no_longer_make_is_told(place: Place) -> None:
    place.collect(bodies())
    (place.folder / "right" / "mine.yaml").write_text(WRONG.replace("thing.size", "thing.volume"))

    ended = place.replay(place.archive(bodies()), "-f", "json")

    found = place.counts(ended)
    assert found["thing.size"] == (0, 0, 0, 4)
    assert found["thing.volume"] == (4, 0, 0, 0)


def test_stored_events_are_replayed_where_their_payload_was_kept(anywhere: Place) -> None:
    anywhere.collect(bodies(6))
    anywhere.collect(bodies(2, "other.thing"))
    span = ("--start", FIRST.isoformat(), "--end", (FIRST + timedelta(minutes=3)).isoformat())

    whole = anywhere.replay("stored", "-f", "json")
    some = anywhere.replay("stored", *span, "--event-type", "thing.*", "-f", "json")

    assert anywhere.counts(whole)["thing.size"] == (0, 6, 0, 0)
    assert (json.loads(whole.out)["messages"], json.loads(some.out)["messages"]) == (8, 3)
    assert anywhere.counts(some)["thing.size"] == (0, 3, 0, 0)


def test_days_are_times_too(place: Place) -> None:
    days = [str((FIRST + timedelta(days=number)).date()) for number in (-1, 0, 2)]
    source = place.archive(bodies())

    before = place.replay(source, "--start", days[0], "--end", days[1], "-f", "json")
    within = place.replay(source, "--start", days[1], "--end", days[2], "-f", "json")

    assert json.loads(before.out)["messages"] == 0
    assert json.loads(within.out)["messages"] == 4


def test_archives_may_be_many_files_gzipped_and_hold_what_cannot_be_read(place: Place) -> None:
    sent = bodies()
    folder = place.folder / "many"
    folder.mkdir()
    place.archive(sent[:2], "many/1.jsonl")
    place.archive([*sent[2:], b"{", b'{"event_type": 1}'], "many/2.jsonl.gz")

    ended = place.replay(folder, "-f", "json")

    found = json.loads(ended.out)
    assert place.counts(ended)["thing.size"] == (4, 0, 0, 0)
    assert (found["messages"], sum(found["unreadable"].values())) == (6, 2)


def test_what_cannot_be_read_is_named_by_file_and_line(place: Place) -> None:
    source = place.archive([*bodies(1), b"", b"{", b"{", b"{", b"{"], "some.jsonl")
    hopeless = place.archive([b"{"], "hopeless.jsonl")

    some = place.replay(source)
    nothing = place.replay(hopeless, "-f", "json")
    table = place.replay(hopeless)

    assert some.code == 0
    assert "Not read, 4: not JSON: " in some.err
    assert f"({source}:3, {source}:4, {source}:5, …)" in some.err
    assert nothing.code == 1
    assert "1 notifications; nothing was derived.\n" in table.err
    assert "--apply" not in table.err
    assert "nothing of what was chosen can be read" in nothing.err
    assert list(json.loads(nothing.out)["unreadable_at"].values()) == [[f"{hopeless}:1"]]


def test_readings_older_than_any_kept_are_counted_apart_and_not_written(anywhere: Place) -> None:
    maintain(anywhere.database, RetentionSettings(raw="1d"), NOW + timedelta(days=3))
    source = anywhere.archive(bodies())

    seen = anywhere.replay(source, "-f", "json")
    done = anywhere.replay(source, "--apply")
    again = anywhere.replay(source, "--apply", "-f", "json")

    for ended in (seen, again):
        assert anywhere.counts(ended)["thing.size"] == (0, 0, 0, 0)
        assert json.loads(ended.out)["too_old"] == 8
        assert {row["too_old"] for row in json.loads(ended.out)["samples"]} == {4}
    assert (done.code, "Too old, 8: samples of then are not kept" in done.err) == (0, True)
    assert Quarantine(anywhere.database).count() == 0


def test_where_nothing_is_stored_the_setting_that_keeps_it_is_named(place: Place) -> None:
    ended = place.replay("stored")

    assert ended.code == 0
    assert "0 notifications; nothing was chosen" in ended.err
    assert "collector.store_raw" in ended.err
    assert "--apply" not in ended.err


def test_a_replay_goes_on_where_another_was_interrupted(place: Place) -> None:
    source = place.archive(bodies(6))

    ended = place.replay(source, "--skip", "4", "--apply", "-f", "json")

    assert json.loads(ended.out)["messages"] == 2
    assert [name for name, _ in place.volumes("thing.size")] == ["thing-4", "thing-5"]


@pytest.mark.parametrize(
    ("arguments", "complaint", "code"),
    [
        (["--from", "nowhere.jsonl"], "there is no nowhere.jsonl", 1),
        (["--from", "stream"], "set bus.url and bus.stream", 1),
        (["--from", "stored", "--start", "yesterday"], "--start 'yesterday': not an ISO 8601 date", 2),
        (["--from", "stored", "--end", "1960-01-01"], "--end '1960-01-01': a time before 1970", 2),
    ],
)
def test_what_cannot_be_replayed_is_said(
    nephometer: Nephometer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    complaint: str,
    code: int,
) -> None:
    monkeypatch.setenv("NEPHOMETER_DATABASE__URL", f"sqlite:///{tmp_path}/nephometer.db")
    nephometer("db", "upgrade")

    ended = nephometer("replay", *arguments)

    assert (ended.code, complaint in ended.err) == (code, True)


def test_an_archive_in_a_stream_is_replayed(
    place: Place, rabbitmq: RabbitMQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = rabbitmq.create_vhost()
    options = settings(url, stream="archive")
    with storing(options, StubPublisher()):
        send(url, *bodies())
    monkeypatch.setenv("NEPHOMETER_BUS__URL", url)
    monkeypatch.setenv("NEPHOMETER_BUS__STREAM", "archive")

    ended = place.replay("stream", "--apply", "-f", "json")
    ended = replace(ended, out=ended.out[ended.out.index("{\n") :])  # after what the collector logged

    assert place.counts(ended)["thing.size"] == (4, 0, 0, 0)
    assert len(place.volumes("thing.size")) == 4


def test_ctrl_c_ends_a_replay_after_what_it_is_at(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal comes while the first of two chunks is derived."""
    monkeypatch.setattr("collector.replay.CHUNK", 3)
    derive, sent = Derivation.derive, list[Notification]()

    def interrupted(self: Derivation, told: Notification, at: datetime) -> Derived:
        if told.message_id == "thing.exists-0" and not sent:  # it is derived by both definitions
            sent.append(told)
            os.kill(os.getpid(), signal.SIGINT)
        return derive(self, told, at)

    monkeypatch.setattr(Derivation, "derive", interrupted)

    ended = place.replay(place.archive(bodies(6)), "--apply", before="right")

    assert ended.code == 130
    assert "go on with --skip 3" in ended.err
    assert len(place.volumes("thing.size")) == 3

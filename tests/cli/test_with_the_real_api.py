"""The command line against the API it is made for, over HTTP and a real SQLite store."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from api.server import serve
from api.settings import ApiSettings
from storage import log
from storage.event import Event, Trait
from tests.api.world import World, empty_database
from tests.cli.conftest import Nephometer
from tests.factories import CPU_UTIL, NOW, series

START_TIMEOUT_S = 30


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nephometer: Nephometer) -> Iterator[World]:
    """A served API whose project A has three CPU samples; the command line is a member of project A."""
    log.configure(json=False, level="critical")  # the server's lines would mix with the command's
    world = World(empty_database(tmp_path))
    world.keep([*series(3), CPU_UTIL])
    started: SimpleQueue[str] = SimpleQueue()
    stop = threading.Event()
    server = threading.Thread(target=serve, args=(world.app, ApiSettings(port=0), stop, started.put))
    server.start()
    monkeypatch.setenv("NEPHOMETER_URL", started.get(timeout=START_TIMEOUT_S))
    monkeypatch.setenv("NEPHOMETER_TOKEN", "member-a")
    yield world
    stop.set()
    server.join()
    world.database.dispose()


def answer(nephometer: Nephometer, *arguments: str) -> Any:  # Any: JSON
    """What a command printed as JSON; it must succeed."""
    ended = nephometer(*arguments, "-f", "json")
    assert ended.err == ""
    assert ended.code == 0
    return json.loads(ended.out)


def test_meters_and_resources_are_found(nephometer: Nephometer, world: World) -> None:
    meters = answer(nephometer, "meters", "list", "--unique")
    resource = answer(nephometer, "resources", "show", "instance-1")

    assert sorted(meter["name"] for meter in meters) == ["cpu", "cpu_util"]
    assert resource["meters"] == ["cpu", "cpu_util"]
    assert resource["metadata"]["flavor.vcpus"] == "2"


def test_samples_are_found_by_condition_and_by_id(nephometer: Nephometer, world: World) -> None:
    every = answer(nephometer, "samples", "list", "-m", "cpu", "-q", "metadata.display_name=web", "-c", "id")
    one = answer(nephometer, "samples", "show", every[0]["id"])

    assert len(every) == 3
    assert one["volume"] == 3_000_000_000
    assert one["timestamp"] == "2026-11-23T12:02:00Z"


def test_a_created_sample_is_there(nephometer: Nephometer, world: World) -> None:
    create = (
        "samples",
        "create",
        "room",
        "-r",
        "cellar",
        "-v",
        "21.5",
        "-u",
        "C",
        "--metadata",
        "wall=north",
    )

    created = answer(nephometer, *create, "--timestamp", "2026-01-01T12:00:00")
    found = answer(nephometer, "samples", "list", "-m", "room", "-c", "volume", "-c", "metadata")

    assert created[0]["message_id"]
    assert found == [{"volume": 21.5, "metadata": {"wall": "north"}}]


def test_statistics_are_what_the_samples_add_up_to(nephometer: Nephometer, world: World) -> None:
    options = ("-p", "120", "-g", "resource_id", "-a", "cardinality<-user_id", "-a", "max")

    whole = answer(nephometer, "statistics", "cpu")
    parts = answer(nephometer, "statistics", "cpu", *options)

    assert (whole[0]["count"], whole[0]["sum"]) == (3, 6_000_000_000)
    assert [part["max"] for part in parts] == [2_000_000_000, 3_000_000_000]
    assert parts[0]["resource_id"] == "instance-1"
    assert parts[0]["cardinality/user_id"] == 1


def test_an_alarm_lives_and_dies(nephometer: Nephometer, world: World) -> None:
    rule = ("-m", "cpu_util", "--threshold", "80", "--operator", "gt", "-q", "resource_id=instance-1")
    alarm = answer(
        nephometer, "alarms", "create", "--name", "busy", *rule, "--alarm-action", "http://192.0.2.1/"
    )

    name = ("alarms", "update", alarm["alarm_id"], "--threshold", "90", "--severity", "critical")
    updated = answer(nephometer, *name)
    state = answer(nephometer, "alarms", "set-state", alarm["alarm_id"], "alarm")
    listed = answer(nephometer, "alarms", "list", "-q", "state=alarm")
    deleted = nephometer("alarms", "delete", alarm["alarm_id"])
    history = answer(nephometer, "alarms", "history", alarm["alarm_id"])

    assert alarm["rule"] == "avg(cpu_util) > 80.0 during 1 x 60 s"
    assert updated["rule"] == "avg(cpu_util) > 90.0 during 1 x 60 s"
    assert "resource_id=instance-1" in updated["query"]
    assert (updated["severity"], updated["alarm_actions"]) == ("critical", ["http://192.0.2.1/"])
    assert state == {"alarm_id": alarm["alarm_id"], "state": "alarm"}
    assert [found["name"] for found in listed] == ["busy"]
    assert deleted.code == 0
    assert [change["type"] for change in history] == [
        "deletion", "state transition", "rule change", "creation",
    ]  # fmt: skip


def test_another_projects_samples_are_refused_in_the_servers_words(
    nephometer: Nephometer, world: World
) -> None:
    ended = nephometer("samples", "list", "-q", "project_id=project-b")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "nephometer: Not Authorized to access project project-b (HTTP 401)\n"


def test_a_wrong_token_is_refused(nephometer: Nephometer, world: World) -> None:
    ended = nephometer("meters", "list", "--token", "guessed")

    assert ended.code == 1
    assert "(HTTP 401)" in ended.err


def test_a_wrong_condition_is_explained_by_the_server(nephometer: Nephometer, world: World) -> None:
    ended = nephometer("meters", "list", "-q", "colour=red")

    assert ended.code == 1
    assert "colour" in ended.err


def test_events_are_found_by_trait_and_by_id(nephometer: Nephometer, world: World) -> None:
    traits = (Trait("memory_mb", "integer", 512), Trait("name", "text", "web"))
    world.events.store(
        [
            Event(f"m-{n}", "p", "image.create", NOW, traits, "project-a", user)
            for n, user in enumerate(("user-a", "user-a", "somebody else"))
        ],
        received_at=NOW,
    )

    (newest, _) = answer(nephometer, "events", "list", "--newest", "-q", "memory_mb>integer::511;name=web")
    shown = answer(nephometer, "events", "show", newest["message_id"])

    assert shown["traits"] == {"memory_mb": "512", "name": "web"}
    assert shown["generated"] == "2026-11-23T12:00:00Z"
    assert answer(nephometer, "events", "types", "--token", "admin") == [{"event_type": "image.create"}]
    assert nephometer("events", "types").code == 1


@pytest.mark.parametrize(
    ("token", "command", "advice"),
    [
        (
            "",
            ("meters", "list"),
            "Authentication required (HTTP 401): give a token by --token or NEPHOMETER_TOKEN",
        ),
        (
            "nobody",
            ("meters", "list"),
            "does not know this token: give another by --token or NEPHOMETER_TOKEN",
        ),
        ("service", ("meters", "list"), "(HTTP 403): the token needs one of the roles admin, member, reader"),
        ("member-a", ("events", "types"), "(HTTP 403): the token needs one of the roles admin"),
    ],
)
def test_who_may_not_ask_is_told_what_is_missing(
    nephometer: Nephometer, world: World, token: str, command: tuple[str, ...], advice: str
) -> None:
    ended = nephometer(*command, "--token", token)

    assert ended.code == 1
    assert ended.err.endswith(f"{advice}\n")

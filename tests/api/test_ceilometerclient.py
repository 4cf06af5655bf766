"""The real python-ceilometerclient 2.9.0 against a real server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from storage.event import Event, Trait
from tests.api.test_server import serving
from tests.api.world import World, empty_database
from tests.factories import CPU_UTIL, NOW, sample, series

PROGRAM = Path(sys.executable).with_name("ceilometer")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    database = empty_database(tmp_path_factory.mktemp("ceilometerclient"))
    world = World(database)
    world.keep(
        [
            *series(3),
            CPU_UTIL,
            sample(resource_id="group/1"),
            sample(resource_id="theirs", project_id="project-b"),
        ]
    )
    traits = (Trait("memory_mb", "integer", 512), Trait("name", "text", "web"))
    world.events.store(
        [
            Event(f"m-{number}", "p", "image.create", NOW, traits, "project-a", user)
            for number, user in enumerate(("user-a", "user-a", "user-r"))
        ],
        received_at=NOW,
    )
    with serving(world.app) as (url, _, _):
        yield url
    database.dispose()


def run(url: str, *arguments: str, token: str = "member-a", expected: int = 0) -> str:
    """What the command line prints."""
    command = [str(PROGRAM), "--os-token", token, "--os-endpoint", url, *arguments]
    environment = {
        "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONWARNINGS": "ignore", "COLUMNS": "400",
    }  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout if expected == 0 else done.stderr


def cells(printed: str) -> list[list[str]]:
    """The rows of a printed table, without its head."""
    rows = [line.strip("|").split("|") for line in printed.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[1:]]


def test_this_is_the_client_we_promise_to_serve() -> None:
    assert version("python-ceilometerclient") == "2.9.0"


def test_meter_list(url: str) -> None:
    rows = cells(run(url, "meter-list"))

    assert [(row[0], row[1], row[2], row[3], row[5]) for row in rows] == [
        ("cpu", "cumulative", "ns", "group/1", "project-a"),
        ("cpu", "cumulative", "ns", "instance-1", "project-a"),
        ("cpu_util", "gauge", "%", "instance-1", "project-a"),
    ]


def test_meter_list_with_a_query_a_limit_and_each_meter_once(url: str) -> None:
    assert len(cells(run(url, "meter-list", "-q", "resource_id=instance-1", "-l", "1"))) == 1
    assert [row[0] for row in cells(run(url, "meter-list", "--unique", "True"))] == ["cpu", "cpu_util"]


def test_sample_list_of_everything_and_of_one_meter(url: str) -> None:
    everything = cells(run(url, "sample-list"))
    one = cells(
        run(
            url,
            "sample-list",
            "-m",
            "cpu",
            "-q",
            "resource=instance-1;timestamp>2026-11-23T12:00:00",
            "-l",
            "5",
        )
    )

    assert len(everything) == 5
    assert [(row[0], row[1], row[3]) for row in one] == [
        ("instance-1", "cpu", "3000000000.0"),
        ("instance-1", "cpu", "2000000000.0"),
    ]


def test_sample_list_by_metadata_of_a_declared_type(url: str) -> None:
    typed = "metadata.flavor.vcpus=integer::2"

    assert len(cells(run(url, "sample-list", "-q", typed))) == 4
    assert cells(run(url, "sample-list", "-q", "metadata.display_name=string::other")) == []


def test_sample_show(url: str) -> None:
    message_id = cells(run(url, "sample-list", "-m", "cpu_util"))  # the table does not print ids
    assert message_id
    client = api(url)
    (newest,) = client.new_samples.list(q=[{"field": "meter", "op": "eq", "value": "cpu_util"}])

    shown = dict(cells(run(url, "sample-show", newest.id)))

    assert shown["meter"] == "cpu_util"
    assert shown["volume"] == "12.5"
    assert shown["id"] == newest.id


def test_statistics_of_periods(url: str) -> None:
    rows = cells(
        run(
            url,
            "statistics",
            "-m",
            "cpu",
            "-p",
            "60",
            "-q",
            "resource=instance-1;timestamp>=2026-11-23T12:00:00",
        )
    )

    assert [(row[0], row[1], row[3], row[7]) for row in rows] == [
        ("60", "2026-11-23T12:00:00", "1000000000.0", "1"),
        ("60", "2026-11-23T12:01:00", "2000000000.0", "1"),
        ("60", "2026-11-23T12:02:00", "3000000000.0", "1"),
    ]


def test_statistics_of_one_group(url: str) -> None:
    (row,) = cells(run(url, "statistics", "-m", "cpu_util", "-g", "resource_id", "-g", "project_id"))

    assert "instance-1" in row[3]
    assert row[4] == "12.5"


def test_statistics_of_several_groups(url: str) -> None:
    """Through the client's own library: its command line cannot print several groups on Python 3."""
    found = api(url).statistics.list("cpu", groupby=["resource_id"])

    assert [(one.groupby, one.count) for one in found] == [
        ({"resource_id": "group/1"}, 1),
        ({"resource_id": "instance-1"}, 3),
    ]


def test_statistics_of_chosen_aggregates(url: str) -> None:
    chosen = ["-a", "avg", "-a", "max", "-a", "cardinality<-resource_id"]

    (row,) = cells(run(url, "statistics", "-m", "cpu", *chosen))

    assert row[3:6] == ["1750000000.0", "3000000000.0", "2.0"]


def test_resource_list_and_show(url: str) -> None:
    listed = cells(run(url, "resource-list"))
    shown = dict(cells(run(url, "resource-show", "instance-1")))

    assert [row[0] for row in listed] == ["group/1", "instance-1"]
    assert shown["project_id"] == "project-a"
    assert '"display_name": "web"' in shown["metadata"]


def test_sample_create_and_what_becomes_of_it(url: str) -> None:
    what = ["-r", "made-by-hand", "-m", "manual", "--meter-type", "gauge", "--meter-unit", "unit"]
    detail = ["--resource-metadata", '{"a.b": "c"}', "--timestamp", "2020-01-01T00:00:00"]

    created = dict(cells(run(url, "sample-create", *what, "--sample-volume", "1.5", *detail)))

    assert created["source"] == "project-a:openstack"
    assert created["volume"] == "1.5"
    assert created["message_id"]
    assert [row[3] for row in cells(run(url, "sample-list", "-m", "manual"))] == ["1.5"]


def test_sample_create_list(url: str, tmp_path: Path) -> None:
    samples: list[dict[str, object]] = [
        {
            "counter_name": "many", "counter_type": "delta", "counter_unit": "x", "counter_volume": number,
            "resource_id": "r", "resource_metadata": {}, "timestamp": "2020-01-01T00:00:00",
        }
        for number in (1, 2, 3)
    ]  # fmt: skip

    run(url, "sample-create-list", json.dumps(samples))

    (total,) = api(url).statistics.list("many")
    assert (total.count, total.sum) == (3, 6.0)


def test_capabilities(url: str) -> None:
    printed = run(url, "capabilities")

    assert "statistics:groupby" in printed


def test_a_refusal_reaches_the_user_in_words(url: str) -> None:
    unknown = run(url, "sample-list", "-q", "nonsense=1", expected=1)
    absent = run(url, "resource-show", "theirs", expected=1)
    limited = run(url, "meter-list", "-l", "-1", expected=1)

    assert 'Unknown argument: "nonsense"' in unknown
    assert "Resource not found: theirs" in absent
    assert "Limit must be positive" in limited


def test_after_a_401_the_client_asks_for_a_password_as_it_always_did(url: str) -> None:
    for printed in (
        run(url, "meter-list", token="nobody", expected=1),
        run(url, "meter-list", "-q", "project_id=project-b", expected=1),
    ):
        assert "Authentication failed" in printed


def test_a_reader_may_look_and_not_touch(url: str) -> None:
    what = ["-r", "x", "-m", "m", "--meter-type", "gauge", "--meter-unit", "u", "--sample-volume", "1"]

    assert cells(run(url, "meter-list", token="reader-a"))
    assert "HTTP 403" in run(url, "sample-create", *what, token="reader-a", expected=1)


def test_an_administrator_sees_both_projects(url: str) -> None:
    projects = {row[3] for row in cells(run(url, "resource-list", token="admin"))}

    assert {"project-a", "project-b"} <= projects


def api(url: str) -> Any:  # Any: the client carries no types
    from ceilometerclient.v2.client import Client

    return Client(endpoint=url, token="member-a")


def test_event_list(url: str) -> None:
    rows = cells(run(url, "event-list", "--no-traits"))
    with_traits = run(url, "event-list", "-q", "name=web;memory_mb<integer::513", "-l", "1")

    assert [row[:3] for row in rows] == [
        ["m-0", "image.create", "2026-11-23T12:00:00"],
        ["m-1", "image.create", "2026-11-23T12:00:00"],
    ]
    assert "memory_mb" in with_traits
    assert "m-1" not in with_traits
    assert cells(run(url, "event-list", "--no-traits", "-q", "memory_mb>integer::512")) == []


def test_event_show(url: str) -> None:
    shown = dict(row[:2] for row in cells(run(url, "event-show", "m-1")))

    assert shown["event_type"] == "image.create"
    assert "Event not found: m-2" in run(url, "event-show", "m-2", expected=1)


def test_event_types_and_traits(url: str) -> None:
    def admin(*arguments: str) -> list[list[str]]:
        return cells(run(url, *arguments, token="admin"))

    assert admin("event-type-list") == [["image.create"]]
    assert admin("trait-description-list", "-e", "image.create") == [
        ["memory_mb", "integer"],
        ["name", "string"],
    ]
    assert admin("trait-list", "-e", "image.create", "-t", "memory_mb") == 3 * [
        ["memory_mb", "512", "integer"]
    ]
    assert "403" in run(url, "event-type-list", expected=1)

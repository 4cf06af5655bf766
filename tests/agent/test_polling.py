"""Ceilometer's polling.yaml: what it makes our pollsters do."""

from pathlib import Path

import pytest

from agent.errors import InvalidPolling
from agent.polling import METERS, read_polling
from agent.pollsters.catalog import NAMES
from agent.settings import AgentSettings
from cli.agent import polled
from tests.agent.test_meters import everything


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "polling.yaml"


def test_every_meter_of_the_table_is_taken_by_its_pollster() -> None:
    taken = {name: {sample.meter for sample in samples} for name, samples in everything().items()}

    assert METERS.keys() == set(NAMES)
    assert {
        name: set(meters) - taken[name] for name, meters in METERS.items() if set(meters) - taken[name]
    } == {}
    guests = {name: taken[name] - set(METERS[name]) for name in NAMES if name.startswith("instance_")}
    assert not any(guests.values())


def test_the_file_of_todays_releases_runs_the_pollsters_it_names(file: Path) -> None:
    file.write_text(
        "---\nsources:\n"
        "    - name: some_pollsters\n      interval: 300\n      meters:\n"
        "        - power.state\n        - cpu\n        - memory.usage\n        - network.incoming.bytes\n"
        "        - disk.device.read.bytes\n        - volume.size\n"
        "    - name: often\n      interval: 60\n      meters: ['cpu*']\n      discovery: [local_instances]\n"
    )

    found = read_polling(file)

    assert found.intervals_s == {
        "instance_cpu": 60,
        "instance_memory": 300,
        "instance_disk": 300,
        "instance_network": 300,
        "instance_power": 300,
    }
    assert found.disabled == ("instance_flavor",)
    assert [remark.partition(": ")[2] for remark in found.remarks] == [
        "sources[0] 'some_pollsters': volume.size is not polled here",
        "sources[1] 'often': discovery is not looked at: agents find out what there is",
    ]


def test_a_file_of_everything_runs_everything(file: Path) -> None:
    file.write_text("sources: [{name: all, interval: 600, meters: ['*']}]")

    found = read_polling(file)

    assert (set(found.intervals_s), found.disabled, found.remarks) == (set(NAMES), (), ())


def test_what_the_settings_say_themselves_counts_more(file: Path) -> None:
    file.write_text("sources: [{name: some, interval: 600, meters: [cpu, memory]}]")
    options = AgentSettings(
        polling=file, intervals={"instance_cpu": 30, "instance_power": 90}, disabled=("host_cpu",)
    )

    effective = polled(options)

    assert effective.intervals == {"instance_cpu": 30, "instance_memory": 600, "instance_power": 90}
    assert effective.disabled == ("host_cpu", "instance_disk", "instance_flavor", "instance_network")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sources: [{name: a, meters: ['*']}]", "sources[0] 'a': interval"),
        ("sources: [{name: a, interval: 0, meters: ['*']}]", "interval: must be a number"),
        ("sources: [{name: a, interval: true, meters: ['*']}]", "interval: must be a number"),
        ("sources: [{name: a, interval: 60, meters: cpu}]", "meters: must be a list"),
        ("sources: [{name: a, interval: 60, meters: [cpu, '!memory']}]", "both what is in"),
        ("sources: [{interval: 60, meters: [cpu]}]", "name: must be a text"),
        ("sources: [{name: a, interval: 6, meters: [cpu]}, {name: a, interval: 6, meters: [cpu]}]", "twice"),
        ("- cpu", "needs a list `sources`"),
    ],
)
def test_errors_name_file_entry_and_key(file: Path, text: str, complaint: str) -> None:
    file.write_text(text)

    with pytest.raises(InvalidPolling) as raised:
        read_polling(file)

    assert str(file) in str(raised.value)
    assert complaint in str(raised.value)

"""The binding itself, on libvirt's own test driver: definitions, life cycle, events, and nobody there."""

import importlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any  # what libvirt's untyped binding gives

import pytest

from agent.discovery import Discovery
from agent.errors import SourceUnavailable
from agent.sources import libvirt as source
from agent.sources.hypervisor import Connection, Hypervisor
from tests.agent.pretend import BOOT, NOW

if not os.environ.get("CI"):
    pytest.importorskip("libvirt", reason="libvirt's Python binding is not installed")
libvirt = importlib.import_module("libvirt")

UUID = "00000000-0000-4000-8000-0000000000aa"
NOVA = """<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1"><nova:name>web</nova:name>
<nova:flavor name="m1.small"><nova:vcpus>1</nova:vcpus></nova:flavor>
<nova:owner><nova:user uuid="u">n</nova:user><nova:project uuid="p">n</nova:project></nova:owner></nova:instance>"""


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """A node of the test driver with one domain of Nova's and one of somebody else's."""
    (tmp_path / "node.xml").write_text(
        f"""<node><domain type="test"><name>instance-1</name><uuid>{UUID}</uuid><metadata>{NOVA}</metadata>
        <memory>65536</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>
        <domain type="test"><name>router</name><uuid>{UUID[:-1]}b</uuid>
        <memory>65536</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain></node>"""
    )
    return f"test://{tmp_path}/node.xml"


@pytest.fixture
def connection(uri: str) -> Iterator[Connection]:
    connection = source.connect(uri)
    yield connection
    connection.close()


def test_domains_are_found_with_their_owners_and_without(uri: str) -> None:
    hypervisor = Hypervisor(lambda: source.connect(uri), deadline_s=10)

    found = Discovery(hypervisor.read, node="cmp01", boot_id=BOOT).read(NOW)

    assert {(instance.id, instance.project_id, instance.name) for instance in found} == {
        (UUID, "p", "instance-1"),
        (UUID[:-1] + "b", None, "router"),
    }
    assert {instance.stats.cpu.process_ns for instance in found} == {None}
    hypervisor.close()


@pytest.fixture
def shared() -> Iterator[tuple[Connection, Any]]:
    """Our connection to the node that all connections of a process share, and its domain for changing it."""
    connection, writable = source.connect("test:///default"), libvirt.open("test:///default")
    yield connection, writable.lookupByName("test")
    writable.close()
    connection.close()


def test_a_domain_that_is_paused_is_listed_and_one_that_is_stopped_is_not(
    shared: tuple[Connection, Any],
) -> None:
    connection, domain = shared

    domain.suspend()
    assert [row.stats.state for row in connection.statistics(unblockable=False)] == [3]
    domain.destroy()
    assert connection.statistics(unblockable=True) == []


def test_a_change_of_a_domain_is_noticed_by_its_event(shared: tuple[Connection, Any]) -> None:
    connection, domain = shared

    domain.destroy()

    until = time.monotonic() + 10
    changed: set[str] = set()
    while not changed:
        assert time.monotonic() < until
        changed = connection.take_changed()
    assert changed == {domain.UUIDString()}


def test_the_agent_cannot_change_anything(connection: Connection) -> None:
    raw = vars(connection)["_connection"]

    with pytest.raises(libvirt.libvirtError, match="read only"):
        raw.lookupByUUIDString(UUID).destroy()


def test_a_domain_that_left_has_no_definition(connection: Connection) -> None:
    assert connection.definition("00000000-0000-4000-8000-000000000000") is None


def test_a_closed_connection_is_not_alive_and_refuses(uri: str) -> None:
    connection = source.connect(uri)
    connection.close()

    assert not connection.is_alive()
    with pytest.raises(SourceUnavailable, match="refuses"):
        connection.statistics(unblockable=False)


def test_nobody_at_the_socket_is_a_source_that_is_away(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SourceUnavailable, match="nothing-here"):
        source.connect(f"qemu:///system?socket={tmp_path}/nothing-here")
    assert capfd.readouterr().err == ""


def test_without_the_binding_the_source_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libvirt", None)
    monkeypatch.setattr(source, "_binding", source._binding.__wrapped__)

    with pytest.raises(SourceUnavailable, match="apt install python3-libvirt"):
        source.connect("qemu:///system")

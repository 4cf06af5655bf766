from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from agent.discovery import Discovery, generation
from agent.instance import Domain, DomainStats
from tests.agent.pretend import BOOT, NOW, WEB, instances_of, make_domain, recorded_stats

DOMAIN = make_domain(recorded_stats("running", WEB))


def test_an_instance_has_the_owner_nova_noted() -> None:
    (instance,) = instances_of(DOMAIN)

    assert instance.id == WEB
    assert instance.project_id == "9c6b0c5e3f7d4f2c8f5d2b7a1e4c9d80"
    assert instance.user_id == "5f0a1d6e4c2b4a0fa4f1c9c1d3e8b7a6"


def test_samples_carry_the_metadata_people_group_by() -> None:
    (instance,) = instances_of(DOMAIN)

    assert instance.metadata == {
        "display_name": "web-1",
        "name": "instance-00000001",
        "instance_id": WEB,
        "host": "cmp01",
        "instance_host": "cmp01",
        "status": "active",
        "cpu_number": 2,
        "vcpus": 2,
        "image_ref": "3b1f0f6e-0c58-4a3a-9a7e-5cf1b6a6d0aa",
        "created_at": "2026-11-22 23:31:37",
        "os_type": "hvm",
        "architecture": "x86_64",
        "instance_type": "m1.tiny",
        "flavor": {
            "id": None,
            "name": "m1.tiny",
            "vcpus": 2,
            "ram": 64,
            "disk": 1,
            "ephemeral": 0,
            "swap": 0,
        },
        "memory_mb": 64,
        "root_gb": 1,
        "ephemeral_gb": 0,
        "disk_gb": 1,
    }


def test_a_guest_reboot_or_a_restart_of_libvirtd_keeps_the_generation() -> None:
    later = replace(DOMAIN, stats=DomainStats(state=1))

    assert generation(BOOT, later) == generation(BOOT, DOMAIN)


@pytest.mark.parametrize(
    ("boot", "domain"),
    [
        pytest.param("another boot", DOMAIN, id="the host was booted"),
        pytest.param(BOOT, replace(DOMAIN, number=2), id="the guest was stopped and started"),
        pytest.param(BOOT, replace(DOMAIN, started="4712"), id="the numbers began again and met by chance"),
    ],
)
def test_whatever_restarts_counters_changes_the_generation(boot: str, domain: Domain) -> None:
    assert generation(boot, domain) != generation(BOOT, DOMAIN)


def test_a_malformed_definition_leaves_the_instance_unattributed_and_is_said_once() -> None:
    broken = replace(DOMAIN, xml="<domain>")
    discovery = Discovery(lambda _now: [broken], node="cmp01", boot_id=BOOT)

    with capture_logs() as logs:
        instances = [*discovery.read(NOW), *discovery.read(NOW)]

    assert [(i.id, i.project_id, i.metadata["display_name"]) for i in instances] == [
        (WEB, None, "instance-00000001")
    ] * 2
    assert [entry["event"] for entry in logs] == ["instance_unattributed"]


def test_a_rename_or_resize_shows_with_the_next_definition() -> None:
    domains = [DOMAIN]
    discovery = Discovery(lambda _now: domains, node="cmp01", boot_id=BOOT)
    discovery.read(NOW)

    domains[0] = replace(DOMAIN, xml=DOMAIN.xml.replace("m1.tiny", "m1.huge"))

    assert discovery.read(NOW)[0].metadata["instance_type"] == "m1.huge"

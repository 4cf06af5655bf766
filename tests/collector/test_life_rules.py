"""The rules by which notifications tell of lives: a wrong one is named, every packaged one is shown."""

import pytest

from collector.envelope import decode_notification
from collector.errors import InvalidDefinition
from collector.lifecycle_definitions import LifeRule, life_rules_of, load_life_rules
from collector.lifecycle_mapping import LifecycleMapping
from collector.service_files import read_service_file
from storage.fact import Fact
from storage.lifecycle import chain
from tests.collector.lives import MAPPING, NOW, RECORDED, facts, notification

OWN = """
service: mine
lifecycle:
  - kind: thing
    says: [thing.*]
    ends: [thing.gone]
    only: {payload.outcome: [success]}
    resource: payload.id
    type: {path: payload.type, lower: true}
    attributes: {color: payload.color}
"""


def own(text: str) -> LifecycleMapping:
    return LifecycleMapping(life_rules_of(read_service_file("mine.yaml", text)))


def test_a_condition_keeps_out_what_has_not_happened_yet() -> None:
    gone = {"id": "t-1", "outcome": "pending", "type": "BIG", "color": "red"}
    told = [
        notification("thing.new", gone | {"outcome": "success"}, "10:00:00"),
        notification("thing.gone", gone, "11:00:00"),
    ]

    (found,) = chain(facts(*told, mapping=own(OWN)))

    assert (found.end, found.attributes.type, found.attributes.more) == (None, "big", (("color", "red"),))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("says: [thing.*]", "says: [th*ng]", "* stands only at the end"),
        ("    says: [thing.*]\n    ends: [thing.gone]\n", "", "needs some of begins"),
        ("color: payload.color", "password: payload.x", "names a secret"),
        ("resource: payload.id", "resource: ''", "is not a path"),
        ("kind: thing", f"kind: {'x' * 33}", "a kind has 1 to 32"),
        ("kind: thing", "kin: thing", "unknown field `kin`"),
    ],
)
def test_a_wrong_rule_is_named(old: str, new: str, complaint: str) -> None:
    assert old in OWN

    with pytest.raises(InvalidDefinition, match=r"mine\.yaml.*lifecycle\[0\]") as raised:
        own(OWN.replace(old, new))

    assert complaint in str(raised.value)


def recorded() -> dict[str, list[Fact]]:
    """What each recorded notification tells, by its file's name."""
    paths = [path for path in sorted(RECORDED.glob("*/*.json")) if not path.name.endswith(".expected.json")]
    return {path.stem: MAPPING.facts(decode_notification(path.read_bytes()), NOW) for path in paths}


@pytest.mark.parametrize(
    "rule", [rule for rule in load_life_rules() if rule.roles], ids=lambda rule: rule.kind
)
def test_every_packaged_rule_is_shown_by_a_recorded_notification(rule: LifeRule) -> None:
    paths = [path for path in sorted(RECORDED.glob("*/*.json")) if not path.name.endswith(".expected.json")]
    told = [decode_notification(path.read_bytes()) for path in paths]
    over = [
        notification("magnum.cluster.delete", {"target": {"id": "c-1"}, "outcome": "success"}, "10:00:00"),
        *(
            notification(
                f"{kind}.exists", {f"{kind}_id": "x", "tenant_id": "p-1", "status": "deleted"}, "10:00:00"
            )
            for kind in ("volume", "snapshot", "backup")
        ),
    ]

    found = facts(*told, *over, mapping=LifecycleMapping([rule]))

    assert found
    assert all(
        rule.project is None or fact.attributes.project_id for fact in found if fact.evidence != "told"
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("compute.instance.delete.end", ["ends/event", "begins/told", "ends/told"]),
        ("volume.delete.end", ["ends/event", "begins/told"]),
        ("volume.exists", ["is/seen", "begins/told"]),
        ("volume.usage", []),
        ("image.send", []),
        ("image.upload.failed", []),
        ("trove.instance.delete", ["ends/event", "begins/told", "ends/told"]),
        ("orchestration.autoscaling.end", []),
        ("magnum.cluster.create", ["begins/event"]),
        ("magnum.cluster.delete.failed", []),
        ("octavia.loadbalancer.delete.end", ["ends/event"]),
        ("dns.zone.exists", ["is/seen", "begins/told"]),
        ("baremetal.node.power_set.end", ["is/event", "begins/told"]),
        ("hardware.ipmi.metrics", []),
    ],
)
def test_recorded_notifications_tell_what_they_are_about(name: str, expected: list[str]) -> None:
    found = [f"{fact.what}/{fact.evidence}" for fact in recorded()[name]]

    assert found == expected

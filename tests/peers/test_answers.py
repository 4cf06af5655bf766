"""What Ceilometer 27 makes of a notification, we make, too, or it is said here why not.

Its answers are recorded (`answers.json`, renewed by `make peers`). A sample of its is compared with ours of the same
meter and resource: kind, unit, volume, project, user and time; and what describes it where its definition names
that. Where its definition names nothing it keeps the whole payload, numbers and all; ours are chosen.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest

from tests.collector.corpus import expected
from tests.peers.record import answers, recorded

ANSWERS = answers()
PATHS = recorded()
PLAIN = ("unit", "type", "project_id", "user_id", "volume")
DESCRIBED = (
    "nova",
    "cinder/volume",
    "cinder/snapshot",
    "cinder/backup",
    "heat",
    "trove",
    "manila",
    "designate",
)

# (notification, meter, field): why ours is right. A field of None: there is no such sample of ours.
DEVIATIONS: Mapping[tuple[str, str, str | None], str] = {
    (
        "designate/dns.domain.exists",
        "dns.domain.exists",
        "type",
    ): "each audit tells of one period, so the seconds add up: a cumulative meter that never grows bills nothing",
    (
        "designate/dns.domain.exists",
        "dns.domain.exists",
        "user_id",
    ): "the user of the audit's context is designate's own, not the domain's",
    (
        "trove/trove.instance.exists",
        "trove.instance.exists",
        "type",
    ): "as with domains: the seconds of each audit add up",
    (
        "ironic/hardware.ipmi.metrics",
        "hardware.ipmi.current",
        None,
    ): "an average power in watts among the currents is the meter hardware.ipmi.power here",
    (
        "keystone/identity.authenticate.success",
        "identity.authenticate.success",
        "project_id",
    ): "the payload says for which project the user logged in",
    (
        "neutron/l3.meter",
        "bandwidth",
        "project_id",
    ): "Neutron sends project_id, Ceilometer reads tenant_id: its traffic belongs to nobody",
    (
        "neutron/l3.meter.300",
        "bandwidth",
        None,
    ): "granular traffic has no label_id: Ceilometer's sample is of no resource at all, ours of the one that is named",
    (
        "nova/compute.instance.create.end",
        "compute.instance.booting.time",
        "user_id",
    ): "the payload names the server's owner, the context whoever is an administrator",
    (
        "nova/compute.metrics.update",
        "compute.node.cpu.",
        "timestamp",
    ): "Ceilometer takes the time of the first metric, which is cut to seconds; ours is that of the notification",
    (
        "designate/dns.domain.exists",
        "dns.domain.exists",
        "metadata host",
    ): "the node that counted describes no domain",
    (
        "manila/share.",
        "manila.share.size",
        "metadata protocol",
    ): "called proto here, as by Manila",
}


def _same(notification: str, meter: str, field: str | None) -> str | None:
    """The deviation this is, if it is one of the table."""
    return next(
        (
            reason
            for (where, which, what), reason in DEVIATIONS.items()
            if notification.startswith(where) and meter.startswith(which) and what == field
        ),
        None,
    )


@pytest.mark.parametrize("notification", sorted(ANSWERS))
def test_every_sample_ceilometer_makes_we_make_or_it_is_said_why_not(notification: str) -> None:
    assert notification in PATHS, "its recorded notification is gone: make peers"

    unexplained = [
        (meter, field, theirs, mine)
        for sample in ANSWERS[notification] or ()
        for meter, field, theirs, mine in _differences(notification, sample)
        if _same(notification, meter, field) is None
    ]

    assert unexplained == []


def test_every_deviation_of_the_table_is_still_one() -> None:
    found = {
        (notification, meter, field)
        for notification, samples in ANSWERS.items()
        for sample in samples or ()
        for meter, field, *_ in _differences(notification, sample)
    }

    for where, which, what in DEVIATIONS:
        assert any(
            notification.startswith(where) and meter.startswith(which) and field == what
            for notification, meter, field in found
        ), (where, which, what)


def _differences(
    notification: str, theirs: Mapping[str, object]
) -> Iterator[tuple[str, str | None, object, object]]:
    """(meter, field, theirs, ours) of what is not the same; a field of None when we have no such sample."""
    meter, ours = str(theirs["name"]), expected(PATHS[notification])["samples"]
    assert isinstance(ours, list)
    same = [one for one in ours if (one["meter"], one["resource_id"]) == (meter, theirs["resource_id"])]
    if not same:
        yield meter, None, theirs["resource_id"], None
        return
    mine = same[0]
    for field in PLAIN:
        if (theirs[field] or None) != (mine.get(field) or None):
            yield meter, field, theirs[field], mine.get(field)
    if _moment(theirs["timestamp"]) != _moment(mine["timestamp"]):
        yield meter, "timestamp", theirs["timestamp"], mine["timestamp"]
    if notification.startswith(DESCRIBED):
        yield from _described(meter, theirs["resource_metadata"], mine.get("metadata", {}))


def _described(meter: str, theirs: object, mine: object) -> Iterator[tuple[str, str, object, object]]:
    assert isinstance(theirs, dict)
    assert isinstance(mine, dict)
    for key, value in theirs.items():
        if value not in (None, "", {}, []) and mine.get(key) != value:
            yield meter, f"metadata {key}", value, mine.get(key)


def _moment(text: object) -> datetime:
    moment = datetime.fromisoformat(str(text))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment

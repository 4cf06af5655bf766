"""An event is known by who sent it and how they named it."""

from dataclasses import replace

from storage.event import Event
from tests.factories import NOW

EVENT = Event("m-1", "compute.cmp01", "compute.instance.create.end", NOW)


def test_an_event_sent_twice_has_one_id() -> None:
    assert EVENT.id == replace(EVENT, raw={"sent": "again"}).id
    assert len(EVENT.id) == 16


def test_senders_that_number_alike_are_told_apart() -> None:
    assert (
        len({EVENT.id, replace(EVENT, publisher_id="compute.cmp02").id, replace(EVENT, message_id="m-2").id})
        == 3
    )

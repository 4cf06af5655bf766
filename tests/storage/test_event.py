"""An event is known by who sent it and how they named it."""

from dataclasses import replace

from storage.event import Event, Trait, Traits
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


def test_traits_kept_as_values_are_those_kept_one_by_one() -> None:
    one_by_one = (Trait("name", "text", "web"), Trait("size", "integer", 3))

    together = Traits.of(one_by_one)

    assert together == one_by_one
    assert replace(EVENT, traits=together) == replace(EVENT, traits=one_by_one)
    assert hash(together) == hash(one_by_one)
    assert (together[1], together[:1], len(together)) == (one_by_one[1], one_by_one[:1], 2)
    assert together != Traits.of((Trait("name", "text", "web"), Trait("size", "float", 3)))

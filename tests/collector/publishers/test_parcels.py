from dataclasses import replace

from collector.parcels import events_of, owed_events, owed_samples, samples_of
from storage.sample import make_id
from tests.collector.publishers.stubs import EVENT
from tests.factories import sample, series


def test_samples_and_events_come_back_as_they_were() -> None:
    samples = [
        sample(metadata={"a": {"b": [1, 2.5, None, "☺"]}}, generation="boot-1"),
        sample(
            type="delta", meter="requests", id=make_id("one"), user_id=None, project_id=None, generation=None
        ),
        sample(type="gauge", volume=0.1, unit="%", source="here"),
        sample(type="gauge", volume=2.0, unit="%"),
        sample(volume=2**63 - 1),
    ]

    there = [one for owed in owed_samples("x", samples) for one in samples_of(owed.body)]
    happened = [
        one for owed in owed_events("x", [EVENT, replace(EVENT, raw=None)]) for one in events_of(owed.body)
    ]

    assert sorted(there, key=repr) == sorted(samples, key=repr)
    assert happened == [EVENT, replace(EVENT, raw=None)]
    assert [type(trait.value) for trait in happened[0].traits] == [
        type(trait.value) for trait in EVENT.traits
    ]


def test_batches_stay_small_whatever_is_in_them() -> None:
    large = [sample(resource_id=f"vm-{i}", metadata={"text": f"{i}" * 300_000}) for i in range(8)]

    owed = list(owed_samples("x", large))

    assert max(len(one.body) for one in owed) < 2**20 + 2**19
    assert sum(one.pieces for one in owed) == 8
    assert [one.pieces for one in owed_samples("x", series(4_500))] == [2_000, 2_000, 500]

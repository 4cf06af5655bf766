"""Some samples of a batch are those that were meant, with no name too many."""

from itertools import combinations

import pytest

from storage.ingest.arranged import arrange
from storage.ingest.choosing import of_meters, tight
from storage.sample import make_id
from tests.factories import CPU_UTIL, sample, series

SAMPLES = [
    *series(3),
    CPU_UTIL,
    *series(2, meter="disk.usage", resource_id="other"),
    sample(type="delta", meter="requests", id=make_id("one"), resource_id="third", metadata={"a": 1}),
    sample(type="delta", meter="cpu", id=make_id("two")),
]
METERS = range(len(arrange(SAMPLES).meters))


@pytest.mark.parametrize(
    "places", [set(some) for count in (0, 1, 2, 5) for some in combinations(METERS, count)]
)
def test_the_samples_of_some_meters_are_left_and_no_others(places: set[int]) -> None:
    batch = arrange(SAMPLES)
    names = {(batch.meters[place].name, batch.meters[place].type) for place in places}

    chosen = of_meters(batch, places)

    assert chosen.samples() == [one for one in batch.samples() if (one.meter, one.type) in names]
    assert tight(chosen).samples() == chosen.samples()
    assert {meter.name for meter in tight(chosen).meters} == {name for name, _ in names}
    assert {key.resource_id for key in tight(chosen).resources} == {
        one.resource_id for one in chosen.samples()
    }

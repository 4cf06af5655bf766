from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent.thinning import thin
from storage.sample import Sample, SampleType
from tests.agent.pretend import NOW


def reading(
    kind: SampleType, volume: int, minute: int, *, resource: str = "vm", generation: str | None = "g1"
) -> Sample:
    moment = NOW + timedelta(minutes=minute)
    return Sample("m", kind, "B", volume, resource, None, moment, generation=generation)


def test_gauges_go_first() -> None:
    counter = reading("cumulative", 5, 1)

    assert thin([reading("gauge", 1, 0), counter, reading("gauge", 2, 2)]) == [counter]


def test_of_a_counter_the_first_and_last_reading_of_each_life_stay() -> None:
    first_life = [reading("cumulative", volume, volume) for volume in (1, 2, 3)]
    second_life = [reading("cumulative", volume, 10 + volume, generation="g2") for volume in (0, 4, 9)]

    kept = thin([*first_life, *second_life])

    assert kept == [first_life[0], first_life[2], second_life[0], second_life[2]]


def test_deltas_all_stay() -> None:
    deltas = [reading("delta", 1, minute, generation=None) for minute in range(4)]

    assert thin(deltas) == deltas


lives = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["g1", "g2"]), st.integers(0, 100)), max_size=30
)


@given(lives)
def test_thinning_changes_no_usage(steps: list[tuple[str, str, int]]) -> None:
    counters: dict[tuple[str, str], int] = {}
    samples = []
    for minute, (resource, generation, growth) in enumerate(steps):
        counters[resource, generation] = counters.get((resource, generation), 0) + growth
        volume = counters[resource, generation]
        samples.append(reading("cumulative", volume, minute, resource=resource, generation=generation))

    assert usage(thin(samples)) == usage(samples)


def usage(samples: list[Sample]) -> dict[tuple[str, str | None], int | float]:
    """What was used of each life: the sum of its increases."""
    total: dict[tuple[str, str | None], int | float] = {}
    for life in {(sample.resource_id, sample.generation) for sample in samples}:
        values = [s.volume for s in samples if (s.resource_id, s.generation) == life]
        total[life] = sum(later - earlier for earlier, later in pairwise(values))
    return total

"""What may go when there is no more room, so that what remains still adds up."""

from collections.abc import Iterable

from storage.sample import Sample


def thin(samples: Iterable[Sample]) -> list[Sample]:
    """The samples without which usage would be wrong, in their order.

    Gauges go. Of each life of a cumulative counter the first and the last reading stay: what was used
    between them remains exact, only when is lost. Deltas all stay: each is usage of its own.
    """
    everything = list(samples)
    ends: dict[tuple[str, str, str | None], tuple[int, int]] = {}
    for position, sample in enumerate(everything):
        if sample.type == "cumulative":
            life = (sample.resource_id, sample.meter, sample.generation)
            ends[life] = (ends.get(life, (position, 0))[0], position)
    kept = {position for pair in ends.values() for position in pair}
    return [
        sample for position, sample in enumerate(everything) if sample.type == "delta" or position in kept
    ]

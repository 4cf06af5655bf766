"""Samples, one by one, made a batch."""

from collections.abc import Iterable

from storage.arrangement import Arrangement, canonical
from storage.batch import Deltas, Polled, SampleBatch, integers
from storage.keys import VersionKey
from storage.sample import Sample


def arrange(samples: Iterable[Sample]) -> SampleBatch:
    """Normalized samples as columns; those that share one metadata object cost its text once."""
    arrangement: Arrangement[VersionKey] = Arrangement()
    bodies: dict[int, str] = {}
    keys: dict[tuple[str | None, str, str | None, str], VersionKey] = {}
    held = list(samples)  # metadata objects are told apart by their place in memory
    for sample in held:
        body = bodies.get(id(sample.metadata))
        if body is None:
            body = bodies[id(sample.metadata)] = canonical(sample.metadata)
        parts = (sample.user_id, sample.source, sample.generation, body)
        arrangement.add(sample, keys.get(parts) or keys.setdefault(parts, VersionKey(*parts)), sample.id)
    columns = arrangement.arranged()
    rows = integers(columns.rows).reshape(-1, 4).T
    deltas = integers(columns.deltas).reshape(-1, 5).T
    return SampleBatch(
        list(arrangement.resources),
        list(arrangement.versions),
        list(arrangement.meters),
        columns.shapes,
        Polled(rows[0], rows[1], rows[2], rows[3], integers(columns.readings)),
        Deltas(deltas[0], deltas[1], deltas[2], deltas[3], deltas[4], columns.ids),
    )

"""Samples, one by one, made a batch."""

from collections.abc import Iterable

from storage.ingest.arrangement import Arrangement, canonical
from storage.ingest.batch import Deltas, Polled, SampleBatch, integers
from storage.ingest.keys import VersionKey
from storage.sample import Sample


def arrange(samples: Iterable[Sample]) -> SampleBatch:
    """Normalized samples as columns; those that share one metadata object cost its text once."""
    arrangement: Arrangement[tuple[str | None, str, str]] = Arrangement()
    bodies: dict[int, str] = {}
    held = list(samples)  # metadata objects are told apart by their place in memory
    for sample in held:
        body = bodies.get(id(sample.metadata))
        if body is None:
            body = bodies[id(sample.metadata)] = canonical(sample.metadata)
        arrangement.add(sample, (sample.user_id, sample.source, body), sample.id)
    columns = arrangement.arranged()
    rows = integers(columns.rows).reshape(-1, 4).T
    deltas = integers(columns.deltas).reshape(-1, 5).T
    return SampleBatch(
        list(arrangement.resources),
        [
            VersionKey(user, source, generation, body, counters_only)
            for (user, source, body), generation, counters_only in columns.versions
        ],
        list(arrangement.meters),
        columns.shapes,
        Polled(rows[0], rows[1], rows[2], rows[3], integers(columns.readings)),
        Deltas(deltas[0], deltas[1], deltas[2], deltas[3], deltas[4], columns.ids),
    )

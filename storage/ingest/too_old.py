"""Readings that are older than anything that is kept: quarantined with what they said, never stored."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

from storage.ingest.batch import SampleBatch
from storage.ingest.choosing import of_rows
from storage.sample import Refused, Sample, from_microseconds

TOO_OLD_ORIGIN = "store"  # who sent a reading is not known here any more
READINGS_A_BODY = 5000  # well below what quarantine keeps whole


def older(batch: SampleBatch, start: int) -> tuple[SampleBatch, SampleBatch]:
    """The readings since `start` (microseconds since 1970 UTC), and those before it."""
    young, young_deltas = batch.polled.ts >= start, batch.deltas.ts >= start
    return of_rows(batch, young, young_deltas), of_rows(batch, ~young, ~young_deltas)


def refuse(old: SampleBatch, start: int, received_at: datetime) -> list[Refused]:
    """What to quarantine: all readings of a resource together, as JSON, where they say the same beside them."""
    kept_from = from_microseconds(start).isoformat()
    refused = []
    for samples in _together(old.samples()):
        reason = (
            f"older than the retention: samples before {kept_from} are not taken ({len(samples)} of them)"
        )
        refused.append(Refused(reason, _evidence(samples), TOO_OLD_ORIGIN, received_at))
    return refused


def _together(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    groups: dict[tuple[object, ...], list[Sample]] = {}
    for sample in samples:
        about = (sample.project_id, sample.resource_id, sample.user_id, sample.source, sample.generation)
        groups.setdefault((*about, id(sample.metadata)), []).append(sample)
    for group in groups.values():
        supply = iter(group)
        while some := list(islice(supply, READINGS_A_BODY)):
            yield some


def _evidence(samples: Sequence[Sample]) -> bytes:
    about = samples[0]
    readings = [
        [
            one.meter,
            one.type,
            one.unit,
            one.volume,
            one.timestamp.isoformat(),
            one.id.hex() if one.id else None,
        ]
        for one in samples
    ]
    content = {
        "resource_id": about.resource_id,
        "project_id": about.project_id,
        "user_id": about.user_id,
        "source": about.source,
        "generation": about.generation,
        "metadata": about.metadata,
        "readings": readings,
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()

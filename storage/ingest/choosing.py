"""Some samples of a batch, as columns."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from storage.columns import Integers
from storage.ingest.batch import SampleBatch, chosen_deltas, chosen_polled, spread, starts, widths_of
from storage.ingest.keys import ID_BYTES


def of_rows(batch: SampleBatch, rows: NDArray[np.bool_], entries: NDArray[np.bool_]) -> SampleBatch:
    """The samples of these rows, and these delta samples; the names stay."""
    polled, deltas = batch.polled, batch.deltas
    width = widths_of(batch.shapes)[polled.shape]
    readings = polled.readings[spread(starts(width)[rows], width[rows])]
    ids = np.frombuffer(deltas.ids, np.dtype((np.void, ID_BYTES)))[entries].tobytes()
    return replace(
        batch,
        polled=chosen_polled(polled, rows, readings),
        deltas=chosen_deltas(deltas, entries, ids),
    )


def of_meters(batch: SampleBatch, meters: Collection[int]) -> SampleBatch:
    """The samples of the meters at these places; the names stay."""
    if len(meters) == len(batch.meters):
        return batch
    shapes = [tuple(meter for meter in shape if meter in meters) for shape in batch.shapes]
    width, of_shape = widths_of(batch.shapes), batch.polled.shape
    is_meant = np.array([meter in meters for shape in batch.shapes for meter in shape], np.bool_)
    readings = is_meant[spread(starts(width)[of_shape], width[of_shape])]
    rows = chosen_polled(batch.polled, widths_of(shapes)[of_shape] > 0, batch.polled.readings[readings])
    entries = np.isin(batch.deltas.meter, np.array(list(meters), np.int64))
    others = of_rows(batch, np.zeros(len(of_shape), np.bool_), entries)
    return replace(batch, shapes=shapes, polled=rows, deltas=others.deltas)


def tight(batch: SampleBatch) -> SampleBatch:
    """The same samples with no name that none of them needs."""
    polled, deltas = batch.polled, batch.deltas
    resources, resource, owner = _used(polled.resource, deltas.resource)
    versions, version, around = _used(polled.version, deltas.version)
    shapes, shape, _ = _used(polled.shape, deltas.meter[:0])
    needed = sorted({meter for place in shapes for meter in batch.shapes[place]} | {*deltas.meter.tolist()})
    place_of = {meter: place for place, meter in enumerate(needed)}
    meter = np.array([place_of[one] for one in deltas.meter.tolist()], np.int64)
    return SampleBatch(
        [batch.resources[place] for place in resources],
        [batch.versions[place] for place in versions],
        [batch.meters[place] for place in needed],
        [tuple(place_of[meter] for meter in batch.shapes[place]) for place in shapes],
        replace(polled, resource=resource, version=version, shape=shape),
        replace(deltas, resource=owner, version=around, meter=meter),
    )


def _used(first: Integers, second: Integers) -> tuple[Sequence[int], Integers, Integers]:
    """The places that are named, and what names them, counted among these."""
    places, among = np.unique(np.concatenate((first, second)), return_inverse=True)
    return places.tolist(), among[: len(first)], among[len(first) :]

"""The numbers of many readings settled at once, as `collector.normalize` settles each."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from collector.normalize import EXACT_FLOAT, INTEGER_UNITS
from storage.columns import Integers
from storage.ingest.batch import SampleBatch, spread, starts, widths_of
from storage.ingest.keys import MeterKey
from storage.sample import INT64_MIN

_Flags = NDArray[np.bool_]


def settle_volumes(batch: SampleBatch) -> SampleBatch | None:
    """The batch with each meter integer or real as its unit says; None when a reading would be refused.

    Also None when readings of one meter would end up some integer and some real, and when a reading is among the
    polled ones that needs an id, or the other way round.
    """
    widths, flat = widths_of(batch.shapes), _flat(batch.shapes)
    shape = batch.polled.shape
    polled = flat[spread(starts(widths)[shape], widths[shape])]
    is_delta = _flags(batch.meters, [meter.type == "delta" for meter in batch.meters])
    deltas = batch.deltas
    if is_delta[polled].any() or not is_delta[deltas.meter].all():
        return None
    bits = np.concatenate((batch.polled.readings, deltas.volume))
    settled = _settled(batch.meters, np.concatenate((polled, deltas.meter)), bits)
    if settled is None:
        return None
    meters, count = settled, len(polled)
    return replace(
        batch,
        meters=meters,
        polled=replace(batch.polled, readings=bits[:count]),
        deltas=replace(deltas, volume=bits[count:]),
    )


def _settled(meters: Sequence[MeterKey], meter: Integers, bits: Integers) -> list[MeterKey] | None:
    """The meters as their readings turn out; `bits`, whose meters are `meter`, are changed in place."""
    real = _flags(meters, [kind.real for kind in meters])
    whole = _flags(meters, [kind.unit in INTEGER_UNITS for kind in meters])
    counted = _flags(meters, [kind.type != "gauge" for kind in meters])
    of_float = real[meter]
    if of_float.any():
        floats = bits[of_float].view(np.float64) + 0.0  # -0.0 becomes 0.0
        if not np.isfinite(floats).all():
            return None
        bits[of_float] = floats.view(np.int64)
    if (counted[meter] & (bits < 0)).any():
        return None
    kinds = list(meters)
    for place in np.flatnonzero(real == whole).tolist():
        chosen = meter == place
        turned = _turned(bits[chosen], real=bool(real[place]))
        if turned is None:
            return None
        bits[chosen], is_real = turned
        kinds[place] = kinds[place]._replace(real=is_real)
    return kinds


def _turned(bits: Integers, *, real: bool) -> tuple[Integers, bool] | None:
    """Readings of the other kind than their unit suggests, and whether they are real; None when they do not agree."""
    if not real:
        exact = (bits >= -EXACT_FLOAT) & (bits <= EXACT_FLOAT)
        return (bits.astype(np.float64).view(np.int64), True) if exact.all() else None
    floats = bits.view(np.float64)
    integral = floats == np.floor(floats)
    if not integral.any():
        return bits, True
    fits = integral & (floats >= INT64_MIN) & (floats < -float(INT64_MIN))
    return (floats.astype(np.int64), False) if fits.all() else None


def _flags(meters: Sequence[MeterKey], values: list[bool]) -> _Flags:
    return np.array(values, np.bool_).reshape(len(meters))


def _flat(shapes: Sequence[tuple[int, ...]]) -> Integers:
    return np.fromiter((meter for shape in shapes for meter in shape), np.int64)

"""Samples as columns written as batches of version 2 (`collector.frame`), and read again, none of them an object."""

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from collector import columns
from collector.frame import CODES, COUNTS, MAGIC, Parts
from collector.instants import EARLIEST, LATEST
from collector.listed import encode_json
from storage.columns import Integers
from storage.ingest.batch import SampleBatch, widths_of
from storage.ingest.choosing import tight
from storage.ingest.keys import MeterKey, ResourceKey, VersionKey
from storage.sample import to_microseconds

_FIRST, _END = to_microseconds(EARLIEST), to_microseconds(LATEST)
_KINDS = {width: np.dtype(f"<{code}") for width, code in CODES.items()}


def encode_batch(batch: SampleBatch) -> bytes:
    """A message of version 2 with these samples, of which there is at least one; all deltas have ids."""
    found = tight(batch)
    polled, deltas = found.polled, found.deltas
    times = [column for column in (polled.ts, deltas.ts) if len(column)]
    first = min(int(column.min()) for column in times)
    time = _width(max(int(column.max()) for column in times) - first + 1)
    start = first if time < 8 else 0
    of_kinds = _width(max(len(found.shapes), len(found.meters)))
    widths = _width(len(found.resources)), _width(len(found.versions)), of_kinds, time
    text = _names(found)
    sizes = len(text), len(polled.ts), len(polled.readings), len(deltas.ts)
    rows = polled.resource, polled.version, polled.shape, polled.ts - start
    entries = deltas.resource, deltas.version, deltas.meter, deltas.ts - start
    parts = [MAGIC, COUNTS.pack(*sizes, *widths, start), text]
    parts += [_column(*one) for one in zip(rows, widths, strict=True)]
    parts.append(_column(polled.readings, 8))
    parts += [_column(*one) for one in zip(entries, widths, strict=True)]
    return b"".join([*parts, _column(deltas.volume, 8), deltas.ids])


def decode_batch(parts: Parts) -> SampleBatch | None:
    """The samples of a message that `encode_batch` wrote; None when it is not plainly that."""
    try:
        names = msgspec.json.decode(parts.text, type=_Names)
        bodies = [bytes(raw).decode() for raw in names.metadata]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    frames = columns.join([parts])
    polled, deltas, shapes = frames.polled, frames.deltas, names.shapes
    meters = {meter for shape in shapes for meter in shape}
    is_sound = (
        not names.others[1]
        and _is_within(polled.resource, names.resources)
        and _is_within(deltas.resource, names.resources)
        and _is_within(polled.version, names.versions)
        and _is_within(deltas.version, names.versions)
        and _is_within(polled.shape, shapes)
        and _is_within(deltas.meter, names.meters)
        and meters <= set(range(len(names.meters)))
        and _are_times(polled.ts)
        and _are_times(deltas.ts)
        and all(0 <= version[3] < len(names.metadata) for version in names.versions)
    )
    if not is_sound or int(widths_of(shapes)[polled.shape].sum()) != len(polled.readings):
        return None
    return SampleBatch(
        [ResourceKey(project or "", resource) for resource, project in names.resources],
        [
            VersionKey(user, source, generation, bodies[place], bool(counters_only))
            for user, source, generation, place, counters_only in names.versions
        ],
        [MeterKey(name, kind, unit, bool(real)) for name, kind, unit, real in names.meters],
        [tuple(shape) for shape in shapes],
        polled,
        deltas,
    )


class _Names(msgspec.Struct, array_like=True, frozen=True):
    """The names of a message, as `collector.frame` has them."""

    resources: list[tuple[str, str | None]]
    metadata: list[msgspec.Raw]
    versions: list[tuple[str | None, str, str | None, int, int]]
    meters: list[tuple[str, Literal["gauge", "delta", "cumulative"], str, int]]
    shapes: list[list[int]]
    others: tuple[list[msgspec.Raw], list[msgspec.Raw]]


def _names(batch: SampleBatch) -> bytes:
    places: dict[str, int] = {}
    versions = [
        (
            one.user_id,
            one.source,
            one.generation,
            places.setdefault(one.body, len(places)),
            int(one.counters_only),
        )
        for one in batch.versions
    ]
    resources = encode_json([(one.resource_id, one.project_id or None) for one in batch.resources])
    metadata = b",".join([body.encode("utf-8", "replace") for body in places])
    meters = encode_json([(one.name, one.type, one.unit, int(one.real)) for one in batch.meters])
    lists = (
        resources,
        b"[" + metadata + b"]",
        encode_json(versions),
        meters,
        encode_json(batch.shapes),
        b"[[],[]]",
    )
    return b"[" + b",".join(lists) + b"]"


def _column(values: Integers, width: int) -> bytes:
    return values.astype(_KINDS[width]).tobytes()


def _is_within(places: Integers, names: Sequence[object]) -> bool:
    return not len(places) or (int(places.min()) >= 0 and int(places.max()) < len(names))


def _are_times(moments: Integers) -> bool:
    return not len(moments) or (int(moments.min()) >= _FIRST and int(moments.max()) <= _END)


def _width(count: int) -> int:
    """Bytes of an entry that is one of so many."""
    return next(width for width in (1, 2, 4, 8) if count <= 1 << (8 * width))

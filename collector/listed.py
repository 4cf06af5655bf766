"""Readings as lists of twelve values, which any JSON reader can read: all of a batch of version 1, the odd ones of 2.

[meter, type, unit, volume, resource_id, project_id, microseconds since 1970, user_id, source,
 index into the metadata list, generation, hex id]
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from collector.draft import Draft, unreadable
from collector.strict_json import parse
from storage.sample import Sample, from_microseconds, to_microseconds


def lists_of(samples: Sequence[Sample]) -> tuple[list[object], list[list[object]]]:
    """The metadata, equal ones once, and a list for each sample."""
    known: dict[bytes, int] = {}
    metadata: list[object] = []
    rows: list[list[object]] = []
    for sample in samples:
        flat = dict(sample.metadata)
        index = known.setdefault(encode_json(flat), len(metadata))
        if index == len(metadata):
            metadata.append(flat)
        rows.append(_row(sample, index))
    return metadata, rows


def draft_of(row: object, metadata: Sequence[object]) -> Draft:
    """The draft of one row; a row of the wrong shape becomes a draft that says so when it is normalised."""
    if not isinstance(row, list) or len(row) != 12:
        return unreadable("a reading of the batch is not a list of 12 values")
    (
        meter,
        kind,
        unit,
        volume,
        resource_id,
        project_id,
        moment,
        user_id,
        source,
        index,
        generation,
        identity,
    ) = row
    known = type(index) is int and 0 <= index < len(metadata)
    return Draft(
        meter=meter,
        type=kind,
        unit=unit,
        volume=volume,
        resource_id=resource_id,
        project_id=project_id,
        timestamp=moment_of(moment),
        user_id=user_id,
        source=source,
        metadata=metadata[index] if known else index,
        generation=generation,
        id=_identity(identity),
    )


def moment_of(microseconds: object) -> datetime | None:
    """The time of these microseconds, or one that is refused as out of range; None for what is no integer."""
    if type(microseconds) is not int:
        return None
    try:
        return from_microseconds(microseconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def encode_json(value: object) -> bytes:
    """JSON of anything a sample may hold, lone surrogates and endless integers too."""
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError):  # a lone surrogate; the collector will replace it
        return json.dumps(value, separators=(",", ":"), default=str).encode()


def parse_json(text: bytes) -> object:
    """The value of a JSON text; raises InvalidMessage."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return parse(text)  # the slow reader tells NaN and huge numbers apart from broken JSON


def _row(sample: Sample, metadata: int) -> list[object]:
    return [
        sample.meter,
        sample.type,
        sample.unit,
        sample.volume,
        sample.resource_id,
        sample.project_id,
        to_microseconds(sample.timestamp),
        sample.user_id,
        sample.source,
        metadata,
        sample.generation,
        sample.id.hex() if sample.id is not None else None,
    ]


def _identity(text: object) -> object:
    try:
        return bytes.fromhex(text) if isinstance(text, str) else text
    except ValueError:
        return text

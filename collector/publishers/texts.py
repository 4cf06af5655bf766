"""Samples as JSON, written from columns: what `sample_object` and `encode_json` give, in a tenth of the time."""

from binascii import hexlify
from collections.abc import Iterable, Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from collector.listed import encode_json
from storage.columns import Integers
from storage.ingest.batch import SampleBatch
from storage.ingest.keys import ID_BYTES, MeterKey
from storage.sample import from_microseconds, id_part

BEGIN = b'{"id":"00000000-0000-0000-0000-000000000000'
BEGUN_BYTES = len(BEGIN)
# Where the digits of a UUID stand in 32 of them, and there.
_DIGITS = ((0, 8, 7), (8, 12, 16), (12, 16, 21), (16, 20, 26), (20, 32, 31))

Bytes = NDArray[np.uint8]


def sample_texts(batch: SampleBatch, end: bytes = b"") -> list[bytes]:
    """Each sample as the text of a JSON object with `end` behind it, in the order of `batch.samples()`."""
    writing = _Writing(batch, end)
    return [*writing.polled(), *writing.deltas()]


class _Writing:
    """What is the same in many of the texts, written once."""

    def __init__(self, batch: SampleBatch, end: bytes) -> None:
        self._batch = batch
        self._known = [_id_parts("sample", *owner) for owner in batch.resources]
        self._kinds = [_id_parts(meter.name, meter.type, meter.unit) for meter in batch.meters]
        self._heads = [_head(meter) for meter in batch.meters]
        self._users = [
            b',"user_id":%b,"user_name":null,' % encode_json(one.user_id) for one in batch.versions
        ]
        self._owners = [
            b'"project_id":%b,"project_name":null,"resource_id":%b,"timestamp":"'
            % (encode_json(owner.project_id or None), encode_json(owner.resource_id))
            for owner in batch.resources
        ]
        self._around = [
            b'","resource_metadata":%b,"source":%b,"monotonic_time":null}%b'
            % (one.body.encode("utf-8", "replace"), encode_json(one.source), end)
            for one in batch.versions
        ]
        self._times: dict[int, tuple[bytes, bytes]] = {}

    def polled(self) -> Iterator[bytes]:
        batch, rows = self._batch, self._batch.polled
        columns = (rows.resource, rows.version, rows.ts, rows.shape)
        kinds = [[self._kinds[meter] for meter in shape] for shape in batch.shapes]
        heads_of = [[self._heads[meter] for meter in shape] for shape in batch.shapes]
        digests, heads, behind = list[bytes](), list[bytes](), list[bytes]()
        for resource, version, ts, shape in zip(*(column.tolist() for column in columns), strict=True):
            known, moment = self._known[resource], self._moment(ts)[0]
            digests += [
                blake2b(known + kind + moment, digest_size=ID_BYTES).digest() for kind in kinds[shape]
            ]
            heads += heads_of[shape]
            behind += [self._behind(resource, version, ts)] * len(kinds[shape])
        return _assembled(_named(digests), heads, self._readings(), behind)

    def deltas(self) -> Iterator[bytes]:
        batch, entries = self._batch, self._batch.deltas
        columns = (entries.resource, entries.version, entries.ts)
        heads = [self._heads[meter] for meter in entries.meter.tolist()]
        behind = [self._behind(*one) for one in zip(*(column.tolist() for column in columns), strict=True)]
        return _assembled(
            _bytes_of(entries.ids), heads, _numbers(batch, entries.volume, entries.meter), behind
        )

    def _readings(self) -> list[bytes]:
        batch = self._batch
        meters = [np.array(shape, np.int64) for shape in batch.shapes]
        of_rows = [meters[shape] for shape in batch.polled.shape.tolist()]
        return _numbers(
            batch, batch.polled.readings, np.concatenate(of_rows) if of_rows else np.empty(0, np.int64)
        )

    def _moment(self, ts: int) -> tuple[bytes, bytes]:
        """A time as it is in ids, and as it is read."""
        found = self._times.get(ts)
        if found is None:
            found = self._times[ts] = id_part(str(ts)), from_microseconds(ts).isoformat().encode()
        return found

    def _behind(self, resource: int, version: int, ts: int) -> bytes:
        return b"".join(
            (self._users[version], self._owners[resource], self._moment(ts)[1], self._around[version])
        )


def _assembled(
    ids: Bytes, heads: Iterable[bytes], numbers: Iterable[bytes], behind: Iterable[bytes]
) -> Iterator[bytes]:
    """The texts of samples with these ids, what comes before their readings, the readings and the rest."""
    begun = _begun(ids)
    places = range(0, len(begun), BEGUN_BYTES)
    beginnings = [begun[place : place + BEGUN_BYTES] for place in places]
    return map(b"".join, zip(beginnings, heads, numbers, behind, strict=True))


def _numbers(batch: SampleBatch, bits: Integers, meters: Integers) -> list[bytes]:
    """Readings as JSON has them."""
    real = np.array([meter.real for meter in batch.meters], np.bool_)
    if not real[meters].any():
        return [b"%d" % value for value in bits.tolist()]
    whole, floats = bits.tolist(), bits.view(np.float64).tolist()
    return [
        repr(floats[place]).encode() if is_real else b"%d" % whole[place]
        for place, is_real in enumerate(real[meters].tolist())
    ]


def _head(meter: MeterKey) -> bytes:
    name, kind, unit = encode_json(meter.name), encode_json(meter.type), encode_json(meter.unit)
    return b'","name":%b,"type":%b,"unit":%b,"volume":' % (name, kind, unit)


def _id_parts(*texts: str) -> bytes:
    return b"".join(map(id_part, texts))


def _bytes_of(ids: bytes) -> Bytes:
    return np.frombuffer(ids, np.uint8).reshape(-1, ID_BYTES)


def _named(digests: Iterable[bytes]) -> Bytes:
    """The ids `make_id` gives where these are its digests."""
    ids: Bytes = _bytes_of(b"".join(digests)).copy()
    ids[:, 6] = ids[:, 6] & 0x0F | 0x50
    ids[:, 8] = ids[:, 8] & 0x3F | 0x80
    return ids


def _begun(ids: Bytes) -> bytes:
    """How the texts of samples with these UUIDs begin, one behind another."""
    digits = np.frombuffer(hexlify(ids.tobytes()), np.uint8).reshape(-1, 2 * ID_BYTES)
    texts = np.tile(np.frombuffer(BEGIN, np.uint8), (len(ids), 1))
    for first, last, place in _DIGITS:
        texts[:, place : place + last - first] = digits[:, first:last]
    return texts.tobytes()

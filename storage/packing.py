"""Readings as bytes: eight each, big-endian, int64 or float64 by meter."""

import struct
import uuid
from collections.abc import Sequence
from functools import lru_cache

READING = 8
RID_BITS, MID_BITS, TS_BITS = 40, 24, 53


def pack_mids(mids: Sequence[int]) -> bytes:
    """Four bytes a meter id."""
    return struct.pack(f">{len(mids)}I", *mids)


def unpack_mids(blob: bytes) -> tuple[int, ...]:
    """Meter ids in the order of the readings."""
    return struct.unpack(f">{len(blob) // 4}I", blob)


def derived_message_id(rid: int, mid: int, ts: int) -> str:
    """The message id of a polled sample: a version 8 UUID that holds resource, meter and time.

    Polled samples are known by these three, so no id is stored for them and it can still be found again.
    """
    return _beginning(rid, mid) + _end(mid, ts)


@lru_cache(50_000)
def _beginning(rid: int, mid: int) -> str:
    """RFC 9562 version 8: the 55 bits of resource and meter, with the version in between; an answer repeats them."""
    high = (rid << (MID_BITS + TS_BITS - 62)) | (mid >> 9)
    text = f"{((high >> 12) << 16) | (8 << 12) | (high & 0xFFF):016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:]}-"


@lru_cache(50_000)
def _end(mid: int, ts: int) -> str:
    """The variant, and the other 62 bits: of the meter and time."""
    text = f"{(2 << 62) | ((mid & 0x1FF) << TS_BITS) | ts:016x}"
    return f"{text[:4]}-{text[4:]}"


def parse_message_id(text: str) -> tuple[int, int, int] | bytes | None:
    """What a message id names: (rid, mid, ts) of a polled sample, 16 bytes of a delta sample, None if it is no id."""
    try:
        parsed = uuid.UUID(text)
    except ValueError:
        return None
    if str(parsed) != text:
        return None
    if parsed.version != 8:
        return parsed.bytes
    high = ((parsed.int >> 80) << 12) | ((parsed.int >> 64) & 0xFFF)
    packed = (high << 62) | (parsed.int & ((1 << 62) - 1))
    mid, ts = (packed >> TS_BITS) & ((1 << MID_BITS) - 1), packed & ((1 << TS_BITS) - 1)
    return packed >> (MID_BITS + TS_BITS), mid, ts

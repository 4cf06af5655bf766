"""The form of a spool segment: records that can be found again behind damage.

A record is magic, length and checksum (little endian, 4 bytes each), then the payload. The checksum is
CRC-32 over length and payload. The magic holds a byte that no UTF-8 text has, so it is in no payload of ours.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

MAGIC = b"\x89NPH"
HEADER = struct.Struct("<4sII")
LONGEST_PAYLOAD = 64 * 2**20


class Found(NamedTuple):
    """A good record: where it ends in the data, and how many bytes before it were no record."""

    payload: bytes
    end: int
    skipped: int


def encode(payload: bytes) -> bytes:
    """The record of a payload of at most 64 MiB."""
    return HEADER.pack(MAGIC, len(payload), _checksum(payload)) + payload


def find(data: bytes, start: int = 0) -> Found | None:
    """The first good record at or behind `start`; None when there is no more."""
    position = start
    while (position := data.find(MAGIC, position)) >= 0:
        payload = _payload(data, position)
        if payload is not None:
            return Found(payload, position + HEADER.size + len(payload), position - start)
        position += 1
    return None


def read(file: IO[bytes], room: int) -> Found | None:
    """The first good record in the next `room` bytes of a file; reads no more than it must."""
    data = file.read(min(HEADER.size, room))
    if len(data) == HEADER.size:
        length = HEADER.unpack(data)[1]
        data += file.read(min(length, room - len(data)))
        found = find(data)
        if found is not None and found.skipped == 0:
            return found
    return find(data + file.read(room - len(data)))


def payloads(data: bytes) -> Iterator[bytes]:
    """Every good payload of a segment, in order."""
    end = 0
    while (found := find(data, end)) is not None:
        yield found.payload
        end = found.end


def _payload(data: bytes, position: int) -> bytes | None:
    start = position + HEADER.size
    if start > len(data):
        return None
    _, length, checksum = HEADER.unpack_from(data, position)
    if length > LONGEST_PAYLOAD or start + length > len(data):
        return None
    payload = data[start : start + length]
    return payload if _checksum(payload) == checksum else None


def _checksum(payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(len(payload).to_bytes(4, "little")))

"""The few pieces of Protocol Buffers' wire format that Prometheus' remote write needs, and its framing in snappy.

Sources: https://protobuf.dev/programming-guides/encoding/ and
https://github.com/google/snappy/blob/main/format_description.txt
"""

import struct

VARINT, DOUBLE, BYTES = 0, 1, 2
LITERAL_BYTES = 2**16


def varint(value: int) -> bytes:
    """A number, seven bits a byte, the lowest first; negative ones as 64 bits."""
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def message(field: int, body: bytes) -> bytes:
    """A message or text as a field of another."""
    return varint(field << 3 | BYTES) + varint(len(body)) + body


def text(field: int, value: str) -> bytes:
    """Text as a field."""
    return message(field, value.encode("utf-8", "replace"))


def double(field: int, value: float) -> bytes:
    """A float as a field."""
    return varint(field << 3 | DOUBLE) + struct.pack("<d", value)


def integer(field: int, value: int) -> bytes:
    """An integer or enumeration as a field."""
    return varint(field << 3 | VARINT) + varint(value)


def snappy(body: bytes) -> bytes:
    """The body in snappy's block format, nothing of it compressed: every reader takes it."""
    parts = [varint(len(body))]
    for start in range(0, len(body), LITERAL_BYTES):
        piece = body[start : start + LITERAL_BYTES]
        parts.append(bytes([61 << 2]) + (len(piece) - 1).to_bytes(2, "little") + piece)
    return b"".join(parts)

"""A damaged tile is found and said to be one, and crashes no reader.

The exception is a flipped bit in a record read alone: only the checksum of the whole tile finds that.
"""

from contextlib import suppress
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import DamagedTile
from storage.tiles.codec import (
    Block,
    decode_stamps_of,
    decode_values_of,
)
from tests.storage.tiles.lists import decode_stamps, decode_values, encode_stamps, encode_values

RESET = [*range(0, 900, 9), 5, *range(0, 900, 9)]
BLOCKS = {
    "integers": encode_values([RESET, RESET[::-1], [4] * 150, []], [None] * 4, real=False),
    "positions": encode_values(
        [RESET, [1, 2, 3], [], [9]], [None, [0, 5, 90], [], list(range(1))], real=False
    ),
    "decimals": encode_values([[0.25, 1.5, 99.99], [3.5]], [None, None], real=True),
    "bits": encode_values([[0.1 + 0.2, 1 / 3, -0.0], [3.5]], [None, [2]], real=True),
    "stamps": encode_stamps([[0, 300, 600], [7]]),
}
# What stores have in them: never to be written anew by a later codec.
FIRST_VERSION = (
    Block(
        1,
        bytes.fromhex(
            "01000303010000000011020004000000070810010000010210870602020000000000100000020000000208f164259be5255c5b"
        ),
        bytes.fromhex("5d0000"),
    ),
    Block(
        0,
        bytes.fromhex("0103010000000000002100000200000019c9040000000080f05776"),
        bytes.fromhex(""),
    ),
    Block(
        0,
        bytes.fromhex("01ff0100000000000088000002000000555555555555d53fabaaaaaaaaaa2a40000000002dca111d"),
        bytes.fromhex(""),
    ),
    Block(
        0,
        bytes.fromhex("0101020200000000004700000200000000809695250a0600a3e1110800000000d9304ead"),
        bytes.fromhex(""),
    ),
)
each = pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
many = settings(max_examples=300, deadline=None)


def read(block: Block) -> None:
    """Everything a reader may call."""
    for whole in (decode_values, decode_stamps):
        with suppress(DamagedTile):
            whole(block)
    for slot in (0, 1, 3, 127):
        record = block.raw[block.w * slot : block.w * (slot + 1)]
        for single in (decode_values_of, decode_stamps_of):
            with suppress(DamagedTile):
                single(block.head, record, slot, block.w)


def flipped(data: bytes, bit: int) -> bytes:
    damaged = bytearray(data)
    damaged[bit >> 3] ^= 1 << (bit & 7)
    return bytes(damaged)


def signed(head: bytes) -> bytes:
    """A head whose checksum is right, whatever it says."""
    return head[:-4] + crc32(head[:-4]).to_bytes(4, "little")


@each
def test_a_flipped_bit_of_a_head_is_found_by_both_paths(block: Block) -> None:
    for bit in range(8 * len(block.head)):
        head = flipped(block.head, bit)
        with pytest.raises(DamagedTile):
            decode_values(Block(block.w, head, block.raw))
        with pytest.raises(DamagedTile):
            decode_values_of(head, block.raw[: block.w], 0, block.w)
        with pytest.raises(DamagedTile):
            decode_stamps_of(head, block.raw[: block.w], 0, block.w)


@each
def test_a_flipped_bit_of_the_records_is_found_by_whoever_reads_the_whole_tile(block: Block) -> None:
    for bit in range(8 * len(block.raw)):
        damaged = Block(block.w, block.head, flipped(block.raw, bit))
        read(damaged)
        with pytest.raises(DamagedTile):
            decode_values(damaged)
        with pytest.raises(DamagedTile):
            decode_stamps(damaged)


@each
def test_what_is_cut_off_is_found(block: Block) -> None:
    for length in range(len(block.head)):
        with pytest.raises(DamagedTile):
            decode_values_of(block.head[:length], block.raw[: block.w], 0, block.w)
    for length in range(len(block.raw)):
        with pytest.raises(DamagedTile):
            decode_values(Block(block.w, block.head, block.raw[:length]))
    for length in range(block.w):
        with pytest.raises(DamagedTile):
            decode_values_of(block.head, block.raw[:length], 0, block.w)


def test_a_wrong_width_is_found() -> None:
    block = BLOCKS["integers"]

    for w in (0, block.w - 1, block.w + 1):
        with pytest.raises(DamagedTile, match="belong together"):
            decode_values(Block(w, block.head, block.raw))
        with pytest.raises(DamagedTile, match="belong together"):
            decode_values_of(block.head, block.raw[:w], 0, w)


def test_a_later_version_is_said_to_be_one() -> None:
    block = BLOCKS["integers"]

    with pytest.raises(DamagedTile, match="newer program"):
        decode_values(Block(block.w, signed(b"\x03" + block.head[1:]), block.raw))


def test_stamps_are_no_values_and_values_no_stamps() -> None:
    with pytest.raises(DamagedTile, match="kind 1"):
        decode_values(BLOCKS["stamps"])
    with pytest.raises(DamagedTile, match="kind 0"):
        decode_stamps(BLOCKS["integers"])


@many
@given(st.integers(0, 200), st.binary(max_size=80), st.binary(max_size=300))
def test_any_bytes_are_a_tile_or_damaged(w: int, head: bytes, raw: bytes) -> None:
    read(Block(w, head, raw))
    read(Block(w, signed(b"\x01" + head), raw))


@each
@many
@given(data=st.data())
def test_heads_that_lie_are_a_tile_or_damaged(block: Block, data: st.DataObject) -> None:
    head = bytearray(block.head)
    for _ in range(data.draw(st.integers(1, 3))):
        head[data.draw(st.integers(1, len(head) - 9))] = data.draw(st.integers(0, 255))

    read(Block(block.w, signed(bytes(head)), block.raw))


def test_tiles_of_the_first_version_are_read_for_ever() -> None:
    integers, decimals, bits, stamps = FIRST_VERSION

    assert decode_values(integers) == [([100, 108, 124, 3], None), ([7, 15], [0, 2]), ([], [])]
    assert decode_values(decimals) == [([0.25, 12.5], None)]
    assert repr(decode_values(bits)) == "[([0.3333333333333333, -0.0], None)]"
    assert decode_stamps(stamps) == [[1_700_006_400_000_000, 1_700_006_700_000_000], []]


def test_a_record_with_a_checksum_tells_any_flipped_bit_and_another_slot() -> None:
    block = encode_values([RESET, RESET[::-1]], [None] * 2, real=False, checked=True)
    record = block.raw[: block.w]

    decode_values_of(block.head, record, 0, block.w)

    for bit in range(8 * block.w):
        damaged = bytearray(record)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        with pytest.raises(DamagedTile):
            decode_values_of(block.head, bytes(damaged), 0, block.w)
    with pytest.raises(DamagedTile):
        decode_values_of(block.head, block.raw[block.w :], 0, block.w)

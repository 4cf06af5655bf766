"""Rows in PostgreSQL's binary formats, made by numpy without an object per value.

Sources: PostgreSQL's manual, COPY, "Binary Format"; and for arrays src/backend/utils/adt/arrayfuncs.c, array_recv:
dimensions, a flag for NULLs, the element type's OID, length and lower bound of the dimension; then each element as
its length and its bytes. Everything is big-endian.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format

from storage.columns import Integers
from storage.ingest.batch import spread, starts
from storage.ingest.rows import Rows
from storage.packing import READING

COPY_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"
OIDS = {"int2": 21, "int4": 23, "int8": 20, "bytea": 17}  # src/include/catalog/pg_type.dat


@dataclass(frozen=True, slots=True)
class BinaryArray:
    """A parameter that is sent as it is; the statement says which type of array it is."""

    data: bytes


class BinaryArrayDumper(Dumper):
    """Hands a `BinaryArray` to libpq."""

    format = Format.BINARY

    def dump(self, obj: BinaryArray) -> bytes:
        """Its bytes."""
        return obj.data


def copied(rows: Rows, types: Sequence[str]) -> bytes:
    """What COPY reads: for each row the number of its fields, then each field's length and bytes."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for place, name in enumerate(types[:-1]):
        fields += [(f"length{place}", ">i4"), (f"value{place}", f">i{name[3:]}")]
    heads = np.empty(len(rows), [*fields, ("length", ">i4")])
    heads["fields"] = len(types)
    for place, (column, name) in enumerate(zip(rows.numbers, types[:-1], strict=True)):
        heads[f"length{place}"] = int(name[3:])
        heads[f"value{place}"] = column
    heads["length"] = rows.width * READING
    return COPY_BEGIN + _interleaved(heads.view(np.uint16).reshape(len(rows), -1), rows).tobytes() + COPY_END


def _interleaved(heads: NDArray[np.uint16], rows: Rows) -> NDArray[np.uint16]:
    """Each row's head, then its readings; everything is a multiple of two bytes."""
    readings, size = rows.readings.view(np.uint16), heads.shape[1]
    width = rows.width * (READING // 2)
    if (width == width[0]).all():
        return np.concatenate((heads, readings.reshape(len(rows), -1)), axis=1)
    first = starts(size + width)
    words = np.empty(int((size + width).sum()), np.uint16)
    words[spread(first, np.full(len(rows), size))] = heads.reshape(-1)
    words[spread(first + size, width)] = readings
    return words


def arrays(rows: Rows, types: Sequence[str]) -> tuple[BinaryArray, ...]:
    """A parameter for each column; `types` are PostgreSQL's names for them."""
    *numbers, vals = types
    columns = [_integers(column, name) for column, name in zip(rows.numbers, numbers, strict=True)]
    return (*columns, _blobs(rows, vals))


def _integers(column: Integers, name: str) -> BinaryArray:
    kind = np.dtype(f">i{name[3:]}")
    elements = np.empty(len(column), [("length", ">i4"), ("value", kind)])
    elements["length"] = kind.itemsize
    elements["value"] = column
    return BinaryArray(_head(name, len(column)) + elements.tobytes())


def _blobs(rows: Rows, name: str) -> BinaryArray:
    """Four bytes of length before each row's readings."""
    lengths = (rows.width * READING).astype(">i4").view(np.uint32)
    halves = rows.readings.view(np.uint32)
    # Everything in it is a multiple of four bytes: so it is put together of words.
    size = 1 + 2 * rows.width
    words = np.empty(int(size.sum()), np.uint32)
    words[starts(size)] = lengths
    words[spread(starts(size) + 1, 2 * rows.width)] = halves
    return BinaryArray(_head(name, len(rows)) + words.tobytes())


def _head(name: str, length: int) -> bytes:
    return struct.pack(">5i", 1, 0, OIDS[name], length, 1)

"""Columns of numbers as PostgreSQL's binary arrays, made by numpy without an object per value.

Source: PostgreSQL, src/backend/utils/adt/arrayfuncs.c, array_recv: dimensions, a flag for NULLs, the element type's
OID, length and lower bound of the dimension; then each element as its length and its bytes, all big-endian.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from psycopg.adapt import Dumper
from psycopg.pq import Format

from storage.batch import spread, starts
from storage.columns import Integers
from storage.packing import READING
from storage.rows import Rows

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

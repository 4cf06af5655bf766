"""Texts on PostgreSQL: statements that are the same for any number of rows, with an array for each column.

psycopg reads each statement it does not know: one with the parameters of 250 rows costs it 30 ms.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    any_,
    literal,
)

from storage.dialects.postgresql_binary import OIDS, BinaryArray
from storage.dialects.texts import Into, Rows

_ARRAYS = (
    (String, "text"),
    (SmallInteger, "int2"),
    (BigInteger, "int8"),
    (Integer, "int4"),
    (LargeBinary, "bytea"),
)


class Arrays:
    """An array for each column, written here, which is faster than psycopg."""

    def insert(self, connection: Connection, into: Into, rows: Rows) -> int:
        """One statement, widening included."""
        if not rows:
            return 0
        columns = [into.table.columns[name] for name in into.columns]
        arrays = ", ".join(f"%s::{_array_of(column)}[]" for column in columns)
        statement = (
            f"INSERT INTO {into.table.name} ({', '.join(into.columns)})"  # noqa: S608 - our tables
            f" SELECT * FROM unnest({arrays}) ON CONFLICT {_otherwise(into)}"
        )
        values = tuple(
            _writer(column)(list(values))
            for column, values in zip(columns, zip(*rows, strict=True), strict=True)
        )
        return int(connection.exec_driver_sql(statement, values).rowcount)

    def among(self, column: Column[str], values: Sequence[str]) -> ColumnElement[bool]:
        """As one array."""
        return column == any_(literal(values, ARRAY(Text)))


def _otherwise(into: Into) -> str:
    table, span = into.table, into.span
    if span is None:
        return "DO NOTHING"
    sides = [(span.first, "least", ">"), (span.last, "greatest", "<")]
    there = [(name, better, beyond) for name, better, beyond in sides if name is not None]
    key = ", ".join(column.name for column in table.primary_key)
    sets = ", ".join(f"{name} = {better}({table.name}.{name}, excluded.{name})" for name, better, _ in there)
    where = " OR ".join(f"{table.name}.{name} {beyond} excluded.{name}" for name, _, beyond in there)
    return f"({key}) DO UPDATE SET {sets} WHERE {where}"


def _array_of(column: Column[Any]) -> str:  # Any: text, integers and blobs
    return next(name for kind, name in _ARRAYS if isinstance(column.type, kind))


def _writer(column: Column[Any]) -> Callable[[list[Any]], object]:  # Any: as above
    return _blobs if isinstance(column.type, LargeBinary) else _literal


def _blobs(values: list[bytes]) -> BinaryArray:
    head = struct.pack(">5i", 1, 0, OIDS["bytea"], len(values), 1)
    return BinaryArray(head + b"".join([struct.pack(">i", len(value)) + value for value in values]))


def _literal(values: list[Any]) -> object:
    """An array as PostgreSQL reads it, made without a look at each value: psycopg takes 15 times as long.

    It is written as JSON, but for the brackets and for control characters: a list with one is left to psycopg.
    """
    try:
        written = msgspec.json.encode(values)
    except UnicodeEncodeError:
        return values  # psycopg refuses it as every other text does
    if b"\\" in written and b"\\" in written.replace(b"\\\\", b"").replace(b'\\"', b""):
        return values
    return "{" + written[1:-1].decode() + "}"

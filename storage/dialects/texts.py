"""Rows that hold text and nothing, many at once: inserted where their key is not there yet, else joined."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Connection, Integer, LargeBinary, SmallInteger, String, Table

from storage.dialects.postgresql_binary import OIDS, BinaryArray

Rows = Sequence[tuple[object, ...]]

_ARRAYS = (
    (String, "text"),
    (SmallInteger, "int2"),
    (BigInteger, "int8"),
    (Integer, "int4"),
    (LargeBinary, "bytea"),
)


@dataclass(frozen=True, slots=True)
class Span:
    """Columns of a row that is there already: `first` becomes the less, `last` the greater of it and the new one."""

    first: str
    last: str | None = None


def insert_by_parameters(
    connection: Connection, table: Table, columns: Sequence[str], rows: Rows, *, mark: str, keep_first: str
) -> int:
    """One statement, each value a parameter; returns how many rows were new."""
    if not rows:
        return 0
    marks = f"({', '.join([mark] * len(columns))})"
    statement = (
        f"INSERT INTO {table.name} ({', '.join(columns)})"  # noqa: S608 - our tables
        f" VALUES {', '.join([marks] * len(rows))} {keep_first}"
    )
    values = tuple(value for row in rows for value in row)
    return max(0, int(connection.exec_driver_sql(statement, values).rowcount))


def widen_by_parameters(
    connection: Connection, table: Table, columns: Sequence[str], rows: Rows, span: Span, *, mark: str
) -> int:
    """One statement for each end of the span, run for every row; returns how many it changed."""
    key = [column.name for column in table.primary_key]
    same = " AND ".join(f"{name} = {mark}" for name in key)
    changed = 0
    for name, beyond in ((span.first, ">"), (span.last, "<")):
        if name is None or not rows:
            continue
        statement = f"UPDATE {table.name} SET {name} = {mark} WHERE {same} AND {name} {beyond} {mark}"  # noqa: S608 - our tables
        places = [columns.index(one) for one in (name, *key, name)]
        values = [tuple(row[place] for place in places) for row in rows]
        changed += max(0, int(connection.exec_driver_sql(statement, values).rowcount))
    return changed


def insert_by_arrays(
    connection: Connection, table: Table, columns: Sequence[str], rows: Rows, span: Span | None
) -> int:
    """One statement that is the same for any number of rows; returns how many rows were new or changed.

    psycopg reads each statement it does not know: one with the parameters of 250 rows costs it 30 ms.
    """
    if not rows:
        return 0
    arrays = ", ".join(f"%s::{_array_of(table.columns[name])}[]" for name in columns)
    statement = (
        f"INSERT INTO {table.name} ({', '.join(columns)})"  # noqa: S608 - our tables
        f" SELECT * FROM unnest({arrays}) ON CONFLICT {_otherwise(table, span)}"
    )
    values = tuple(
        _writer(table.columns[name])(list(column))
        for name, column in zip(columns, zip(*rows, strict=True), strict=True)
    )
    return int(connection.exec_driver_sql(statement, values).rowcount)


def _otherwise(table: Table, span: Span | None) -> str:
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

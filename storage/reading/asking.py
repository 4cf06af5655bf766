"""Statements written out, with `%s` for each value: what is said often costs more to build than to do."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Table

from storage.dialects import DIALECTS
from storage.dialects.postgresql_driver import binary_rows, changed_and_rows, changed_rows, copy_rows
from storage.tables_tiles import STAMPS
from storage.tiles.sharing import NUMBERS

ROWS_A_STATEMENT = 500

Value = int | str | bytes
Answers = Sequence[Any]  # a tuple of integers, text and bytes for each row

_BYTES = {dialect.name.partition("+")[0]: dialect.byte for dialect in DIALECTS}


def ask(connection: Connection, statement: str, values: Sequence[Value] = ()) -> Answers:
    """The rows of a statement that names no value but by `%s`; tuples in the order of its columns."""
    if connection.dialect.name == "postgresql":
        return binary_rows(connection, statement, values)
    if connection.dialect.paramstyle == "qmark":
        statement = statement.replace("%s", "?")
    return connection.exec_driver_sql(statement, tuple(values)).all()


def change(connection: Connection, statement: str, values: Sequence[Value] = ()) -> int:
    """How many rows an UPDATE or DELETE found; it is written as those of `ask`."""
    if connection.dialect.name == "postgresql":
        return changed_rows(connection, statement, values)
    if connection.dialect.paramstyle == "qmark":
        statement = statement.replace("%s", "?")
    return connection.exec_driver_sql(statement, tuple(values)).rowcount


def change_and_ask(connection: Connection, statement: str, question: str) -> tuple[int, Answers]:
    """As `change` and then `ask`, which sees what was changed; neither has values. One round trip on PostgreSQL."""
    if connection.dialect.name == "postgresql":
        return changed_and_rows(connection, statement, question)
    return change(connection, statement), ask(connection, question)


def put(connection: Connection, table: Table, rows: Sequence[tuple[Value, ...]]) -> None:
    """Inserts rows that are not there yet, in the order of the table's columns: integers and bytes."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        copy_rows(connection, table.name, table, rows)
        return
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    statement = f"INSERT INTO {table.name} VALUES ({', '.join([mark] * len(table.columns))})"  # noqa: S608 - our table
    connection.exec_driver_sql(statement, list(rows))


def put_anew(connection: Connection, table: Table, rows: Sequence[tuple[Value, ...]]) -> None:
    """As `put`, but in place of the rows with these keys; of a table with one column for a key and one beside it.

    Some rows at a time: a statement of all of them may be longer than a server takes.
    """
    if len(rows) > ROWS_A_STATEMENT:
        for at in range(0, len(rows), ROWS_A_STATEMENT):
            put_anew(connection, table, rows[at : at + ROWS_A_STATEMENT])
        return
    if not rows:
        return
    name, (key, beside) = table.name, [column.name for column in table.columns]
    places = ", ".join(["(%s, %s)"] * len(rows))
    statement = f"REPLACE INTO {name} ({key}, {beside}) VALUES {places}"  # noqa: S608 - as below
    if connection.dialect.name == "postgresql":
        instead = f"ON CONFLICT ({key}) DO UPDATE SET {beside} = excluded.{beside}"
        statement = f"INSERT INTO {name} ({key}, {beside}) VALUES {places} {instead}"  # noqa: S608 - our tables
    change(connection, statement, list(chain.from_iterable(rows)))


def marks(values: Sequence[object]) -> str:
    """A mark for each value, for a list behind IN."""
    return ", ".join(["%s"] * len(values))


def record_in(connection: Connection) -> str:
    """SQL of `one_record` for this connection; its two values are slot and rank."""
    return one_record(_BYTES[connection.dialect.name], "%s", "%s")


def one_record(byte: str, slot: str, rank: str) -> str:
    """SQL of a slot's record in a row of tiles or hourly figures, where each slot has its own the `rank`-th one.

    Which one it is of those that slots share, the head says; `byte` is the dialect's.
    """
    number = byte.format("head", f"CAST({NUMBERS + 1} + {slot} AS integer)")
    place = f"w * CASE mid WHEN {STAMPS} THEN {number} - 1 ELSE {rank} END"
    return f"substr(raw, CAST(1 + {place} AS integer), w)"

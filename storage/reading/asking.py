"""Statements written out, with `%s` for each value: what is said often costs more to build than to do."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table

from storage.dialects.postgresql import binary_rows, changed_rows, copy_rows

Value = int | str | bytes
Answers = Sequence[Any]  # a tuple of integers, text and bytes for each row


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


def marks(values: Sequence[object]) -> str:
    """A mark for each value, for a list behind IN."""
    return ", ".join(["%s"] * len(values))

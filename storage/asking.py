"""Statements written out, with `%s` for each value: what is asked often costs more to build than to answer."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from storage.dialects.postgresql import binary_rows

Value = int | str | bytes
Answers = Sequence[Any]  # a tuple of integers, text and bytes for each row


def ask(connection: Connection, statement: str, values: Sequence[Value] = ()) -> Answers:
    """The rows of a statement that names no value but by `%s`; tuples in the order of its columns."""
    if connection.dialect.name == "postgresql":
        return binary_rows(connection, statement, values)
    if connection.dialect.paramstyle == "qmark":
        statement = statement.replace("%s", "?")
    return connection.exec_driver_sql(statement, tuple(values)).all()


def marks(values: Sequence[object]) -> str:
    """A mark for each value, for a list behind IN."""
    return ", ".join(["%s"] * len(values))

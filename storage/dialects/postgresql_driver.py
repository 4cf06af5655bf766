"""Statements put straight to psycopg, where SQLAlchemy on the way would take as long as they do."""

from collections.abc import Sequence
from typing import Any, cast

from psycopg import Connection as PsycopgConnection
from psycopg import Error as PsycopgError
from sqlalchemy import BigInteger, Column, Connection, Integer, LargeBinary, SmallInteger, Table
from sqlalchemy.exc import DBAPIError

COPY_TYPES = ((SmallInteger, "int2"), (BigInteger, "int8"), (Integer, "int4"), (LargeBinary, "bytea"))


def binary_rows(connection: Connection, statement: str, values: Sequence[object]) -> Sequence[Any]:
    """The rows of a statement with `%s` for each value, binary on the way: blobs as text take four times as long.

    Straight from the driver, which halves the time of a short question.
    """
    driver = driver_of(connection)
    try:
        with driver.cursor(binary=True) as cursor:
            return cursor.execute(statement.encode(), values or None).fetchall()
    except PsycopgError as error:
        if driver.broken:
            connection.invalidate(error)
        raise wrapped(connection, statement, error) from error


def changed_rows(connection: Connection, statement: str, values: Sequence[object]) -> int:
    """How many rows a statement with `%s` for each value changed; straight from the driver."""
    driver = driver_of(connection)
    try:
        return driver.execute(statement.encode(), values or None).rowcount
    except PsycopgError as error:
        if driver.broken:
            connection.invalidate(error)
        raise wrapped(connection, statement, error) from error


def changed_and_rows(connection: Connection, statement: str, question: str) -> tuple[int, Sequence[Any]]:
    """How many rows the first of two statements changed, and the rows of the second one; both without values."""
    driver = driver_of(connection)
    try:
        with driver.cursor() as cursor:
            changed = cursor.execute(f"{statement}; {question}".encode()).rowcount
            cursor.nextset()
            return changed, cursor.fetchall()
    except PsycopgError as error:
        if driver.broken:
            connection.invalidate(error)
        raise wrapped(connection, statement, error) from error


def copy_rows(connection: Connection, place: str, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
    """Puts rows of a table's columns into `place`, which may be another table like it."""
    statement = f"COPY {place} FROM STDIN (FORMAT BINARY)"
    try:
        with driver_of(connection).cursor() as cursor, cursor.copy(statement.encode()) as copy:
            copy.set_types([type_of(column) for column in table.columns])
            for row in rows:
                copy.write_row(row)
    except PsycopgError as error:
        raise wrapped(connection, statement, error) from error


def driver_of(connection: Connection) -> "PsycopgConnection[tuple[object, ...]]":
    """The connection beneath SQLAlchemy's."""
    return cast("PsycopgConnection[tuple[object, ...]]", connection.connection.driver_connection)


def wrapped(connection: Connection, statement: str, error: PsycopgError) -> Exception:
    """The error as SQLAlchemy would have raised it, had COPY gone through it."""
    return DBAPIError.instance(statement, (), error, PsycopgError, dialect=connection.dialect)


def type_of(column: Column[Any]) -> str:  # Any: integers and blobs
    """The server's name of a column's type."""
    return next(name for kind, name in COPY_TYPES if isinstance(column.type, kind))

"""Rows that hold text and nothing, many at once: inserted where their key is not there yet, else joined."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Column, ColumnElement, Connection, Table

Rows = Sequence[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Span:
    """Columns of a row that is there already: `first` becomes the less, `last` the greater of it and the new one."""

    first: str
    last: str | None = None


@dataclass(frozen=True, slots=True)
class Into:
    """Where rows go, with a value for each of these columns; those that are there are widened to the span."""

    table: Table
    columns: Sequence[str]
    span: Span | None = None


class Texts(Protocol):
    """How text gets into statements; a database whose driver is slow at it has a way of its own."""

    def insert(self, connection: Connection, into: Into, rows: Rows) -> int:
        """Inserts rows whose primary key is not there yet; returns how many that were.

        Rows that are there are widened to the span; those that changed count too.
        """
        ...

    def among(self, column: Column[str], values: Sequence[str]) -> ColumnElement[bool]:
        """Whether a column has one of these values."""
        ...


class Parameters:
    """Each value a parameter, `mark` in the statement; `keep_first` is that of the dialect."""

    def __init__(self, mark: str, keep_first: str) -> None:
        self._mark, self._keep_first = mark, keep_first

    def insert(self, connection: Connection, into: Into, rows: Rows) -> int:
        """One statement, and others for rows that are there and to be widened."""
        if not rows:
            return 0
        marks = f"({', '.join([self._mark] * len(into.columns))})"
        keep_first = self._keep_first.format(table=into.table.name, key=into.columns[0])
        statement = (
            f"INSERT INTO {into.table.name} ({', '.join(into.columns)})"  # noqa: S608 - our tables
            f" VALUES {', '.join([marks] * len(rows))} {keep_first}"
        )
        values = tuple(value for row in rows for value in row)
        new = max(0, int(connection.exec_driver_sql(statement, values).rowcount))
        if into.span is None or new == len(rows):
            return new
        return new + self._widen(connection, into, into.span, rows)

    def among(self, column: Column[str], values: Sequence[str]) -> ColumnElement[bool]:
        """Each a parameter."""
        return column.in_(values)

    def _widen(self, connection: Connection, into: Into, span: Span, rows: Rows) -> int:
        """One statement for each end of the span, run for every row; returns how many it changed."""
        mark, key = self._mark, [column.name for column in into.table.primary_key]
        same = " AND ".join(f"{name} = {mark}" for name in key)
        changed = 0
        for name, beyond in ((span.first, ">"), (span.last, "<")):
            if name is None:
                continue
            statement = (
                f"UPDATE {into.table.name} SET {name} = {mark} WHERE {same} AND {name} {beyond} {mark}"  # noqa: S608 - our tables
            )
            places = [into.columns.index(one) for one in (name, *key, name)]
            values = [tuple(row[place] for place in places) for row in rows]
            changed += max(0, int(connection.exec_driver_sql(statement, values).rowcount))
        return changed

"""The limit of rows: binary COPY of (series, time, value) into a PostgreSQL table without any key."""

from typing import Self

import numpy as np
import psycopg
from numpy.typing import NDArray

from bench.servers import address
from bench.workload import METERS, Workload

# Source: PostgreSQL manual, COPY, "Binary Format": each tuple is its number of fields, then length and value of each.
ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("series_bytes", ">i4"),
        ("series", ">i4"),
        ("ts_bytes", ">i4"),
        ("ts", ">i8"),
        ("value_bytes", ">i4"),
        ("value", ">f8"),
    ]
)
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

Rows = NDArray[np.void]


def rows(workload: Workload, first: int, last: int) -> Rows:
    """The readings of the polls from `first` to before `last` as rows of COPY, in the order they were made."""
    instances, polls = workload.size.instances, last - first
    table = np.empty((polls, instances, len(METERS)), ROW)
    table["fields"], table["series_bytes"], table["ts_bytes"], table["value_bytes"] = 3, 4, 8, 8
    table["series"] = np.arange(instances * len(METERS)).reshape(instances, len(METERS))
    table["ts"] = workload.times[:, first:last].T[:, :, None]
    for place in range(len(METERS)):
        table["value"][:, :, place] = workload.volumes[place][:, first:last].T
    return table.ravel()


def copy(connection: psycopg.Connection[tuple[object, ...]], table: str, batch: Rows) -> None:
    """Sends rows into a table."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)".encode()) as copy,
    ):
        copy.write(HEADER + batch.tobytes() + TRAILER)


class Narrow:
    """The unindexed table."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(address(url))
        self._connection.execute("CREATE TABLE narrow (series int4, ts int8, value float8)")
        self._connection.commit()

    def store(self, batch: Rows) -> None:
        """One transaction."""
        copy(self._connection, "narrow", batch)
        self._connection.commit()

    def count(self) -> int:
        row = self._connection.execute("SELECT count(*)::int FROM narrow").fetchone()
        self._connection.commit()
        return int(str(row[0])) if row else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

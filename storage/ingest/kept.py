"""What became of rows of which some were there already: told by reading them again, with keys written out."""

from collections.abc import Iterable

from sqlalchemy import Connection, Table

from storage.ingest.rows import KEY, Rows
from storage.packing import READING

KEYS_A_QUESTION = 250

Told = dict[tuple[object, ...], tuple[int, bytes]]  # by key: when it arrived, and the readings


def kept_of(connection: Connection, table: Table, rows: Rows, source: str) -> tuple[int, int]:
    """How many readings of these rows are the ones kept, and how many rows are kept with other readings.

    `source` is what follows SELECT: where rows of `table` with one of `keys`, each (gid, ts, rid, part), are found.
    """
    stored: Told = {}
    keys = list(zip(*(column.tolist() for column in rows.numbers[:KEY]), strict=True))
    for start in range(0, len(keys), KEYS_A_QUESTION):
        # Keys are integers, written out: a parameter each costs five times as much.
        listed = ",".join(
            f"({gid},{ts},{rid},{part})" for gid, rid, ts, part in keys[start : start + KEYS_A_QUESTION]
        )
        statement = f"SELECT gid, rid, ts, part, recv, vals {source.format(table=table.name, keys=listed)}"
        found = connection.exec_driver_sql(statement)
        stored.update(((gid, rid, ts, part), (recv, bytes(vals))) for gid, rid, ts, part, recv, vals in found)
    return told(rows.tuples(), stored, KEY)


def told(batch: Iterable[tuple[int | bytes, ...]], stored: Told, width: int) -> tuple[int, int]:
    """As `kept_of`, of rows that begin with a key of `width` columns and end with arrival and readings."""
    kept = unlike = 0
    for row in batch:
        vals = row[-1]
        recv, there = stored.pop(row[:width], (None, vals))
        if isinstance(there, bytes) and recv == row[-2] and there == vals:
            kept += len(there) // READING
        unlike += there != vals
    return kept, unlike

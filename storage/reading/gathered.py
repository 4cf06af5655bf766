"""All rows of `hot` of some time, for whoever seals them: put in order here, as that costs the server more."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection

from storage.names import Names
from storage.packing import READING
from storage.reading.asking import ask
from storage.reading.polled import Condition, PolledRows, polled, unpacked
from storage.tables import hot


def gathered(
    connection: Connection, names: Names, condition: Condition, *, arrivals: bool
) -> list[PolledRows]:
    """The rows by group and shape, each by resource and time; without `arrivals` every `recv` may be 0."""
    if connection.dialect.name != "postgresql":
        (found,) = polled(connection, hot, condition, in_pages=False)
        return found
    columns = ["int8send((rid::int8 << 32) + ver)", "int8send(ts)", "int4send(part)", "vals"]
    columns += ["int8send(recv)"] if arrivals else []
    packed = ", ".join(f"string_agg({column}, ''::bytea)" for column in columns)
    statement = f"SELECT gid, {packed} FROM hot WHERE {condition[0]} GROUP BY gid"  # noqa: S608 - ours
    return [
        some for row in ask(connection, statement, condition[1]) for some in _by_shape(connection, names, row)
    ]


def _by_shape(connection: Connection, names: Names, row: Sequence[Any]) -> Iterator[PolledRows]:
    gid, resources, times, shapes, vals, *arrivals = row
    parts = np.frombuffer(shapes, ">i4").astype(np.int64)
    if (parts == parts[0]).all():
        yield unpacked((gid, int(parts[0]), resources, times, vals, *arrivals))
        return
    different, at = np.unique(parts, return_inverse=True)
    names.learn_shapes(connection, different.tolist())
    width = np.array([len(names.mids_of(part)) for part in different.tolist()])[at]
    begin = np.cumsum(width) - width
    words = np.frombuffer(vals, f"V{READING}")
    fixed = [np.frombuffer(column, f"V{READING}") for column in (resources, times, *arrivals)]
    for number, part in enumerate(different.tolist()):
        own = np.flatnonzero(at == number)
        readings = words[begin[own][:, None] + np.arange(width[own[0]])].tobytes()
        both, ts, *recv = (column[own].tobytes() for column in fixed)
        yield unpacked((gid, part, both, ts, readings, *recv))

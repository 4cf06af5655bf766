"""Rows and a roll-up in plain SQL: what a careful person builds on PostgreSQL in an afternoon.

One row for each sample, known by (series, time); figures of each hour, kept in the same transaction; small tables
for names and for what an instance was when. Every question has the best SQL we found for it.
"""

import json
from dataclasses import dataclass
from typing import Any

import psycopg

from bench.oracle import Figures, Reading
from bench.peers.narrow import Rows, copy, rows
from bench.servers import address
from bench.workload import (
    FLAVORS,
    METERS,
    POLLS_A_DAY,
    Workload,
    metadata,
    project_name,
    resource_name,
)

NAMES = """
CREATE TABLE project (pid int PRIMARY KEY, id text UNIQUE NOT NULL);
CREATE TABLE resource (rid int PRIMARY KEY, id text UNIQUE NOT NULL, pid int NOT NULL);
CREATE INDEX ON resource (pid);
CREATE TABLE meter (mid int PRIMARY KEY, name text UNIQUE NOT NULL, type text NOT NULL, unit text NOT NULL);
CREATE TABLE series (series int PRIMARY KEY, rid int NOT NULL, mid int NOT NULL, UNIQUE (rid, mid));
CREATE TABLE around (rid int, begun bigint, ended bigint NOT NULL, flavor text NOT NULL, metadata jsonb NOT NULL,
    PRIMARY KEY (rid, begun));
"""
SAMPLES = """
CREATE TABLE sample (series int NOT NULL, ts bigint NOT NULL, value float8 NOT NULL);
CREATE TABLE rollup (series int NOT NULL, hour bigint NOT NULL, count int NOT NULL, sum float8 NOT NULL,
    min float8 NOT NULL, max float8 NOT NULL);
"""
KEYS = """
ALTER TABLE sample ADD PRIMARY KEY (series, ts);
ALTER TABLE rollup ADD PRIMARY KEY (series, hour);
"""
AN_HOUR = "ts - ts % 3600000000"
KEEP = f"""
WITH fresh AS (
    INSERT INTO sample SELECT * FROM stage ORDER BY series, ts ON CONFLICT DO NOTHING RETURNING series, ts, value
)
INSERT INTO rollup AS r SELECT series, {AN_HOUR}, count(*), sum(value), min(value), max(value)
    FROM fresh GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (series, hour) DO UPDATE SET count = r.count + excluded.count, sum = r.sum + excluded.sum,
    min = least(r.min, excluded.min), max = greatest(r.max, excluded.max)
"""
ROLL_UP = f"""
INSERT INTO rollup SELECT series, {AN_HOUR}, count(*), sum(value), min(value), max(value)
    FROM sample GROUP BY 1, 2 ORDER BY 2, 1
"""
JOINED = """
project p JOIN resource r ON r.pid = p.pid JOIN series s ON s.rid = r.rid JOIN meter m ON m.mid = s.mid
"""
ROLLED = f"{JOINED} JOIN rollup u ON u.series = s.series AND u.hour >= %s AND u.hour < %s"
# Numbers instead of names in 72 000 rows: half the time of both sorting and sending.
PROJECT_BY_HOUR = f"""
SELECT r.rid, u.hour, u.count, u.sum, u.min, u.max FROM {ROLLED}
WHERE p.id = %s AND m.name = %s ORDER BY u.hour, r.rid
"""
MEMBERS = "SELECT r.rid, r.id FROM project p JOIN resource r ON r.pid = p.pid WHERE p.id = %s"
RESOURCE_BY_HOUR = f"""
SELECT r.id, u.hour, u.count, u.sum, u.min, u.max FROM {ROLLED}
WHERE r.id = %s AND m.name = %s ORDER BY u.hour
"""
BY_PROJECT = f"""
SELECT p.id, sum(u.count)::bigint, sum(u.sum), min(u.min), max(u.max) FROM {ROLLED}
WHERE m.name = %s GROUP BY p.id ORDER BY p.id
"""
ANSWERED = "r.id, p.id, m.name, m.type, m.unit, x.ts, x.value, x.metadata::text"
READ = """
SELECT x.ts, x.value, a.metadata
FROM sample x JOIN around a ON a.rid = s.rid AND a.begun <= x.ts AND x.ts < a.ended
"""
LATEST = f"""
SELECT {ANSWERED} FROM {JOINED},
    LATERAL ({READ} WHERE x.series = s.series ORDER BY x.ts DESC LIMIT 1) x
WHERE p.id = %s AND m.name = %s ORDER BY x.ts DESC
"""
SINCE = f"""
SELECT {ANSWERED} FROM {JOINED}, LATERAL ({READ} WHERE x.series = s.series AND x.ts >= %s) x
WHERE r.id = %s ORDER BY x.ts DESC
"""
NEWEST = f"""
SELECT {ANSWERED} FROM {JOINED},
    LATERAL ({READ} WHERE x.series = s.series AND a.flavor = %s ORDER BY x.ts DESC LIMIT %s) x
WHERE p.id = %s AND m.name = %s ORDER BY x.ts DESC LIMIT %s
"""
FAR = 2**62

HourRow = tuple[str, int, int, float, float, float]
ProjectRows = tuple[
    dict[int, str], list[tuple[int, int, int, float, float, float]]
]  # names by number, and rows
ProjectRow = tuple[str, int, float, float, float]
SampleRow = tuple[str, str, str, str, str, int, float, str]


@dataclass(frozen=True, slots=True)
class Span:
    """From the first to before the last microsecond."""

    begin: int
    end: int


class Rollup:
    """The questions, asked over one connection with prepared statements and binary results."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = psycopg.connect(address(url), prepare_threshold=0, autocommit=True)
        self._cursor = self._connection.cursor(binary=True)

    def close(self) -> None:
        self._connection.close()

    def project_by_hour(self, meter: str, project: str, span: Span) -> ProjectRows:
        names: list[tuple[int, str]] = self._all(MEMBERS, project)
        return dict(names), self._all(PROJECT_BY_HOUR, span.begin, span.end, project, meter)

    def resource_by_hour(self, meter: str, resource: str, span: Span) -> list[HourRow]:
        return self._all(RESOURCE_BY_HOUR, span.begin, span.end, resource, meter)

    def cloud_by_project(self, meter: str, span: Span) -> list[ProjectRow]:
        return self._all(BY_PROJECT, span.begin, span.end, meter)

    def latest(self, meter: str, project: str) -> list[SampleRow]:
        return self._all(LATEST, project, meter)

    def of_resource_since(self, resource: str, since: int) -> list[SampleRow]:
        return self._all(SINCE, since, resource)

    def newest_of_flavor(self, meter: str, project: str, flavor: str, limit: int) -> list[SampleRow]:
        return self._all(NEWEST, flavor, limit, project, meter, limit)

    def count(self) -> int:
        found: list[tuple[int]] = self._all("SELECT count(*) FROM sample")
        return found[0][0]

    def _all(self, statement: str, *values: object) -> list[Any]:  # Any: rows of the statement
        return self._cursor.execute(statement.encode(), values).fetchall()


class Filled:
    """Writes a workload: cycle by cycle as it would come, or all at once."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(address(url))

    def live(self, workload: Workload) -> None:
        """Everything is there before the first sample."""
        self._run(NAMES + SAMPLES + KEYS)
        self._run("CREATE TEMPORARY TABLE stage (LIKE sample) ON COMMIT DELETE ROWS")
        self._name(workload)

    def store(self, batch: Rows) -> None:
        """One transaction: new rows, and the roll-up of those that were new."""
        copy(self._connection, "stage", batch)
        self._connection.execute(KEEP)
        self._connection.commit()

    def bulk(self, workload: Workload) -> None:
        """The whole workload, keys and roll-up made afterwards: packed better than life would leave it."""
        self._run(NAMES + SAMPLES)
        for first in range(0, workload.size.polls, POLLS_A_DAY):
            copy(
                self._connection,
                "sample",
                rows(workload, first, min(first + POLLS_A_DAY, workload.size.polls)),
            )
        self._run(ROLL_UP + ";" + KEYS)
        self._name(workload)

    def tidy(self) -> None:
        """Vacuumed and analysed."""
        self._connection.autocommit = True
        self._connection.execute("VACUUM ANALYZE")
        self._connection.close()

    def _name(self, workload: Workload) -> None:
        instances, meters = range(workload.size.instances), range(len(METERS))
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO project VALUES (%s, %s)",
                [(project, project_name(project)) for project in range(workload.projects)],
            )
            cursor.executemany(
                "INSERT INTO resource VALUES (%s, %s, %s)",
                [(one, resource_name(one), workload.project_of(one)) for one in instances],
            )
            cursor.executemany(
                "INSERT INTO meter VALUES (%s, %s, %s, %s)",
                [(place, meter.name, meter.type, meter.unit) for place, meter in enumerate(METERS)],
            )
            cursor.executemany(
                "INSERT INTO series VALUES (%s, %s, %s)",
                [(one * len(METERS) + place, one, place) for one in instances for place in meters],
            )
            cursor.executemany(
                "INSERT INTO around VALUES (%s, %s, %s, %s, %s)",
                [row for one in instances for row in _around(workload, one)],
            )
        self._connection.commit()

    def _run(self, statements: str) -> None:
        for statement in statements.split(";"):
            if statement.strip():
                self._connection.execute(statement.encode())
        self._connection.commit()


def hours(found: ProjectRows) -> dict[tuple[int, int], Figures]:
    """Hourly figures in the oracle's words."""
    names, rows = found
    return {
        (int(names[rid][:8], 16), hour): Figures(count, total, least, greatest)
        for rid, hour, count, total, least, greatest in rows
    }


def projects(found: list[ProjectRow]) -> dict[tuple[int, int], Figures]:
    """Figures of projects in the oracle's words."""
    return {
        (int(name[:8], 16), 0): Figures(count, total, least, greatest)
        for name, count, total, least, greatest in found
    }


def readings(found: list[SampleRow]) -> list[Reading]:
    """Samples in the oracle's words."""
    places = {meter.name: place for place, meter in enumerate(METERS)}
    return [Reading(int(row[0][:8], 16), places[row[2]], row[5], row[6]) for row in found]


def _around(workload: Workload, instance: int) -> list[tuple[int, int, int, str, str]]:
    """What an instance was when: one row for each phase of its life."""
    phases = workload.phases[instance]
    begun = [0, *(int(workload.times[instance, phase.poll]) for phase in phases[1:])]
    return [
        (instance, begin, end, FLAVORS[phase.flavor].name, json.dumps(metadata(instance, phase)))
        for phase, begin, end in zip(phases, begun, [*begun[1:], FAR], strict=True)
    ]

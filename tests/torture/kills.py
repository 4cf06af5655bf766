"""`make torture`: lives of small stores, on every database, whose processes are killed over and over.

    python -m tests.torture.kills [--minutes 10] [--seed 1] [--only sqlite|postgresql|mariadb]

A process dies at a fault point somewhere in its life, or by SIGKILL at any moment; after each death the store must
answer as the oracle does. Prints one line of JSON for each database; exit status 1 when an answer was wrong.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from storage.database import Database
from storage.settings import DatabaseSettings
from tests.databases import sqlite_with_schema
from tests.servers import DatabaseServer, start_mariadb, start_postgresql
from tests.torture.conftest import migrated
from tests.torture.living import Place
from tests.torture.oracle import assert_right
from tests.torture.points import fault_points

DAYS = 9
LONGEST_S = 0.7  # a whole life takes some seconds
AHEAD = 8  # deliveries and turns that a process lives on at most before it may die at a point
KINDS = ("sqlite", "postgresql", "mariadb")
STARTS: dict[str, Callable[[], DatabaseServer]] = {"postgresql": start_postgresql, "mariadb": start_mariadb}


@dataclass(slots=True)
class Tally:
    """What was survived."""

    at_points: int = 0
    at_moments: int = 0
    lives: int = 0
    samples: int = 0


def torture(kind: str, seconds: float, seed: int) -> Tally:
    """Lives for about so long; raises AssertionError for a wrong answer, which names the seed of its life."""
    tally, end = Tally(), time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder, _databases(kind, Path(folder)) as fresh:
        while time.monotonic() < end or not tally.lives:
            place = Place(fresh(), Path(folder) / f"journal-{tally.lives}", DAYS, seed + tally.lives)
            try:
                _live(place, random.Random(place.seed), tally)
            except AssertionError as error:
                raise AssertionError(f"{kind}, life {place.seed}: {error}") from error
            tally.lives += 1
    return tally


def _live(place: Place, chance: random.Random, tally: Tally) -> None:
    """One life, to its end."""
    points = sorted(fault_points())
    database = Database(DatabaseSettings(url=place.url))
    length = len(place.life)
    while place.acknowledged < length:
        if chance.random() < 0.5:
            armed_at = place.acknowledged + chance.randrange(AHEAD)
            process = place.begin(chance.choice(points), armed_at)
            process.join(60)
        else:
            process = place.begin()
            process.join(chance.uniform(0, LONGEST_S))
            process.kill()
            process.join(60)
            tally.at_moments += process.exitcode == -signal.SIGKILL
            tally.at_points -= process.exitcode == -signal.SIGKILL
        assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
        tally.at_points += process.exitcode == -signal.SIGKILL
        assert_right(database, *place.oracles())
    assert_right(database, place.oracles()[0])
    tally.samples += sum(len(getattr(one, "samples", ())) for one in place.life)
    database.dispose()


@contextmanager
def _databases(kind: str, folder: Path) -> Iterator[Callable[[], str]]:
    """Makes databases with the schema, by their URLs."""
    if kind == "sqlite":
        numbers = iter(range(10**6))

        def made() -> str:
            own = folder / str(next(numbers))
            own.mkdir()
            return sqlite_with_schema(own)

        yield made
        return
    server = STARTS[kind]()
    try:
        yield lambda: migrated(server.create_database())
    finally:
        server.close()


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=KINDS)
    options = parser.parse_args()
    kinds = [options.only] if options.only else KINDS
    status = 0
    for kind in kinds:
        line: dict[str, object] = {"suite": "kills", "database": kind, "seed": options.seed}
        try:
            tally = torture(kind, 60 * options.minutes / len(kinds), options.seed)
            killed = tally.at_points + tally.at_moments
            line |= {"faults": killed, "survived": killed, "at_points": tally.at_points, "lives": tally.lives}
            line |= {"sent": tally.samples, "lost": 0, "doubled": 0}
        except AssertionError as error:
            line |= {"wrong": str(error)[:2000]}
            status = 1
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    return status


if __name__ == "__main__":
    sys.exit(main())

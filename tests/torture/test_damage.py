"""A flipped bit in a sealed row: the error names it, what does not need it is answered, `db check` lists it."""

import random
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Table, and_, select, update

from storage.database import Database
from storage.errors import DamagedTile
from storage.query import EVERYTHING, SampleQuery, Scope, StatisticsQuery
from storage.sample import from_microseconds
from storage.samples import Samples
from storage.statistics import Statistics
from storage.tables_tiles import day_roll, day_tile, tile
from storage.upkeep.check import Check
from tests.factories import NOW
from tests.storage.layers import Maintained, history

TABLES = (tile, day_tile, day_roll)
COLUMNS = ("head", "raw", "tot", "slots")
FLIPS = 4  # of each table
METERS = ("cpu", "memory.usage", "cpu_util", "odd")
START = NOW - timedelta(days=3)


@pytest.fixture
def sealed(database: Database) -> Database:
    """Forty hours, of which the last twelve are in tiles of hours; project-1 and project-0 apart."""
    store = Maintained(database)
    store.store(history(3, hours=40, resources=3))
    store.seal()
    store.compact()
    return database


def test_a_flipped_bit_is_named_and_costs_no_other_answer(sealed: Database) -> None:
    before = answers(sealed)
    chance = random.Random(11)
    noticed = set()

    for table in TABLES:
        for number in range(FLIPS):
            row = chance.choice(rows(sealed, table))
            column = COLUMNS[number % len(COLUMNS)]
            right = flip(sealed, table, row, column, chance)
            after = answers(sealed)

            name = f"{table.name} of group {row.gid}, meter number "
            damaged = [one for one in after.values() if isinstance(one, DamagedTile)]
            noticed |= {table for _ in damaged}  # hourly figures have columns that no question here needs
            moment = from_microseconds(row.start).isoformat()
            assert all(str(one).startswith(name) and moment in str(one) for one in damaged)
            assert all(one == before[key] for key, one in after.items() if not isinstance(one, DamagedTile))
            assert any(not isinstance(one, DamagedTile) for one in after.values())
            listed = list(Check(sealed).damages(row.gid))
            assert (table.name, row.gid, row.mid) in [(one.table, one.gid, one.mid) for one in listed]
            put(sealed, table, row, column, right)

    assert noticed == set(TABLES)
    assert answers(sealed) == before


def test_a_slot_more_or_less_never_gives_a_resource_the_readings_of_another(database: Database) -> None:
    store = Maintained(database)
    store.store(history(4, hours=30, resources=7))
    store.seal()
    store.compact()
    before = of_one_resource(database)
    noticed = set()

    for table in TABLES:
        for row in [row for row in rows(database, table) if row.slots == b"\x07"][:2]:
            for wrong in (b"\x06", b""):
                put(database, table, row, "slots", wrong)
                after = of_one_resource(database)
                put(database, table, row, "slots", bytes(row.slots))

                damaged = {key for key, one in after.items() if isinstance(one, DamagedTile)}
                noticed |= {table for _ in damaged}
                assert all(f"{table.name} of group {row.gid}" in str(after[key]) for key in damaged)
                assert all(one == before[key] for key, one in after.items() if key not in damaged)

    assert noticed == set(TABLES)


def of_one_resource(database: Database) -> dict[object, object]:
    """What questions about single resources are answered, or the error."""
    found: dict[object, object] = {}
    for number in (1, 3, 5):  # three slots of the group whose rows come first
        query = SampleQuery(EVERYTHING, meter="cpu", resource_id=f"instance-{number}", start=START)
        for period in (600, 3600):
            asked = StatisticsQuery(query, period, ("resource_id",))
            found[number, period] = _or_damage(lambda asked=asked: Statistics(database).compute(asked))
        found[number] = _or_damage(
            lambda query=query: [one.sample for one in Samples(database).find(query, 10**5)]
        )
    return found


def answers(database: Database) -> dict[object, object]:
    """What many questions are answered, or the error."""
    found: dict[object, object] = {}
    for project in ("project-0", "project-1"):
        for meter in METERS:
            query = SampleQuery(Scope(project), meter=meter, start=START)
            for period in (None, 3600):
                asked = StatisticsQuery(query, period, ("resource_id",))
                found[project, meter, period] = _or_damage(
                    lambda asked=asked: Statistics(database).compute(asked)
                )
            found[project, meter] = _or_damage(
                lambda query=query: [one.sample for one in Samples(database).find(query, 10**5)]
            )
    for meter in METERS:
        query = SampleQuery(EVERYTHING, meter=meter, start=START)
        found["cloud", meter] = _or_damage(
            lambda query=query: Statistics(database).compute(StatisticsQuery(query, None, ("project_id",)))
        )
    recent = SampleQuery(EVERYTHING, start=NOW - timedelta(minutes=30))
    found["recent"] = _or_damage(lambda: Samples(database).find(recent, 100))
    return found


def _or_damage(ask: Any) -> object:  # Any: a question
    try:
        found: object = ask()
    except DamagedTile as error:
        return error
    return found


def rows(database: Database, table: Table) -> list[Any]:  # Any: rows
    with database.read() as connection:
        found = connection.execute(select(table).order_by(table.c.gid, table.c.mid, table.c.start)).all()
    return [row for row in found if all(len(getattr(row, column)) for column in COLUMNS)]


def flip(database: Database, table: Table, row: Any, column: str, chance: random.Random) -> bytes:
    """Flips a bit; returns what was there."""
    right = bytes(getattr(row, column))
    wrong = bytearray(right)
    wrong[chance.randrange(len(wrong))] ^= 1 << chance.randrange(8)
    put(database, table, row, column, bytes(wrong))
    return right


def put(database: Database, table: Table, row: Any, column: str, data: bytes) -> None:
    key = and_(table.c.gid == row.gid, table.c.mid == row.mid, table.c.start == row.start)
    with database.write() as connection:
        connection.execute(update(table).where(key).values({column: data}))

"""Every flipped bit of what is sealed is found, named, and nothing else is."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, and_, delete, func, insert, select, update

from storage.database import Database
from storage.errors import DamagedTile
from storage.query import EVERYTHING, SampleQuery, StatisticsQuery
from storage.sample import from_microseconds
from storage.samples import Samples
from storage.settings import DatabaseSettings, MaintenanceSettings, RetentionSettings
from storage.statistics import Statistics
from storage.tables import hot
from storage.tables_tiles import day_roll, day_tile, tile, watermark
from storage.tiles.sharing import NUMBERS
from storage.upkeep.check import Check, Damage
from storage.upkeep.maintenance import Maintenance
from storage.watermarks import HOUR, look
from tests.databases import sqlite_with_schema
from tests.factories import NOW
from tests.storage.layers import Maintained, history

TILES = (tile, day_tile, day_roll)
SETTINGS = MaintenanceSettings(late_wait_s=0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An SQLite file with sixty hours of a random history, the last twelve in hour tiles."""
    folder = tmp_path_factory.mktemp("store")
    database = Database(DatabaseSettings(url=sqlite_with_schema(folder)))
    Samples(database).store(history(1), received_at=NOW)
    Maintenance(database, SETTINGS, RetentionSettings()).turn(NOW)
    database.dispose()
    return (folder / "nephometer.db").read_bytes()


@pytest.fixture
def database(tmp_path: Path, store: bytes) -> Iterator[Database]:
    file = tmp_path / "nephometer.db"
    file.write_bytes(store)
    database = Database(DatabaseSettings(url=f"sqlite:///{file}"))
    yield database
    database.dispose()


def found(database: Database) -> list[Damage]:
    check = Check(database)
    return [damage for gid in check.groups() for damage in check.damages(gid)]


def rows(database: Database, table: Table) -> list[Any]:  # Any: rows
    with database.read() as connection:
        return list(connection.execute(select(table).order_by(table.c.gid, table.c.mid, table.c.start)).all())


def key(table: Table, row: Any) -> Any:  # Any: as above; a condition
    return and_(table.c.gid == row.gid, table.c.mid == row.mid, table.c.start == row.start)


def change(database: Database, table: Table, row: Any, **values: object) -> None:
    with database.write() as connection:
        assert connection.execute(update(table).where(key(table, row)).values(**values)).rowcount == 1


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_sound_store_has_no_damage_and_every_row_was_looked_at(database: Database) -> None:
    check = Check(database)

    damages = [damage for gid in check.groups() for damage in check.damages(gid)]

    assert damages == []
    assert check.problems(NOW) == []
    assert check.rows == sum(len(rows(database, table)) for table in TILES)
    assert all(rows(database, table) for table in TILES)


@pytest.mark.parametrize("column", ["head", "raw", "tot", "slots"])
@pytest.mark.parametrize("table", TILES, ids=lambda table: table.name)
def test_a_flipped_bit_is_found_wherever_it_is(database: Database, table: Table, column: str) -> None:
    chance = random.Random(f"{table.name} {column}")
    some = [row for row in rows(database, table) if getattr(row, column)]
    for row in chance.sample(some, min(len(some), 12)):
        data = bytes(getattr(row, column))
        changed = flipped(data, chance.randrange(8 * len(data)))
        change(database, table, row, **{column: changed})

        damages = Check(database).damages(row.gid)

        named = {(one.table, one.mid, one.start) for one in damages}
        assert (table.name, row.mid, from_microseconds(row.start)) in named
        assert {one.table for one in damages} == {table.name} or row.mid <= 0
        change(database, table, row, **{column: data})
    assert found(database) == []


def test_figures_alone_are_checked_where_samples_are_gone(database: Database) -> None:
    Maintenance(database, SETTINGS, RetentionSettings(raw="1d", hourly="9d")).turn(NOW)
    with database.read() as connection:
        border = look(connection).raw_from
    old = [row for row in rows(database, day_roll) if row.start < border and row.mid > 0]
    assert old
    assert found(database) == []
    chance = random.Random(3)
    for row in chance.sample(old, 5):
        for column in ("raw", "head", "slots"):
            data = bytes(getattr(row, column))
            change(database, day_roll, row, **{column: flipped(data, chance.randrange(8 * len(data)))})
            assert [one.mid for one in Check(database).damages(row.gid)] == [row.mid]
            change(database, day_roll, row, **{column: data})


@pytest.mark.parametrize("change_of", ["w", "line", "start", "mid"])
def test_a_changed_number_of_a_row_is_found(database: Database, change_of: str) -> None:
    row = next(row for row in rows(database, day_tile) if row.mid > 0)

    change(database, day_tile, row, **{change_of: getattr(row, change_of) ^ 64})

    assert found(database) != []


def test_a_damage_is_named_as_people_know_it(database: Database) -> None:
    row = next(row for row in rows(database, day_tile) if row.mid > 0)
    change(database, day_tile, row, raw=flipped(bytes(row.raw), 5))

    (damage,) = found(database)

    assert damage.table == "day_tile"
    assert damage.meter in ("cpu", "memory.usage", "cpu_util", "odd")
    assert damage.project in (None, "project-0", "project-1")
    assert damage.start == from_microseconds(row.start)
    assert "checksum" in damage.reason


@pytest.mark.parametrize("table", [day_tile, day_roll], ids=lambda table: table.name)
def test_a_changed_number_of_a_shared_record_is_found(database: Database, table: Table) -> None:
    resource = SampleQuery(EVERYTHING, meter="cpu", resource_id="instance-3")
    by_hour = StatisticsQuery(replace(resource, start=NOW - timedelta(hours=60)), 3600)
    ask: Callable[[Database], object] = (
        (lambda database: Samples(database).find(resource, 10_000))
        if table is day_tile
        else (lambda database: Statistics(database).compute(by_hour))
    )
    row = next(
        row
        for row in rows(database, table)
        if row.mid == 0 and len(row.raw) < row.w * int.from_bytes(row.slots, "little").bit_count()
    )
    for number in range(row.head[1]):
        change(database, table, row, head=flipped(bytes(row.head), 8 * (NUMBERS + number)))

        (damage,) = [one for one in found(database) if one.mid == 0]

        assert (damage.table, damage.gid, damage.start) == (
            table.name,
            row.gid,
            from_microseconds(row.start),
        )
        with pytest.raises(DamagedTile, match=f"{table.name} of group {row.gid}, meter number 0, "):
            ask(database)
    change(database, table, row, head=bytes(row.head))


def test_rows_without_their_stamps_are_found(database: Database) -> None:
    stamps = next(row for row in rows(database, tile) if row.mid == 0)
    with database.write() as connection:
        connection.execute(delete(tile).where(key(tile, stamps)))

    assert {one.reason for one in found(database)} == {"the stamps of its hour or day are missing"}


def test_tiles_that_overlap_are_found(database: Database) -> None:
    with database.write() as connection:
        longest = connection.execute(
            select(tile.c.gid, tile.c.start).where(tile.c.mid == 0).order_by(func.length(tile.c.raw).desc())
        ).first()
        assert longest is not None
        of_tile = (tile.c.gid == longest.gid, tile.c.start == longest.start)
        copied = [dict(row) for row in connection.execute(select(tile).where(*of_tile)).mappings()]
        connection.execute(insert(tile), [row | {"start": longest.start + HOUR} for row in copied])

    assert "a stamp lies outside of its hour or day" in {one.reason for one in found(database)}


def test_missing_hourly_figures_are_found(database: Database) -> None:
    row = next(row for row in rows(database, day_roll) if row.mid > 0)
    with database.write() as connection:
        connection.execute(delete(day_roll).where(key(day_roll, row)))

    assert [(one.table, one.mid, one.reason) for one in found(database)] == [
        ("day_roll", row.mid, "its hourly figures are missing")
    ]


def test_what_does_not_need_a_damaged_tile_is_answered(database: Database) -> None:
    row = next(row for row in rows(database, day_tile) if row.mid > 0)
    change(database, day_tile, row, raw=flipped(bytes(row.raw), 5))
    (damage,) = found(database)
    assert damage.meter is not None
    other = "cpu" if damage.meter != "cpu" else "memory.usage"
    damaged = SampleQuery(EVERYTHING, meter=damage.meter)

    with pytest.raises(DamagedTile, match=rf"day_tile of group {row.gid}, meter number {row.mid}, "):
        Samples(database).find(damaged, 10_000)
    aligned = replace(damaged, start=damage.start)
    by_hour = Statistics(database).compute(StatisticsQuery(aligned, 3600, ("resource_id",)))

    assert by_hour
    assert Samples(database).find(SampleQuery(EVERYTHING, meter=other), 10_000)
    recent = SampleQuery(EVERYTHING, meter=damage.meter, start=damage.start + timedelta(days=1))
    assert Samples(database).find(recent, 10_000)


def test_rows_of_a_sealed_hour_that_no_tile_has_are_found(database: Database) -> None:
    with database.read() as connection:
        sealed = look(connection).sealed
        row = connection.execute(select(hot).where(hot.c.ts >= sealed).limit(1)).one()
    with database.write() as connection:
        values = row._asdict() | {"ts": sealed - HOUR // 2 + 1}
        connection.execute(insert(hot).values(**values))

    (problem,) = Check(database).problems(NOW)

    assert "of sealed hours, but in no tile" in problem


def test_rows_that_wait_to_be_dropped_are_no_problem(tmp_path: Path) -> None:
    database = Database(DatabaseSettings(url=sqlite_with_schema(tmp_path)))
    store = Maintained(database)
    store.store(history(2, hours=6))
    store.seal()

    assert Check(database).problems(NOW) == []
    database.dispose()


@pytest.mark.parametrize(
    ("name", "at", "words"),
    [
        ("sealed", 2**60, "sealed is after closed"),
        ("closed", 2**60 - 2**60 % HOUR, "in the future"),
        ("compacted", 1, "not at the beginning of a day"),
        ("sealed", 0, "rows of tile are of hours that are not sealed: nobody reads them"),
    ],
)
def test_watermarks_that_make_no_sense_are_found(database: Database, name: str, at: int, words: str) -> None:
    with database.write() as connection:
        connection.execute(update(watermark).where(watermark.c.name == name).values(at=at))

    assert any(words in problem for problem in Check(database).problems(NOW))

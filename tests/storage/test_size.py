"""Figures of the store that an operator can check by hand."""

import struct
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, make_url, select, text

from storage import tables_alarms
from storage.database import Database
from storage.sample import make_id, to_microseconds
from storage.samples import Samples
from storage.schema import metadata
from storage.settings import DatabaseSettings
from storage.tables import meter, resource
from storage.tables_tiles import day_roll, day_tile, tile
from storage.tiles.compact import Compactor
from storage.tiles.seal import Sealer
from storage.upkeep import census
from storage.upkeep.disk import free_bytes, is_here, table_bytes
from storage.upkeep.partitions import Partitions
from storage.upkeep.size import LAYERS, LayerSize, MeterSize, StoreSize, measure
from storage.watermarks import DAY, HOUR, move
from tests.factories import CPU, CPU_UTIL, MINUTE, NOW, sample, series

LATER = NOW + timedelta(days=3)
NOON = to_microseconds(NOW)


def layers(found: StoreSize) -> dict[str, LayerSize]:
    return {layer.name: layer for layer in found.layers}


def meters(found: StoreSize) -> dict[str, MeterSize]:
    return {one.name: one for one in found.meters}


def refresh(database: Database) -> None:
    """Lets MariaDB bring its figures up to date, as it does by itself now and then."""
    if database.engine.dialect.name in ("mysql", "mariadb"):
        with database.write() as connection:
            names = ", ".join(f"`{table.name}`" for table in metadata.sorted_tables)
            connection.execute(text(f"ANALYZE TABLE {names}")).all()


@pytest.fixture
def filled(database: Database) -> Iterator[Database]:
    """Twenty hours of a counter and a gauge of one resource, and three requests of another project."""
    Partitions(database).make_ahead(NOW, hours=1)
    counters = series(1200)
    gauges = [
        sample(meter="cpu_util", type="gauge", unit="%", timestamp=one.timestamp, volume=0.5)
        for one in counters
    ]
    requests = [
        sample(meter="requests", type="delta", unit="request", project_id="b", id=make_id(str(number)))
        for number in range(3)
    ]
    Samples(database).store([*counters, *gauges, *requests], received_at=LATER)
    refresh(database)
    yield database
    database.dispose()


def add_tile(database: Database, table: str, name: str, *, bytes_a_slot: int, readings: int) -> None:
    """A tile of a meter with three slots, as far as its size can be seen."""
    with database.write() as connection:
        mid = connection.execute(select(meter.c.mid).where(meter.c.name == name)).scalar_one()
        gid = connection.execute(select(resource.c.gid)).scalars().first()
        tot = struct.pack("<qqq", readings, NOON - DAY, NOON - 1) + bytes(32) if table != "day_roll" else b""
        connection.execute(
            insert(metadata.tables[table]).values(
                gid=gid, mid=mid, start=NOON - DAY, line=-1, slots=b"\x0b", w=bytes_a_slot,
                head=bytes(20), raw=bytes(3 * bytes_a_slot), tot=tot,
            )
        )  # fmt: skip


def test_every_sample_and_every_byte_is_counted_where_it_is(filled: Database) -> None:
    found = measure(filled)

    by_name = layers(found)
    assert by_name["open hours"].samples == 2400
    assert by_name["delta samples"].samples == 3
    assert found.samples == 2403
    assert by_name["open hours"].bytes > 2400 * 8
    assert all(layer.bytes > 0 for layer in found.layers if layer.name != "other")
    assert by_name["dimensions"].samples is None
    assert found.bytes == sum(layer.bytes for layer in found.layers)
    assert found.bytes_per_sample == found.bytes / 2403
    assert (found.groups, found.groups_counted) == (2, 2)


def test_meters_delivered_together_share_their_rows(filled: Database) -> None:
    found = measure(filled)

    by_name = meters(found)
    assert (by_name["cpu"].samples, by_name["cpu_util"].samples, by_name["requests"].samples) == (
        1200,
        1200,
        3,
    )
    assert (by_name["cpu"].type, by_name["cpu"].unit) == (CPU.type, CPU.unit)
    assert by_name["cpu"].bytes + by_name["cpu_util"].bytes == pytest.approx(
        layers(found)["open hours"].bytes, abs=2
    )
    assert sum(one.bytes for one in found.meters) <= found.bytes


def test_tiles_are_counted_from_their_heads(filled: Database) -> None:
    add_tile(filled, "tile", "cpu", bytes_a_slot=1000, readings=36)
    add_tile(filled, "day_tile", "cpu", bytes_a_slot=3000, readings=500)
    add_tile(filled, "day_tile", "cpu_util", bytes_a_slot=1000, readings=400)
    add_tile(filled, "day_roll", "cpu_util", bytes_a_slot=700, readings=0)
    refresh(filled)

    found = measure(filled)

    by_name = layers(found)
    assert (by_name["hour tiles"].samples, by_name["day tiles"].samples) == (36, 900)
    assert by_name["hourly figures"].samples is None
    assert found.samples == 2403 + 936
    assert meters(found)["cpu"].samples == 1200 + 536
    assert found.oldest == NOW - timedelta(days=1)
    tiled = meters(found)["cpu"].bytes - layers(found)["open hours"].bytes // 2 - by_name["hour tiles"].bytes
    assert tiled / by_name["day tiles"].bytes == pytest.approx(0.74, abs=0.02)


def test_rows_that_tiles_hold_already_are_not_counted_again(filled: Database) -> None:
    with filled.write() as connection:
        move(connection, "sealed", NOON + HOUR)

    found = measure(filled)

    assert layers(found)["open hours"].samples == 2 * (1200 - 60)


def test_whatever_layer_holds_them_the_samples_and_their_times_are_the_same(filled: Database) -> None:
    before = measure(filled)
    sealer, compactor = Sealer(filled, grace=timedelta(0)), Compactor(filled)
    sealer.close(NOW + timedelta(hours=14))  # noon to midnight are a day that is over

    counted = []
    for work in (sealer.step, compactor.step):
        while work() is not None:
            counted.append(measure(filled))
    Partitions(filled).drop_before(NOON + 14 * HOUR)
    after = measure(filled)

    assert {found.samples for found in [*counted, after]} == {before.samples}
    assert {(found.oldest, found.newest) for found in [*counted, after]} == {(before.oldest, before.newest)}
    by_name = layers(after)
    assert by_name["day tiles"].samples == 2 * 12 * 60
    assert by_name["hour tiles"].samples == 2 * 2 * 60
    assert by_name["open hours"].samples == 2 * 6 * 60


def test_growth_tells_when_the_disk_is_full(filled: Database) -> None:
    found = measure(filled, free_bytes=10**12)

    assert found.oldest == NOW
    assert found.newest == NOW + 1199 * MINUTE
    assert found.bytes_a_day is not None
    assert found.bytes_a_day * 1199 / 1440 <= found.bytes
    assert found.days_until_full == 10**12 / found.bytes_a_day


def test_an_empty_store_has_a_size_and_no_growth(database: Database) -> None:
    found = measure(database)

    assert (found.samples, found.meters, found.bytes_per_sample) == (0, (), None)
    assert (found.oldest, found.bytes_a_day, found.days_until_full) == (None, None, None)
    assert found.bytes > 0


def test_a_store_of_minutes_foretells_nothing(database: Database) -> None:
    Samples(database).store([CPU, CPU_UTIL], received_at=LATER)

    assert measure(database).bytes_a_day is None


def test_many_groups_are_estimated_from_some(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "GROUPS_AT_ONCE", 5)
    monkeypatch.setattr(census, "EFFORT_MAX", 1)
    monkeypatch.setattr(census, "ROWS_A_HEAD", 1)
    Samples(database).store([sample(project_id=f"p{number}") for number in range(40)], received_at=LATER)

    found = measure(database)

    assert (found.groups, found.groups_counted, found.is_estimate) == (40, 5, True)
    assert found.samples == 40


def test_a_partition_counts_with_its_table(filled: Database) -> None:
    with filled.read() as connection:
        sizes = table_bytes(connection)

    assert set(sizes) == {table.name for table in metadata.tables.values()} | {"alembic_version"}
    assert sizes["hot"] > 1200 * 8


def test_every_table_is_in_a_layer() -> None:
    named = [table for _, tables in LAYERS for table in tables]

    others = {table.name for table in metadata.tables.values()} - set(named)
    assert len(named) == len(set(named))
    assert others == {"id_counter", "watermark", "lease"}
    assert {day_tile.name, tile.name, day_roll.name, tables_alarms.alarm.name} <= set(named)


def test_the_free_room_of_this_machine_is_found(database: Database) -> None:
    free = free_bytes(database)

    assert free is not None
    assert free > 0


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg://127.0.0.1:5432/n", True),
        ("postgresql+psycopg://[::1]/n", True),
        ("postgresql+psycopg:///n?host=/run/postgresql", True),
        ("mysql+pymysql://user@localhost/n", True),
        ("postgresql+psycopg://database.example/n", False),
        ("postgresql+psycopg:///n?host=database.example", False),
        ("mysql+pymysql://192.0.2.1/n", False),
    ],
)
def test_a_server_elsewhere_is_told_from_one_here(url: str, expected: bool) -> None:
    assert is_here(make_url(url)) is expected


def test_a_store_in_memory_has_no_disk(tmp_path: Path) -> None:
    in_memory = Database(DatabaseSettings(url="sqlite:///:memory:"))
    not_there = Database(DatabaseSettings(url=f"sqlite:///{tmp_path}/folder/n.db"))
    (tmp_path / "folder").rmdir()

    assert free_bytes(in_memory) is None
    assert free_bytes(not_there) is None

"""Everything that is done to a store, in turns that can end anywhere, by any number at once."""

import os
import random
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Table, func, select, update

from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.faults import ARMED
from storage.query import EVERYTHING, SampleQuery, StatisticsQuery, StatisticsRow
from storage.sample import Sample, to_microseconds
from storage.samples import Samples
from storage.settings import DatabaseSettings, MaintenanceSettings, RetentionSettings
from storage.statistics import Statistics
from storage.tables import hot, late
from storage.tables_tiles import day_tile, tile
from storage.upkeep.check import Check
from storage.upkeep.maintenance import Maintenance, Stage
from storage.upkeep.partition_kinds import SPAN
from storage.upkeep.partitions import Partitions
from storage.watermarks import DAY, Watermarks, look
from tests.factories import NOW, sample
from tests.storage.layers import Maintained, batches, history

HOUR = timedelta(hours=1)
AT = NOW + timedelta(minutes=10)  # when the grace of all that is told is over
SETTINGS = MaintenanceSettings(late_wait_s=0)
KEEP = RetentionSettings()


def maintenance(database: Database) -> Maintenance:
    return Maintenance(database, SETTINGS, KEEP)


def finish(work: Maintenance, now: datetime = AT) -> None:
    """Turns until nothing is left."""
    while not work.turn(now).is_finished:
        pass


def marks(database: Database) -> Watermarks:
    with database.read() as connection:
        return look(connection)


def count(database: Database, table: Table) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def everything(database: Database) -> tuple[list[tuple[str, Sample]], list[StatisticsRow]]:
    """What the store answers about samples and statistics."""
    found = Samples(database).find(SampleQuery(EVERYTHING), 100_000)
    query = StatisticsQuery(SampleQuery(EVERYTHING, meter="memory.usage"), groupby=("resource_id",))
    return [(one.message_id, one.sample) for one in found], Statistics(database).compute(query)


def damage(database: Database, table: Table, day: int) -> int:
    """Spoils the records of the first meter in this day; returns its group."""
    columns = table.c
    chosen = (columns.mid > 0, columns.start >= day, columns.start < day + DAY)
    with database.write() as connection:
        first = select(table).where(*chosen).order_by(columns.mid, columns.gid, columns.start).limit(1)
        row = connection.execute(first).one()
        this = (columns.gid == row.gid, columns.mid == row.mid, columns.start == row.start)
        connection.execute(update(table).where(*this).values(raw=b"x" + bytes(row.raw)))
    return int(row.gid)


def test_a_turn_brings_every_sample_where_it_belongs(database: Database) -> None:
    samples = history(5)
    store = Maintained(database)
    for batch in batches(random.Random(5), samples):
        store.store(batch)
    before = everything(database)
    work = maintenance(database)

    done = work.turn(AT)

    assert done.is_finished
    assert done.amounts[Stage.SEAL] > 0 < done.amounts[Stage.COMPACT]
    assert (marks(database).sealed, count(database, late)) == (to_microseconds(NOW), 0)
    assert count(database, hot) == 0
    assert marks(database).compacted == to_microseconds(NOW.replace(hour=0))
    assert everything(database) == before
    assert work.turn(AT).amounts == dict.fromkeys(Stage, 0)
    assert Check(database).problems(AT) == []


def test_a_turn_ends_after_the_step_in_which_it_is_told_to_and_another_goes_on(database: Database) -> None:
    samples = history(6, hours=30, resources=2)
    Samples(database).store(samples, received_at=NOW)
    before = everything(database)
    turns = 0

    while not maintenance(database).turn(AT, lambda: True).is_finished:
        turns += 1

    assert turns > 30
    assert everything(database) == before
    assert count(database, hot) == 0


def test_late_samples_are_merged_by_a_later_turn(database: Database) -> None:
    Samples(database).store(history(7, hours=30, resources=2), received_at=NOW)
    work = maintenance(database)
    finish(work)
    Samples(database).store([sample(resource_id="r", timestamp=NOW - 29 * HOUR)], received_at=NOW)
    waiting = work.waiting()

    done = work.turn(NOW + HOUR)

    assert (waiting, done.amounts[Stage.LATE], work.waiting()) == (1, 1, 0)


def test_a_damaged_hour_does_not_stop_other_groups_and_days(database: Database) -> None:
    Samples(database).store(history(8), received_at=NOW)
    Maintained(database).seal()
    day = to_microseconds(NOW.replace(hour=0)) - 2 * DAY
    gid = damage(database, tile, day)
    work = maintenance(database)

    finish(work)

    assert [name.split(":")[0] for name in work.damaged] == [
        f"tile of group {gid}, meter number 1, {NOW.replace(hour=0) - 48 * HOUR:%Y-%m-%dT%H}"
    ]
    assert marks(database).compacted == day
    with database.read() as connection:
        left = connection.execute(
            select(tile.c.gid, tile.c.start / DAY * DAY).where(tile.c.start < day + 2 * DAY).distinct()
        ).all()
    assert {row.gid for row in left} == {gid}
    assert len({row[1] // DAY for row in left}) == 1
    memory = SampleQuery(EVERYTHING, meter="memory.usage")
    assert len(Samples(database).find(memory, 10_000)) == len(
        [one for one in history(8) if one.meter == "memory.usage"]
    )


def test_a_repaired_tile_is_compacted_by_the_next_turn(database: Database) -> None:
    Samples(database).store(history(8, resources=3), received_at=NOW)
    Maintained(database).seal()
    before = everything(database)
    day = to_microseconds(NOW.replace(hour=0)) - 2 * DAY
    damage(database, tile, day)
    work = maintenance(database)
    finish(work)
    with database.write() as connection:
        repaired = func.substr(tile.c.raw, 2)
        broken = (tile.c.start >= day, func.substr(tile.c.raw, 1, 1) == b"x", tile.c.mid == 1)
        connection.execute(update(tile).where(*broken).values(raw=repaired))

    finish(work)

    assert work.damaged == []
    assert marks(database).compacted == day + 2 * DAY
    assert everything(database) == before


def test_a_damaged_day_does_not_stop_late_samples_of_other_days(database: Database) -> None:
    Samples(database).store(history(9), received_at=NOW)
    work = maintenance(database)
    finish(work)
    day = to_microseconds(NOW.replace(hour=0)) - 2 * DAY
    damage(database, day_tile, day)
    for hours in (48 - 1, 24 - 1):
        moment = NOW.replace(hour=0) - hours * HOUR + timedelta(minutes=1)
        some = [sample(resource_id=f"instance-{n}", project_id=p, timestamp=moment) for n, p in _owners()]
        Samples(database).store(some, received_at=NOW)

    finish(work)

    assert len(work.damaged) == 1
    with database.read() as connection:
        days = connection.execute(select(late.c.ts - late.c.ts % DAY).distinct()).scalars().all()
        groups = connection.execute(select(late.c.gid).distinct()).scalars().all()
    assert (days, len(groups)) == ([day], 1)


def test_what_is_damaged_is_forgotten_in_its_time(database: Database) -> None:
    Samples(database).store(history(8, resources=3), received_at=NOW)
    Maintained(database).seal()
    day = to_microseconds(NOW.replace(hour=0)) - 2 * DAY
    damage(database, tile, day)
    work = Maintenance(database, SETTINGS, RetentionSettings(raw="1d"))

    finish(work)
    finish(work, NOW + timedelta(days=1))

    assert marks(database).raw_from == day + 2 * DAY
    assert work.damaged == []
    assert count(database, tile) == 0
    assert marks(database).compacted >= marks(database).raw_from


def test_two_at_once_do_everything_once(database: Database) -> None:
    Samples(database).store(history(10, hours=40, resources=3), received_at=NOW)
    before = everything(database)

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: maintenance(database).turn(AT), range(2)))

    finish(maintenance(database))
    sealed = sum(done.amounts[Stage.SEAL] for done in both)
    assert sealed == len([one for one in history(10, hours=40, resources=3) if one.type != "delta"])
    assert everything(database) == before


def test_a_process_that_is_killed_leaves_the_rest_to_another(database: Database) -> None:
    Samples(database).store(history(11, hours=40, resources=3), received_at=NOW)
    before = everything(database)
    program = (
        "from datetime import datetime; from storage.database import Database;"
        "from storage.upkeep.maintenance import Maintenance; from storage.settings import *;"
        f"database = Database(DatabaseSettings(url={database.settings.url!r}));"
        "work = Maintenance(database, MaintenanceSettings(), RetentionSettings(raw='1d'));"
        f"work.turn(datetime.fromisoformat({AT.isoformat()!r}))"
    )
    for point in ("compact.written", "retention.moving", "retention.deleting", "retention.deleted"):
        killed = subprocess.run(
            [sys.executable, "-c", program], env=os.environ | {ARMED: point}, check=False, timeout=120
        )
        assert killed.returncode == -signal.SIGKILL
    finish(Maintenance(database, SETTINGS, RetentionSettings(raw="1d")))

    samples, _ = before
    border = NOW.replace(hour=0) - 24 * HOUR
    kept = [one for one in samples if one[1].timestamp >= border]
    assert everything(database)[0] == kept
    assert Check(database).problems(AT) == []


def test_partitions_are_there_before_their_hour(database: Database) -> None:
    maintenance(database).turn(AT)

    found = Partitions(database).hours()
    if database.engine.dialect.name == "sqlite":
        assert found == []
    else:
        assert found[0].end == to_microseconds(NOW) + SPAN
        assert found[-2].end is not None
        assert found[-2].end > to_microseconds(AT + 3 * HOUR)


def test_a_database_that_is_away_is_an_error_to_try_again() -> None:
    gone = Database(DatabaseSettings(url="postgresql+psycopg://nobody@127.0.0.1:1/none", timeout_s=1))

    with pytest.raises(DatabaseUnavailable):
        maintenance(gone).turn(AT)


def _owners() -> list[tuple[int, str | None]]:
    found: dict[str, Sample] = {one.resource_id: one for one in history(9)}
    return [(int(name.removeprefix("instance-")), one.project_id) for name, one in sorted(found.items())]

"""Partitions of half a day, for clouds of few rows."""

from datetime import timedelta

from storage.database import Database
from storage.upkeep.partition_kinds import LONG, SPAN, Partition
from storage.upkeep.partitions import Partitions
from storage.watermarks import HOUR
from tests.factories import NOW
from tests.storage.test_partitions import AHEAD, COMING, HOUR_12, fill, has_partitions, names, server, times

__all__ = ["server"]  # a fixture


def test_where_few_rows_come_a_partition_is_of_half_a_day(database: Database) -> None:
    partitions = Partitions(database)
    partitions.make_ahead(NOW - timedelta(hours=1), length=LONG)
    assert partitions.made_to == HOUR_12 + LONG

    made = partitions.make_ahead(NOW + timedelta(hours=11), AHEAD, length=LONG)

    assert partitions.made_to == HOUR_12 + 2 * LONG
    if has_partitions(database):
        found = {partition.name: partition for partition in partitions.hours()}
        assert made == 1
        assert names(database) == ["hot_2026112308", "hot_2026112312", "hot_2026112400"]
        assert found["hot_2026112400"] == Partition("hot_2026112400", HOUR_12 + LONG, HOUR_12 + 2 * LONG)


def test_no_partition_begins_within_another_or_goes_on_into_it(database: Database) -> None:
    partitions = Partitions(database)
    partitions.make_ahead(NOW + timedelta(hours=4), hours=0)

    partitions.make_ahead(NOW, AHEAD, length=LONG)
    again = partitions.make_ahead(NOW, AHEAD)

    assert again == 0
    if database.engine.dialect.name == "postgresql":  # MariaDB makes none before the first one
        assert not partitions.is_behind
        assert names(database) == [*COMING[:3], "hot_2026112400"]


def test_of_half_a_day_that_has_rows_without_a_partition_the_rest_gets_its_own(server: Database) -> None:
    fill(server, HOUR_12 + SPAN)
    partitions = Partitions(server)

    partitions.make_ahead(NOW, hours=0, length=LONG)

    expected = {
        "postgresql": [COMING[0], COMING[2]],
        "mysql": ["hot_2026112312"],
        "mariadb": ["hot_2026112312"],
    }
    assert names(server) == expected[server.engine.dialect.name]
    assert times(server) == [HOUR_12 + SPAN]


def test_rows_of_a_partition_that_goes_on_wait_for_its_end(server: Database) -> None:
    partitions = Partitions(server)
    partitions.make_ahead(NOW, hours=0, length=LONG)
    early, kept = HOUR_12 - 5 * HOUR, HOUR_12 + HOUR
    fill(server, early, kept)

    partitions.drop_before(HOUR_12 + SPAN, only_whole=True)
    if server.engine.dialect.name == "postgresql":  # the partition that MariaDB has for older rows is dropped
        assert partitions.next_end == 0
    partitions.drop_before(HOUR_12 + SPAN, only_whole=True)

    assert times(server) == [kept]
    assert partitions.next_end == HOUR_12 + LONG
    assert partitions.drop_before(HOUR_12 + LONG, only_whole=True) == 1
    assert times(server) == []

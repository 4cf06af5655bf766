"""What is forgotten of lives, and that the rest stays as it was."""

from datetime import datetime, timedelta

from sqlalchemy import Table, func, select

from storage.database import Database
from storage.fact import NOTHING, Attributes, happened, seen
from storage.query import EVERYTHING
from storage.sample import to_microseconds
from storage.segments import SegmentQuery, Segments
from storage.settings import RetentionSettings
from storage.tables_lifecycle import fact, life
from storage.upkeep.old_lives import forget_lives
from tests.factories import NOW
from tests.storage.aging import maintain

DAY = timedelta(days=1)
SMALL = Attributes("project-a", "m1.small")
LARGE = Attributes("project-a", "m1.large")


def count(database: Database, table: Table = fact) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def forget(database: Database, before: timedelta) -> None:
    list(forget_lives(database, to_microseconds(NOW - before)))


def since(segments: Segments) -> list[tuple[datetime, datetime | None, Attributes]]:
    """What was from fifteen days ago on."""
    cut = NOW - 15 * DAY
    found = segments.of_resource(EVERYTHING, "vm-1")
    return [
        (max(cut, one.start), one.end, one.attributes) for one in found if one.end is None or one.end > cut
    ]


def test_a_life_that_ended_long_ago_is_forgotten_whole(database: Database) -> None:
    segments = Segments(database)
    for number, end in enumerate((50, 30, 11, 2)):
        segments.store(
            [
                happened("instance", f"vm-{number}", "begins", NOW - 60 * DAY, SMALL, "1"),
                happened("instance", f"vm-{number}", "ends", NOW - end * DAY, NOTHING, "2"),
            ]
        )
    segments.store([happened("instance", "vm-9", "begins", NOW - 60 * DAY, SMALL, "1")])

    forget(database, 10 * DAY)

    found = Segments(database).find(SegmentQuery(EVERYTHING), 10).segments
    assert [one.resource_id for one in found] == ["vm-2", "vm-3", "vm-9"]  # vm-2: within a day of patience
    assert (count(database), count(database, life)) == (5, 3)


def test_old_looks_at_a_living_resource_go_but_chains_since_then_stay(database: Database) -> None:
    segments = Segments(database)
    kinds = [SMALL] * 20 + [LARGE] * 10 + [SMALL] * 10
    segments.store([seen("instance", "vm-1", NOW - (40 - day) * DAY, one) for day, one in enumerate(kinds)])
    before = since(segments)

    forget(database, 15 * DAY)

    assert count(database) == 17
    assert since(Segments(database)) == before


def test_lives_are_kept_as_long_as_hourly_figures(database: Database) -> None:
    segments = Segments(database)
    for number, end in enumerate((200, 20)):
        segments.store(
            [
                happened("instance", f"vm-{number}", "begins", NOW - 300 * DAY, SMALL, "1"),
                happened("instance", f"vm-{number}", "ends", NOW - end * DAY, NOTHING, "2"),
            ]
        )

    maintain(database, RetentionSettings(raw="30d", hourly="100d"))

    found = Segments(database).find(SegmentQuery(EVERYTHING), 10).segments
    assert [one.resource_id for one in found] == ["vm-1"]

"""Calendar periods, against clocks that do strange things."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from storage.calendar import UNITS, Calendar, Unit

ZONES = (
    "UTC",
    "Europe/Prague",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Havana",
    "America/Sao_Paulo",
    "Pacific/Apia",
)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def lengths(unit: Unit, zone: str, start: datetime, end: datetime) -> list[float]:
    """Hours of each period."""
    edges = Calendar(unit, zone).edges(start, end, 1000)
    return [(after - before) / timedelta(hours=1) for before, after in pairwise(edges)]


def test_months_begin_where_clocks_of_the_zone_show_the_first_of_a_month() -> None:
    edges = Calendar("month", "Europe/Prague").edges(utc(2026, 3, 15), utc(2026, 5, 1), 10)

    assert edges == [utc(2026, 2, 28, 23), utc(2026, 3, 31, 22), utc(2026, 4, 30, 22), utc(2026, 5, 31, 22)]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Prague", utc(2026, 3, 29), 23),
        ("Europe/Prague", utc(2026, 10, 25), 25),
        ("Europe/Prague", utc(2026, 10, 26), 24),
        ("Australia/Lord_Howe", utc(2026, 10, 3, 14), 23.5),
        ("America/Sao_Paulo", utc(2018, 11, 4, 4), 23),  # clocks leave out midnight
        ("America/Havana", utc(2026, 11, 1, 6), 25),  # clocks show midnight twice
    ],
)
def test_days_have_the_hours_their_clocks_show(zone: str, day: datetime, hours: float) -> None:
    assert lengths("day", zone, day, day + timedelta(hours=1)) == [hours]


def test_an_hour_that_clocks_show_twice_is_two_hours() -> None:
    night = lengths("hour", "Europe/Prague", utc(2026, 10, 24, 22), utc(2026, 10, 25, 23))

    assert night == [1] * 25


def test_a_day_the_zone_left_out_is_none() -> None:
    edges = Calendar("day", "Pacific/Apia").edges(utc(2011, 12, 29, 12), utc(2011, 12, 31, 12), 10)

    assert [edge.astimezone(ZoneInfo("Pacific/Apia")).day for edge in edges] == [29, 31, 1, 2][: len(edges)]
    assert lengths("day", "Pacific/Apia", edges[0], edges[-1]) == [24] * (len(edges) - 1)


def test_quarters_years_and_weeks() -> None:
    assert Calendar("quarter").edges(utc(2026, 5, 1), utc(2026, 5, 2), 1) == [
        utc(2026, 4, 1),
        utc(2026, 7, 1),
    ]
    assert Calendar("year").edges(utc(2026, 5, 1), utc(2026, 5, 2), 1) == [utc(2026, 1, 1), utc(2027, 1, 1)]
    assert Calendar("week").edges(utc(2026, 11, 24), utc(2026, 11, 25), 1) == [
        utc(2026, 11, 23),
        utc(2026, 11, 30),
    ]


@given(
    some.sampled_from(UNITS),
    some.sampled_from(ZONES),
    some.integers(0, 20 * 365 * 1440),
    some.integers(1, 60 * 24 * 20),
)
def test_periods_cover_the_time_without_gap_and_begin_as_clocks_say(
    unit: Unit, zone: str, begin: int, minutes: int
) -> None:
    start = utc(2009, 1, 1) + timedelta(minutes=begin)
    end = start + timedelta(minutes=minutes)

    edges = Calendar(unit, zone).edges(start, end, 1000)

    assert edges[0] <= start < edges[1]
    assert edges[-2] < end <= edges[-1]
    assert edges == sorted(set(edges))
    clocks = [edge.astimezone(ZoneInfo(zone)) for edge in edges]
    before = [(edge - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)) for edge in edges]
    if unit == "hour":
        assert all(
            (clock.hour, clock.fold) != (last.hour, last.fold)
            for clock, last in zip(clocks, before, strict=True)
        )
    else:
        assert all(clock.date() != last.date() for clock, last in zip(clocks, before, strict=True))


def test_too_many_periods_and_impossible_times_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 10 periods"):
        Calendar("hour").edges(utc(2026, 1, 1), utc(2027, 1, 1), 10)
    with pytest.raises(ValueError, match="before the end"):
        Calendar("hour").edges(utc(2026, 1, 1), utc(2026, 1, 1), 10)
    with pytest.raises(ValueError, match="between the years"):
        Calendar("year").edges(utc(9999, 1, 1), datetime.max.replace(tzinfo=UTC), 10)
    with pytest.raises(ValueError, match="between the years"):
        Calendar("day").edges(utc(1, 1, 1), utc(1, 1, 2), 10)


@pytest.mark.parametrize(
    "name", ["Europe/Atlantis", "", "/etc/passwd", "../UTC", "Europe", "A" * 5000, "a\0b"]
)
def test_a_zone_nobody_knows_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        Calendar("day", name)

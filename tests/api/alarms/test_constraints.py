from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from api.alarms import constraints, cron
from storage.alarm import TimeConstraint

BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)


def at(text: str, zone: ZoneInfo | None = None) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone or UTC)


def latest(text: str, now: datetime, zone: str = "UTC", within: timedelta = 10 * 366 * DAY) -> str | None:
    start = cron.parse(text).latest(now, ZoneInfo(zone), within)
    return start.isoformat()[:16] if start else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * *", "2026-11-23T12:34"),
        ("0 11 * * *", "2026-11-23T11:00"),
        ("35 12 * * *", "2026-11-22T12:35"),
        ("*/15 * * * *", "2026-11-23T12:30"),
        ("5-10/5,50 9 * * *", "2026-11-23T09:50"),
        ("0 0 1 * *", "2026-11-01T00:00"),
        ("0 0 29 2 *", "2024-02-29T00:00"),
        ("0 8 * * mon", "2026-11-23T08:00"),
        ("0 8 * * 0", "2026-11-22T08:00"),
        ("0 8 * * 7", "2026-11-22T08:00"),
        ("0 8 * * tue-fri", "2026-11-20T08:00"),
        ("0 8 13 * fri", "2026-11-20T08:00"),  # both restricted: either day
        ("0 8 13 * *", "2026-11-13T08:00"),
        ("0 0 1 jan *", "2026-01-01T00:00"),
        ("@hourly", "2026-11-23T12:00"),
        ("@daily", "2026-11-23T00:00"),
        ("0 0 30 2 *", None),
    ],
)
def test_the_latest_start_of_a_cron_text(text: str, expected: str | None) -> None:
    assert latest(text, at("2026-11-23T12:34:56")) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "-1 * * * *",
        "1,,2 * * * *",
        "٣ * * * *",
        "@never",
        "99999999999 * * * *",
        "1- * * * *",
        "* * * * mon#2",
        "* * L * *",
    ],
)
def test_what_is_no_cron_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cron text|is not"):
        cron.parse(text)


def test_a_start_the_clocks_skip_happens_after_they_jumped() -> None:
    # 29 March 2026, 02:00 CET becomes 03:00 CEST, which is 01:00 UTC
    assert latest("30 2 29 3 *", at("2026-03-29T12:00"), "Europe/Berlin") == "2026-03-29T01:30"


def test_a_start_the_clocks_repeat_happens_once() -> None:
    # 25 October 2026, 03:00 CEST becomes 02:00 CET: 02:30 is 00:30 UTC and again 01:30 UTC
    assert latest("30 2 25 10 *", at("2026-10-25T02:00"), "Europe/Berlin") == "2026-10-25T00:30"


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        ("2026-07-01T07:59:59", False),
        ("2026-07-01T08:00:00", True),
        ("2026-07-01T17:00:00", True),
        ("2026-07-01T17:00:01", False),
        ("2026-01-01T08:30:00", True),
    ],
)
def test_a_constraint_holds_in_the_zone_of_the_alarm(now: str, holds: bool) -> None:
    office = TimeConstraint("office", "0 8 * * *", 9 * 3600, "Europe/Berlin")

    assert constraints.is_within([office], at(now, BERLIN)) is holds


def test_a_window_reaches_over_midnight_and_several_days() -> None:
    night = TimeConstraint("night", "0 22 * * fri", 3600 * 60)

    assert constraints.is_within([night], at("2026-11-22T09:59:00"))  # Friday 22:00 and 60 hours
    assert not constraints.is_within([night], at("2026-11-23T10:00:01"))


def test_without_constraints_and_within_any_of_them_an_alarm_is_evaluated() -> None:
    morning, evening = (TimeConstraint(name, f"0 {name} * * *", 3600) for name in ("6", "18"))

    assert constraints.is_within([], at("2026-11-23T12:00"))
    assert constraints.is_within([morning, evening], at("2026-11-23T18:30"))
    assert not constraints.is_within([morning, evening], at("2026-11-23T12:00"))


def test_a_duration_of_zero_is_the_minute_itself() -> None:
    noon = TimeConstraint("noon", "0 12 * * *", 0)

    assert constraints.is_within([noon], at("2026-11-23T12:00:30"))
    assert not constraints.is_within([noon], at("2026-11-23T12:01:00"))


@pytest.mark.parametrize(
    "wrong",
    [
        TimeConstraint("a", "x", 1),
        TimeConstraint("a", "* * * * *", -1),
        TimeConstraint("a", "* * * * *", 10**9),
        TimeConstraint("a", "* * * * *", 1, "Mars/Olympus"),
        TimeConstraint("a", "* * * * *", 1, "../../etc/passwd"),
        TimeConstraint("a", "* * * * *", 1, "Europe"),
        TimeConstraint("a", "* * * * *", 1, "\x00"),
    ],
)
def test_a_constraint_nobody_can_evaluate_is_refused(wrong: TimeConstraint) -> None:
    with pytest.raises(ValueError, match=r".+"):
        constraints.check(wrong)

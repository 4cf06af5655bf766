"""Times as options of commands."""

from datetime import UTC, datetime

import pytest

from cli.errors import WrongUsage
from cli.times import moment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T10:00", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("2026-11-01 10:00:00.5", datetime(2026, 11, 1, 10, 0, 0, 500_000, UTC)),
        ("2026-11-01T10:00:00+02:00", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("2026-11-01T10:00:00Z", datetime(2026, 11, 1, 10, tzinfo=UTC)),
    ],
)
def test_a_day_or_a_time_of_it_is_a_moment(text: str, expected: datetime) -> None:
    assert moment("--start", text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1960-01-01", "before 1970"),
        ("2200-01-01", "after 2200"),
        ("2026-13-01", "month"),
        ("2026-W01", "ISO 8601"),
        ("", "ISO 8601"),
        ("1762000000", "ISO 8601"),
    ],
)
def test_what_is_no_moment_is_refused_by_the_name_of_its_option(text: str, reason: str) -> None:
    with pytest.raises(WrongUsage, match=f"--start '{text}': .*{reason}"):
        moment("--start", text)

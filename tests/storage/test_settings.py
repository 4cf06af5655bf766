from datetime import timedelta

import pytest
from pydantic import ValidationError

from storage.settings import RetentionSettings, age


@pytest.mark.parametrize(
    ("text", "days"), [("90d", 90), ("36h", 1.5), ("2w", 14), ("3y", 1095), ("86400", 1), ("172800s", 2)]
)
def test_an_age_is_read_as_people_write_it(text: str, days: float) -> None:
    assert age(text) == timedelta(days=days)


@pytest.mark.parametrize("text", ["", "90 days", "-1d", "1.5d", "d", "5m", "0", "3600", "900y", "٣d"])
def test_what_is_no_age_or_an_absurd_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        age(text)


def test_a_number_of_seconds_needs_no_quotes() -> None:
    settings = RetentionSettings.model_validate({"raw": 864_000})

    assert age(settings.raw) == timedelta(days=10)


@pytest.mark.parametrize(
    "tables", [{"raw": "90d", "hourly": "80d"}, {"meters": {"cpu": "91d"}}, {"raw": True}, {"raw": 1.5}]
)
def test_what_does_not_fit_together_is_refused(tables: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RetentionSettings.model_validate(tables)

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

SCHEMES = ("sqlite", "postgresql+psycopg", "mysql+pymysql")

UNITS_S = {"": 1, "s": 1, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
AGE = re.compile(r"([0-9]{1,12})([shdwy]?)")
LEAST_AGE = timedelta(days=1)
LONGEST_AGE = timedelta(days=365 * 500)


@lru_cache(100)
def age(text: str) -> timedelta:
    """How long `90d`, `36h`, `3y` (years of 365 days) or a number of seconds is; raises ValueError."""
    found = AGE.fullmatch(text.strip())
    if found is None:
        raise ValueError("must be a number of seconds, or a number and one of s, h, d, w, y such as 90d")
    seconds = int(found[1]) * UNITS_S[found[2]]
    if not LEAST_AGE.total_seconds() <= seconds <= LONGEST_AGE.total_seconds():
        raise ValueError("must be between a day and 500 years")
    return timedelta(seconds=seconds)


def _as_written(value: object) -> object:
    """A number of seconds as text; text as it is, when it can be understood."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str):
        age(value)
    return value


Age = Annotated[str, BeforeValidator(_as_written, json_schema_input_type=str | int)]


class DatabaseSettings(BaseModel):
    """Where samples, alarms and everything else are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        default="",
        repr=False,  # it may hold a password
        description="sqlite:///PATH, postgresql+psycopg://USER:PASSWORD@HOST/NAME or mysql+pymysql://…; "
        "unset: an SQLite file in the state folder",
    )
    pool_size: int = Field(default=5, ge=1, le=100, description="connections a process keeps open")
    timeout_s: float = Field(
        default=10.0, gt=0, le=300, description="seconds to wait for a connection, a lock or an API query"
    )

    @field_validator("url")
    @classmethod
    def _is_known(cls, url: str) -> str:
        if url and not url.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
            raise ValueError(f"must begin with {', '.join(f'{scheme}://' for scheme in SCHEMES)}")
        return url


class RetentionSettings(BaseModel):
    """How long what is stored is kept: a number of seconds, or a number and s, h, d, w or y, such as "90d"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    raw: Age = Field(default="90d", description="Samples, from the day on in which they get so old")
    meters: Mapping[str, Age] = Field(
        default_factory=dict,
        description='Samples of single meters, when they shall go earlier: { "cpu" = "30d" }',
    )
    hourly: Age = Field(
        default="3y",
        description="Figures of each resource and hour, from which statistics are computed, and lives that ended",
    )
    events: Age = Field(default="90d", description="Events, and messages in quarantine since they came last")
    history: Age = Field(default="1y", description="The history of alarms, and webhooks no longer pending")

    @model_validator(mode="after")
    def _fits(self) -> "RetentionSettings":
        if age(self.hourly) < age(self.raw):
            raise ValueError(
                "hourly figures must be kept at least as long as samples: raise hourly or lower raw"
            )
        for name, one in self.meters.items():
            if age(one) > age(self.raw):
                raise ValueError(f"meters.{name} must not be longer than raw")
        return self


class MaintenanceSettings(BaseModel):
    """What collectors do to the store beside taking samples in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interval_s: float = Field(default=30, ge=1, le=3600, description="Seconds between two looks for work")
    grace_s: float = Field(
        default=600,
        ge=0,
        le=86_400,
        description="Seconds after its end in which an hour still takes samples, at least; later ones are merged in",
    )
    late_wait_s: float = Field(
        default=300, ge=0, le=86_400, description="Seconds a late sample waits for others to be merged with"
    )
    lease_s: float = Field(
        default=120,
        ge=10,
        le=3600,
        description="Seconds until another collector takes over when the one at work has died",
    )

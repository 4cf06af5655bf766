"""What a rule answers, and what it may ask."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from storage.alarm import Alarm, State
from storage.query import StatisticsQuery, StatisticsRow


@dataclass(frozen=True, slots=True)
class Decision:
    """The state an alarm should be in and why; `reason_data` is the JSON object receivers get."""

    state: State
    reason: str
    reason_data: Mapping[str, object]


class StatisticsStore(Protocol):
    """Computes statistics; `storage.statistics.Statistics` is one."""

    def compute(self, query: StatisticsQuery) -> list[StatisticsRow]:
        """Ordered by period, then groups, then unit; raises DatabaseUnavailable."""
        ...


class Rule(Protocol):
    """One type of alarm."""

    @property
    def type(self) -> str:
        """The alarm's `type` in the API."""
        ...

    def evaluate(self, alarm: Alarm, now: datetime) -> Decision | None:
        """The state to be in now and why; None when nothing is to be done. Raises DatabaseUnavailable."""
        ...

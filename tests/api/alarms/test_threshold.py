import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from api.alarms.rules.threshold import decide, question
from storage.alarm import Condition, State
from storage.query import EVERYTHING, MetadataMatch, Scope, StatisticsRow
from tests.api.alarms.factories import alarm
from tests.factories import MINUTE, NOW


def row(mean: float, **changes: Any) -> StatisticsRow:  # Any: the fields of a row
    whole = StatisticsRow(
        unit="%", count=1, minimum=mean, maximum=mean, total=mean, mean=mean, stddev=0.0, first=NOW, last=NOW
    )
    return replace(whole, **changes)


def rows(*means: float) -> list[StatisticsRow]:
    return [row(mean, period_start=NOW + number * MINUTE) for number, mean in enumerate(means)]


@pytest.mark.parametrize(
    ("was", "means", "becomes"),
    [
        ("ok", (90, 90, 90), "alarm"),
        ("alarm", (70, 70, 70), "ok"),
        ("insufficient data", (90, 90, 90), "alarm"),
        ("insufficient data", (70, 70, 70), "ok"),
        ("insufficient data", (90, 90, 70), "ok"),  # mixed: the newest decides
        ("insufficient data", (70, 70, 90), "alarm"),
        ("ok", (90, 70, 90), None),  # mixed: a known state stays
        ("alarm", (90, 70, 70), None),
        ("ok", (70, 70, 70), None),
        ("alarm", (90, 90, 90), None),
        ("ok", (90, 90), "insufficient data"),
        ("alarm", (), "insufficient data"),
        ("insufficient data", (90, 90), None),
        ("insufficient data", (), None),
        ("ok", (70, 90, 90, 90), "alarm"),  # only the newest three count
    ],
)
def test_the_state_follows_from_three_periods(
    was: State, means: tuple[float, ...], becomes: State | None
) -> None:
    decision = decide(alarm(state=was, rule={"evaluation_periods": 3}), rows(*means))

    assert (decision and decision.state) == becomes


@pytest.mark.parametrize(
    ("operator", "below", "equal", "above"),
    [
        ("lt", "alarm", "ok", "ok"),
        ("le", "alarm", "alarm", "ok"),
        ("eq", "ok", "alarm", "ok"),
        ("ne", "alarm", "ok", "alarm"),
        ("ge", "ok", "alarm", "alarm"),
        ("gt", "ok", "ok", "alarm"),
    ],
)
def test_every_comparison_has_its_sense(operator: str, below: str, equal: str, above: str) -> None:
    one = alarm(rule={"comparison_operator": operator, "threshold": 80.0})

    decisions = [decide(one, rows(mean)) for mean in (79.0, 80.0, 81.0)]

    assert [decision.state for decision in decisions if decision] == [below, equal, above]


@pytest.mark.parametrize(
    ("statistic", "text"), [("max", "9.0"), ("min", "1.0"), ("avg", "4.5"), ("sum", "27.0"), ("count", "6")]
)
def test_every_statistic_is_read_from_its_place(statistic: str, text: str) -> None:
    one = alarm(rule={"statistic": statistic, "threshold": 0.0})

    decision = decide(one, [row(4.5, count=6, minimum=1, maximum=9, total=27)])

    assert decision is not None
    assert decision.reason.endswith(f"most recent: {text}")


def test_reasons_read_as_those_of_ceilometer() -> None:
    three = {"evaluation_periods": 3}
    hot, cold = rows(85.0, 90.2, 81.4), rows(10.0, 11.0, 12.5)

    reasons = [
        decide(alarm(state="ok", rule=three), hot),
        decide(alarm(state="alarm", rule=three), cold),
        decide(alarm(state="alarm", repeat_actions=True, rule=three), hot),
        decide(alarm(state="ok", repeat_actions=True, rule=three), cold),
        decide(alarm(state="ok", repeat_actions=True, rule=three), rows(10.0, 90.0, 12.5)),
        decide(alarm(state="ok", rule=three), rows(10.0)),
    ]

    assert [decision.reason for decision in reasons if decision] == [
        "Transition to alarm due to 3 samples outside threshold, most recent: 81.4",
        "Transition to ok due to 3 samples inside threshold, most recent: 12.5",
        "Remaining as alarm due to 3 samples outside threshold, most recent: 81.4",
        "Remaining as ok due to 3 samples inside threshold, most recent: 12.5",
        "Remaining as ok due to 3 samples inside threshold, most recent: 12.5",
        "3 datapoints are unknown",
    ]


def test_reason_data_says_what_was_seen() -> None:
    fired = decide(alarm(state="ok"), rows(81.4))
    unknown = decide(alarm(state="ok", rule={"evaluation_periods": 2}), rows(7.0))
    nothing = decide(alarm(state="ok"), [])

    assert [decision.reason_data for decision in (fired, unknown, nothing) if decision] == [
        {"type": "threshold", "disposition": "outside", "count": 1, "most_recent": 81.4},
        {"type": "threshold", "disposition": "unknown", "count": 2, "most_recent": 7.0},
        {"type": "threshold", "disposition": "unknown", "count": 1, "most_recent": None},
    ]


def test_periods_with_odd_sample_counts_are_left_out_when_asked() -> None:
    rule = {"evaluation_periods": 3, "exclude_outliers": True}
    normal = [row(70.0, count=10) for _ in range(6)]
    weak = row(99.0, count=1)

    with_outlier = decide(alarm(rule=rule), [*normal, weak])
    without_rule = decide(alarm(rule=rule | {"exclude_outliers": False}), [*normal, weak])

    assert with_outlier is not None
    assert with_outlier.reason.endswith("most recent: 70.0")
    assert without_rule is not None
    assert without_rule.reason.endswith("most recent: 99.0")


def test_a_number_that_is_none_is_no_data() -> None:
    assert decide(alarm(), rows(math.nan)) is None
    assert decide(alarm(), rows(math.inf)) is None


def test_only_the_newest_unit_of_a_meter_counts() -> None:
    decision = decide(alarm(rule={"evaluation_periods": 2}), [row(90), row(5, unit="ratio"), row(90)])

    assert decision is not None
    assert decision.state == "alarm"


def window(now: datetime, **rule: Any) -> tuple[float, float]:  # Any: the fields of a rule
    asked = question(alarm(rule=rule), now).samples
    assert asked.start is not None
    assert asked.end is not None
    return (asked.start - NOW).total_seconds(), (asked.end - NOW).total_seconds()


def test_only_closed_periods_are_asked_for_and_one_more_than_needed() -> None:
    assert window(NOW, period_s=60, evaluation_periods=1) == (-125, -5)
    assert window(NOW + timedelta(seconds=59), period_s=60, evaluation_periods=1) == (-125, -5)
    assert window(NOW + timedelta(seconds=60), period_s=60, evaluation_periods=1) == (-65, 55)
    assert window(NOW + timedelta(seconds=25), period_s=10, evaluation_periods=3) == (-25, 15)


def test_outliers_need_twice_the_periods() -> None:
    assert window(NOW, period_s=60, evaluation_periods=3, exclude_outliers=True) == (-365, -5)


def test_a_clock_behind_the_alarm_asks_for_earlier_periods() -> None:
    assert window(NOW - timedelta(seconds=1), period_s=60, evaluation_periods=1) == (-185, -65)


@pytest.mark.parametrize("scope", [Scope("project-a"), EVERYTHING])
def test_the_question_stays_in_the_scope_of_the_alarm(scope: Scope) -> None:
    conditions = (
        Condition("resource_id", "eq", "r1"),
        Condition("metadata.name", "eq", "5", "integer"),
        Condition("project_id", "eq", "project-a"),
    )

    asked = question(alarm(scope=scope, rule={"query": conditions, "period_s": 10}), NOW)

    assert (asked.samples.scope, asked.samples.meter, asked.period_s) == (scope, "cpu_util", 10)
    assert (asked.samples.resource_id, asked.samples.project_id) == ("r1", "project-a")
    assert asked.samples.metadata == (MetadataMatch("name", 5, "5"),)

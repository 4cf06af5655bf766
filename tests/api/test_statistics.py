"""GET /v2/meters/{name}/statistics."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from api.settings import ApiSettings
from api.v2.schemas import Statistics
from tests.api.world import World, conditions, fault, gauge
from tests.factories import sample, series

PATH = "/v2/meters/m/statistics"


def test_without_a_period_there_is_one_row_from_the_first_to_the_last_sample(measured: World) -> None:
    answer = measured.client().get(PATH)

    assert answer.json() == [
        {
            "groupby": None,
            "unit": "x",
            "max": 8.0,
            "min": 1.0,
            "sum": 12.0,
            "avg": 4.0,
            "count": 3,
            "duration": 300.0,
            "duration_start": "2026-11-23T12:00:00",
            "duration_end": "2026-11-23T12:05:00",
            "period": 0,
            "period_start": "2026-11-23T12:00:00",
            "period_end": "2026-11-23T12:05:00",
        }
    ]
    assert '"count": 3,' in answer.text
    assert '"sum": 12.0,' in answer.text


def test_periods_begin_at_the_start_of_the_query_and_empty_ones_are_left_out(measured: World) -> None:
    asked = [*conditions(("timestamp", "ge", "2026-11-23T11:59:30")), ("period", "120")]

    rows = measured.client().get(PATH, params=asked).json()

    assert [(row["period"], row["period_start"], row["period_end"], row["count"]) for row in rows] == [
        (120, "2026-11-23T11:59:30", "2026-11-23T12:01:30", 2),
        (120, "2026-11-23T12:03:30", "2026-11-23T12:05:30", 1),
    ]


def test_periods_begin_at_the_first_sample_when_no_start_is_given(measured: World) -> None:
    rows = measured.client().get(PATH, params={"period": "60"}).json()

    assert [row["period_start"][11:] for row in rows] == ["12:00:00", "12:01:00", "12:05:00"]


@pytest.mark.parametrize("period", ["0", "+0", ""])
def test_a_period_of_zero_is_no_period(measured: World, period: str) -> None:
    answer = measured.client().get(PATH, params={"period": period})

    if period:
        assert [row["period"] for row in answer.json()] == [0]
    else:
        assert answer.status_code == 400


@pytest.mark.parametrize(
    ("period", "text"),
    [
        ("-1", "Period must be positive."),
        ("abc", "unable to convert to int"),
        ("1.5", "unable to convert to int"),
        (str(10**30), "Invalid period"),
        (str(10**11), "Invalid period"),
    ],
)
def test_a_period_is_a_sensible_number_of_seconds(measured: World, period: str, text: str) -> None:
    answer = measured.client().get(PATH, params={"period": period})

    assert answer.status_code == 400
    assert text in fault(answer)


def test_groups_have_a_row_each(measured: World) -> None:
    rows = measured.client().get(PATH + "?groupby=resource_id&groupby=project_id").json()

    assert [(row["groupby"], row["sum"]) for row in rows] == [
        ({"resource_id": "instance-1", "project_id": "project-a"}, 4.0),
        ({"resource_id": "instance-2", "project_id": "project-a"}, 8.0),
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [("user_id", "user-1"), ("source", "openstack"), ("resource_metadata.instance_type", "m1.small")],
)
def test_samples_can_be_grouped_by_what_they_carry(measured: World, key: str, value: str) -> None:
    (row,) = measured.client().get(PATH, params={"groupby": key}).json()

    assert row["groupby"] == {key: value}


@pytest.mark.parametrize(
    "key",
    ["", "meter", "timestamp", "resource_metadata.x", "metadata.instance_type", "user_id, 1", "RESOURCE_ID"],
)
def test_samples_cannot_be_grouped_by_anything_else(measured: World, key: str) -> None:
    answer = measured.client().get(PATH, params={"groupby": key})

    assert answer.status_code == 400
    assert "Invalid groupby fields" in fault(answer)


def test_units_are_never_mixed(measured: World) -> None:
    measured.keep([sample(meter="m", type="gauge", unit="y", volume=100.0)])

    assert [(row["unit"], row["sum"]) for row in measured.client().get(PATH).json()] == [
        ("x", 12.0),
        ("y", 100.0),
    ]


def test_selected_aggregates_come_in_their_own_object_and_the_others_are_left_out(measured: World) -> None:
    functions = "&".join(f"aggregate.func={name}" for name in ("cardinality", "max", "stddev", "count"))
    asked = f"{functions}&aggregate.param=resource_id"

    (row,) = measured.client().get(f"{PATH}?{asked}").json()

    assert row["aggregate"] == {
        "cardinality/resource_id": 2.0,
        "max": 8.0,
        "stddev": pytest.approx(2.943920288775949),
        "count": 3.0,
    }
    assert {key: row.get(key, "absent") for key in ("max", "min", "sum", "avg", "count")} == {
        "max": 8.0, "min": "absent", "sum": "absent", "avg": "absent", "count": 3,
    }  # fmt: skip


def test_an_aggregate_asked_for_twice_comes_once(measured: World) -> None:
    (row,) = measured.client().get(f"{PATH}?aggregate.func=avg&aggregate.func=avg").json()

    assert row["aggregate"] == {"avg": 4.0}


@pytest.mark.parametrize(
    "asked",
    [
        "aggregate.func=median",
        "aggregate.func=",
        "aggregate.func=AVG",
        "aggregate.func=cardinality",
        "aggregate.func=cardinality&aggregate.param=source",
        "aggregate.func=avg&aggregate.param=resource_id",
        "aggregate.func=avg&aggregate.func=cardinality&aggregate.param=resource_id",
    ],
)
def test_an_unknown_aggregate_is_refused(measured: World, asked: str) -> None:
    answer = measured.client().get(f"{PATH}?{asked}")

    assert answer.status_code == 400
    assert fault(answer).startswith("Invalid aggregation function: ")


def test_a_parameter_without_a_function_is_refused(measured: World) -> None:
    answer = measured.client().get(f"{PATH}?aggregate.param=resource_id")

    assert (answer.status_code, fault(answer)) == (400, "There are more aggregate.param than aggregate.func")


def test_the_duration_is_clamped_to_what_was_asked_for(measured: World) -> None:
    asked = conditions(
        ("timestamp", "ge", "2026-11-23T12:00:30"),
        ("timestamp", "lt", "2026-11-23T12:03:00"),
        ("search_offset", "eq", "5"),
    )

    (row,) = measured.client().get(PATH, params=asked).json()

    assert (row["count"], row["duration"]) == (3, 150.0)
    assert (row["duration_start"], row["duration_end"]) == ("2026-11-23T12:00:30", "2026-11-23T12:03:00")
    assert (row["period_start"], row["period_end"]) == ("2026-11-23T12:00:00", "2026-11-23T12:05:00")


def test_the_duration_is_null_when_every_sample_lies_outside_of_what_was_asked_for(measured: World) -> None:
    asked = conditions(
        ("timestamp", "ge", "2026-11-23T12:02:00"),
        ("timestamp", "lt", "2026-11-23T12:03:00"),
        ("resource", "eq", "instance-1"),
        ("search_offset", "eq", "1"),
    )

    (row,) = measured.client().get(PATH, params=asked).json()

    assert row["count"] == 1
    assert (row["duration"], row["duration_start"], row["duration_end"]) == (None, None, None)


def test_a_meter_nobody_knows_has_no_statistics(measured: World) -> None:
    assert measured.client().get("/v2/meters/nothing/statistics").json() == []


def test_integer_meters_are_printed_as_floats(measured: World) -> None:
    measured.keep(series(3))

    assert (
        '"avg": 2000000000.0, "sum": 6000000000.0, "count": 3'
        in measured.client().get("/v2/meters/cpu/statistics").text
    )


def test_statistics_of_many_conditions_are_those_of_the_samples_that_match_all(measured: World) -> None:
    asked = conditions(("resource", "eq", "instance-1"), ("timestamp", "gt", "2026-11-23T12:00:00"))

    (row,) = measured.client().get(PATH, params=asked).json()

    assert (row["count"], row["sum"], row["duration"]) == (1, 3.0, timedelta().total_seconds())


def test_any_period_goes_with_any_bound_of_an_operator(measured: World) -> None:
    measured.keep([sample()])
    large = World(measured.database, settings=ApiSettings(max_periods=10**12)).client()

    answer = large.get("/v2/meters/cpu/statistics", params={"period": 100 * 366 * 86_400})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"period": "60", "groupby": "resource_id"},
        {"groupby": ["project_id", "user_id"], "aggregate.func": ["stddev", "count", "max"]},
        {"aggregate.func": "cardinality", "aggregate.param": "resource_id"},
    ],
)
def test_answers_are_what_python_writes_of_the_model(
    measured: World, asked: dict[str, str | list[str]]
) -> None:
    measured.keep(
        [
            gauge(2, 1e-7, resource_id='"\u2028%s', user_id=None, project_id=None),
            replace(gauge(2.5, 1e22), unit="% µ"),
            *(gauge(minute, 1.7e308, resource_id="large") for minute in (3, 4)),
        ]
    )

    text = measured.client().get(PATH, params=asked).text

    rows = json.loads(text)
    fields = list(Statistics.model_fields)
    assert rows
    assert text == json.dumps([Statistics(**row).model_dump(exclude_unset=True) for row in rows])
    assert all(list(row) == [name for name in fields if name in row] for row in rows)

"""How much statistics one request may ask for."""

from api.settings import ApiSettings
from storage.reading.answers import StatisticsTable, nothing
from tests.api.world import World, conditions, fault

PATH = "/v2/meters/m/statistics"


def test_more_periods_than_allowed_are_refused_with_the_bound(measured: World) -> None:
    small = World(measured.database, settings=ApiSettings(max_periods=10)).client()
    start = conditions(("timestamp", "ge", "2000-01-01"))

    for bounds in (conditions(), start):
        answer = small.get(PATH, params=[*bounds, ("period", "29")])

        assert answer.status_code == 400
        assert "Period 29 would give more than 10 periods" in fault(answer)


def test_a_long_range_with_few_samples_is_no_reason_to_refuse(measured: World) -> None:
    small = World(measured.database, settings=ApiSettings(max_periods=10)).client()

    answer = small.get(PATH, params=[*conditions(("timestamp", "ge", "2000-01-01")), ("period", "60")])

    assert [row["count"] for row in answer.json()] == [1, 1, 1]


def test_a_range_within_the_bound_is_not_even_looked_at_first(measured: World) -> None:
    asked = [
        *conditions(("timestamp", "ge", "2026-11-23T12:00:00"), ("timestamp", "lt", "2026-11-23T12:05:00")),
        ("period", "30"),
    ]

    class Once:
        calls = 0

        def table(self, query: object) -> StatisticsTable:
            self.calls += 1
            return nothing(())

        async def soon(self, query: object) -> None:
            return None

    store = Once()

    World(
        measured.database, settings=ApiSettings(max_periods=10), replaced={"statistics": store}
    ).client().get(PATH, params=asked)

    assert store.calls == 1


def test_more_rows_than_allowed_are_refused_with_the_bound(measured: World) -> None:
    small = World(measured.database, settings=ApiSettings(max_statistics=1)).client()

    answer = small.get(PATH, params={"groupby": "resource_id"})

    assert (answer.status_code, fault(answer)) == (
        400,
        "More than 1 statistics: ask for fewer groups or periods",
    )

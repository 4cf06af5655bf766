from datetime import timedelta

import pytest

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery, StatisticsQuery
from storage.reading import polled
from storage.sample import SampleType, make_id
from storage.samples import Samples
from storage.statistics import Statistics
from tests.factories import MINUTE, NOW, sample


@pytest.mark.parametrize("page", [4, 7, 1000])
def test_statistics_do_not_depend_on_how_many_rows_are_read_at_once(
    database: Database, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polled, "PAGE", page)
    batch = [
        sample(
            resource_id=f"r{resource}",
            project_id=f"p{resource % 2}",
            timestamp=NOW + MINUTE * minute,
            volume=1,
        )
        for resource in range(5)
        for minute in range(6)
    ]
    memory = [sample(meter="memory", type="gauge", resource_id="r1", project_id="p1", volume=2)]
    samples = Samples(database)
    for number, part in enumerate((batch, [*batch[:9], *memory], batch[5:])):
        samples.store(part, received_at=NOW + timedelta(seconds=number))

    (row,) = Statistics(database).compute(StatisticsQuery(SampleQuery(EVERYTHING, meter="cpu")))

    assert (row.count, row.total) == (30, 30)


@pytest.mark.parametrize("kind", ["gauge", "delta"])
def test_more_rows_of_one_instant_than_a_page_holds_are_all_read(
    database: Database, kind: SampleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polled, "PAGE", 3)
    samples = Samples(database)
    for number in range(8):
        identity = make_id(str(number)) if kind == "delta" else None
        one = sample(meter=f"m{number}", type=kind, volume=1, id=identity)
        samples.store([one, sample(timestamp=NOW + MINUTE)], received_at=NOW + timedelta(seconds=number))

    rows = Statistics(database).compute(StatisticsQuery(SampleQuery(EVERYTHING, meter="m7")))
    (cpu,) = Statistics(database).compute(StatisticsQuery(SampleQuery(EVERYTHING, meter="cpu")))

    assert [row.count for row in rows] == [1]
    assert cpu.count == 1

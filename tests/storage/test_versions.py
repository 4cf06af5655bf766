"""New versions are written with the samples that need them."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import func, select

from storage import intake as stage
from storage.database import Database
from storage.errors import DatabaseUnavailable
from storage.ingest.versions import FEW
from storage.query import EVERYTHING, SampleQuery
from storage.samples import Samples
from storage.tables import version
from tests.factories import MINUTE, NOW, sample


def versions(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(version)).scalar_one()


def test_who_comes_second_takes_the_number_of_the_first(database: Database) -> None:
    first, second = Samples(database), Samples(database)
    first.store([sample(metadata={"only": "first"})], received_at=NOW)

    second.store(
        [sample(timestamp=NOW + MINUTE), sample(timestamp=NOW + 2 * MINUTE, metadata={"only": "first"})],
        received_at=NOW,
    )

    assert versions(database) == 2
    found = [one.sample.metadata.get("only") for one in first.find(SampleQuery(EVERYTHING), 9)]
    assert found == ["first", None, "first"]


def test_versions_of_a_transaction_that_failed_are_written_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Samples(database)

    def fail(point: str) -> None:
        if point == "ingest.before_commit":
            raise DatabaseUnavailable("gone")

    with monkeypatch.context() as broken:
        broken.setattr(stage, "reach", fail)
        with pytest.raises(DatabaseUnavailable):
            store.store([sample(metadata={"a": 1})], received_at=NOW)
    store.store([sample(metadata={"a": 1})], received_at=NOW)

    assert versions(database) == 1
    assert [one.sample.metadata for one in store.find(SampleQuery(EVERYTHING), 9)] == [{"a": 1}]


@pytest.mark.parametrize("count", [3, FEW + 1])
def test_collectors_that_see_the_same_versions_at_once_agree(database: Database, count: int) -> None:
    together = Barrier(3)

    def collect(number: int) -> None:
        store = Samples(database)
        together.wait()
        store.store(
            [
                sample(resource_id=f"{place}", timestamp=NOW + number * MINUTE, metadata={"place": place})
                for place in range(count)
            ],
            received_at=NOW,
        )

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(collect, range(3)))

    assert versions(database) == count
    found = Samples(database).find(SampleQuery(EVERYTHING), 1000)
    assert len(found) == 3 * count
    assert all(one.sample.metadata == {"place": int(one.sample.resource_id)} for one in found)

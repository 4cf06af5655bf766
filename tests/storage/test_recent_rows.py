"""Of rows with several readings the short way takes the wanted one."""

from dataclasses import replace
from unittest.mock import patch

import pytest

from storage.database import Database
from storage.query import EVERYTHING, SampleQuery
from storage.reading.newest import Newest
from storage.samples import Samples
from tests.factories import series
from tests.storage.layers import Maintained

METERS = ("cpu", "disk.read.bytes", "network")


@pytest.mark.parametrize(("meter", "count"), [("cpu", 8), ("disk.read.bytes", 4), ("network", 4)])
def test_the_wanted_reading_of_each_row_is_answered(database: Database, meter: str, count: int) -> None:
    store, query = Maintained(database), SampleQuery(EVERYTHING, meter=meter)
    store.store([replace(one, meter=name, volume=at) for one in series(4) for at, name in enumerate(METERS)])
    store.store([replace(one, volume=9) for one in series(4, resource_id="other")])  # cpu is in two shapes
    samples = Samples(database)
    expected = samples.find(query, 10)

    with patch.object(Newest, "ask", side_effect=AssertionError("the long way")):
        found = samples.find(query, 10)

    assert len(found) == count
    assert found == expected
    assert {one.sample.volume for one in found if one.sample.resource_id != "other"} == {METERS.index(meter)}

"""What the database refuses of derived samples."""

from collections.abc import Sequence
from datetime import datetime

from storage.database import Database
from storage.errors import DataRefused
from storage.ingest.batch import SampleBatch
from storage.intake import Beside, nothing_else
from storage.query import Stored
from storage.sample import Refused
from storage.samples import Samples
from tests.collector.pipelines.test_derivation import Outlets, derivation, found, never
from tests.factories import MINUTE, NOW, series


class Refusing(Samples):
    """A database that refuses one meter."""

    def store_batch(
        self,
        batch: SampleBatch,
        refused: Sequence[Refused] = (),
        *,
        received_at: datetime,
        beside: Beside = nothing_else,
    ) -> Stored:
        if any(meter.name == "cpu.delta" for meter in batch.meters):
            raise DataRefused("no")
        return super().store_batch(batch, refused, received_at=received_at, beside=beside)


def test_what_the_database_refuses_of_what_was_derived_is_not_handed_on(database: Database) -> None:
    outlets = Outlets()
    work = derivation(database, outlets=outlets, samples=Refusing(database))
    work.turn(NOW, never)
    Samples(database).store(series(3, metadata={"cpu_number": 2}), received_at=NOW)

    turn = work.turn(NOW + 6 * MINUTE, never)

    assert turn.is_finished
    assert {one.meter for _, one in outlets.offered} == {"cpu_util"}
    assert len(found(database, "cpu_util")) == 2

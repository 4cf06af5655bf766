"""A question sees one moment, whatever maintenance does meanwhile."""

from datetime import timedelta

from sqlalchemy import select

from storage.database import Database
from storage.names import Names
from storage.query import EVERYTHING, SampleQuery
from storage.readings import Reader
from storage.tables import hot
from storage.watermarks import look
from tests.factories import NOW, series
from tests.storage.layers import Maintained


def test_a_question_goes_on_in_the_moment_it_began(database: Database) -> None:
    store = Maintained(database)
    store.store(series(50))
    reader = Reader(Names())

    with database.snapshot() as connection:
        before = look(connection)
        store.seal(timedelta(hours=3))
        found = sum(len(one.ts) for one in reader.columns(connection, SampleQuery(EVERYTHING)))
        rows = connection.execute(select(hot.c.ts)).all()

    assert before.sealed == 0
    assert found == 50
    assert len(rows) == 50
    assert store.seal(timedelta(hours=3)) == 0
    assert len(store.samples.find(SampleQuery(EVERYTHING, start=NOW), 100)) == 50

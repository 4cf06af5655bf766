"""A question sees one moment, whatever maintenance does meanwhile."""

from datetime import timedelta

from sqlalchemy import select

from storage.database import Database
from storage.names import Names
from storage.query import EVERYTHING, SampleQuery
from storage.reading.readings import Reader, sealed_part
from storage.reading.sealed import sealed_columns
from storage.tables import hot
from storage.tables_tiles import day_tile, tile
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


def test_a_day_that_is_compacted_meanwhile_is_read_once(database: Database) -> None:
    store = Maintained(database)
    store.store(series(50))
    store.seal(timedelta(hours=14))
    names = Names()

    with database.snapshot() as connection:
        question = Reader(names).ask(connection, SampleQuery(EVERYTHING), versions=True)
        assert question is not None
        (piece,) = [question.piece(gid, *sealed_part(question)) for gid in question.groups]
        found = list(sealed_columns(connection, names, day_tile, piece))
        compacted = store.compact()
        found += sealed_columns(connection, names, tile, piece)

    assert compacted == 1
    assert sum(len(one.ts) for one in found) == 50

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from storage.database import Database
from storage.dialects import DIALECTS
from storage.errors import DatabaseUnavailable, SchemaMismatch, StorageError, TookTooLong
from storage.migrate import upgrade
from storage.query import EVERYTHING, SampleQuery
from storage.sample import to_microseconds
from storage.samples import Samples
from storage.settings import SCHEMES, DatabaseSettings
from tests.factories import NOW, sample
from tests.servers import DatabaseServer

ENDLESS = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000000000)
    SELECT count(*) FROM numbers
"""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "oracle://x",
        "postgresql://x",
        "mysql://x",
        "sqlite://host/x",
        "postgresql+psycopg://x:y/z",
    ],
)
def test_an_address_of_another_kind_is_refused_with_those_there_are(url: str) -> None:
    with pytest.raises(StorageError, match=r"database\.url"):
        Database(DatabaseSettings.model_construct(url=url))


def test_the_settings_allow_the_addresses_there_are_dialects_for() -> None:
    assert set(SCHEMES) == {dialect.name for dialect in DIALECTS}


def test_a_question_that_takes_too_long_is_ended(database_url: str) -> None:
    database = Database(DatabaseSettings(url=database_url, timeout_s=0.5))
    begun = time.monotonic()

    with pytest.raises(TookTooLong):
        ask_endlessly(database)

    assert time.monotonic() - begun < 10
    database.dispose()


def ask_endlessly(database: Database) -> None:
    with database.read() as connection:
        if database.dialect.name == "mysql+pymysql":
            connection.execute(text("SET max_recursive_iterations = 1000000000"))
        connection.execute(text(ENDLESS)).all()


def test_passwords_do_not_show_in_errors() -> None:
    database = Database(DatabaseSettings(url="mysql+pymysql://me:hush@127.0.0.1:1/none"))

    with pytest.raises(DatabaseUnavailable) as error:
        database.ping()

    assert "hush" not in str(error.value) + repr(database.settings)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_restarted_server_is_used_again_at_once(kind: str, request: pytest.FixtureRequest) -> None:
    server: DatabaseServer = request.getfixturevalue(kind)
    database = Database(DatabaseSettings(url=server.create_database()))
    database.ping()

    server.kill()
    with pytest.raises(DatabaseUnavailable):
        database.ping()
    server.start()

    database.ping()
    database.dispose()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_connections_that_died_unnoticed_are_replaced(kind: str, request: pytest.FixtureRequest) -> None:
    server: DatabaseServer = request.getfixturevalue(kind)
    database = Database(DatabaseSettings(url=server.create_database()))
    upgrade(database)
    for begin in (database.read, database.snapshot, database.write):
        with database.read(), database.read():
            pass  # two of them are in the pool now

        server.kill()
        server.start()

        with begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM hot")).scalar_one() == 0
    database.dispose()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_connections_of_single_questions_are_replaced_too(kind: str, request: pytest.FixtureRequest) -> None:
    server: DatabaseServer = request.getfixturevalue(kind)
    database = Database(DatabaseSettings(url=server.create_database()))
    for _ in range(2):
        assert [*map(tuple, database.ask("SELECT 1", ()))] == [(1,)]
        server.kill()
        with pytest.raises(DatabaseUnavailable):
            database.ask("SELECT 1", ())
        server.start()

    assert [*map(tuple, database.ask("SELECT 1", ()))] == [(1,)]
    server.kill()
    server.start()
    assert [*map(tuple, database.ask("SELECT 1", ()))] == [(1,)]
    database.dispose()


def test_a_connection_that_was_in_use_when_all_were_closed_is_closed_once_it_is_given_back(
    postgresql: DatabaseServer,
) -> None:
    """Otherwise it stays open until Python finds it, which warns of it wherever it is then."""
    database = Database(DatabaseSettings(url=postgresql.create_database()))

    with database.read() as connection:
        driver = connection.connection.driver_connection
        database.dispose()
        still = connection.execute(text("SELECT 1")).scalar_one()

    assert still == 1
    assert driver is not None
    assert driver.closed
    database.ping()  # over a new connection
    database.dispose()


def test_a_single_question_gives_values_back_as_they_are(database: Database) -> None:
    mark = database.dialect.mark
    Samples(database).store([sample()], received_at=NOW)

    rows = database.ask(f"SELECT ts, vals FROM hot WHERE ts > {mark}", (2**33,))

    assert [(int(ts), bytes(vals)) for ts, vals in rows] == [
        (to_microseconds(sample().timestamp), int(sample().volume).to_bytes(8, "big"))
    ]


def test_a_single_question_that_takes_too_long_is_ended(database_url: str) -> None:
    database = Database(DatabaseSettings(url=database_url, timeout_s=0.5))
    endless = ENDLESS
    if database.dialect.name == "mysql+pymysql":
        endless = f"SET STATEMENT max_recursive_iterations = 1000000000 FOR {ENDLESS}"
    begun = time.monotonic()

    with pytest.raises(TookTooLong):
        database.ask(endless, ())

    assert time.monotonic() - begun < 10
    database.dispose()


def test_a_single_question_to_an_empty_database_says_what_is_missing(database_url: str) -> None:
    database = Database(DatabaseSettings(url=database_url))

    with pytest.raises(SchemaMismatch):
        database.ask("SELECT * FROM hot", ())

    database.dispose()


def test_writers_wait_for_each_other(database: Database) -> None:
    """Deadlocks and busy databases are tried again whole: every writer gets through."""
    samples = Samples(database)

    def write(project: str) -> None:
        for number in range(5):
            own = sample(resource_id=f"r{number}", project_id=project, metadata={"n": project})
            Samples(database).store([own], received_at=NOW)

    with ThreadPoolExecutor(4) as writers:
        done = [writers.submit(write, f"p{number}") for number in range(4)]

    assert [one.exception() for one in done] == [None] * 4
    assert len(samples.find(SampleQuery(EVERYTHING), 100)) == 20

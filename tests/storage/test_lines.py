"""An event loop asks PostgreSQL without waiting; whatever it is not told, a thread asks for."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from storage.database import Database
from storage.dialects.postgresql_lines import MOST, STATEMENTS, VALUES, Lines
from storage.errors import TookTooLong
from storage.settings import DatabaseSettings
from tests.servers import DatabaseServer

TWO = "SELECT %s, %s"


@pytest.fixture
def asked(postgresql: DatabaseServer) -> Iterator[Database]:
    """A database with a line."""
    database = Database(DatabaseSettings(url=postgresql.create_database(), timeout_s=0.5))
    assert asyncio.run(database.ask_soon("SELECT 1", ())) is None
    database.ask("SELECT 1", ())
    yield database
    database.dispose()


def connections(database: Database) -> int:
    rows = database.ask("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()", ())
    return int(rows[0][0])


def test_values_come_back_as_they_are(asked: Database) -> None:
    for values in ((2**62, b"\0\xff"), (-1, b""), (0, b"%s")):
        assert asyncio.run(asked.ask_soon(TWO, values)) == [values]


def test_nobody_asks_on_a_line_in_use_and_a_few_are_opened(asked: Database) -> None:
    async def slow() -> list[object]:
        asking = [asked.ask_soon("SELECT 1 FROM pg_sleep(0.1)", ()) for _ in range(MOST + 1)]
        return [rows for rows in await asyncio.gather(*asking) if rows is not None]

    for opened in range(1, MOST + 1):
        assert len(asyncio.run(slow())) == opened
        asked.ask("SELECT 1", ())

    assert len(asyncio.run(slow())) == MOST
    assert connections(asked) == MOST + 1


def test_a_restarted_server_is_asked_by_a_thread_first(asked: Database, postgresql: DatabaseServer) -> None:
    postgresql.kill()
    assert asyncio.run(asked.ask_soon("SELECT 1", ())) is None
    postgresql.start()
    assert asyncio.run(asked.ask_soon("SELECT 1", ())) is None

    asked.ask("SELECT 1", ())

    assert asyncio.run(asked.ask_soon("SELECT 1", ())) == [(1,)]


def test_a_question_that_takes_too_long_is_ended(asked: Database) -> None:
    with pytest.raises(TookTooLong):
        asyncio.run(asked.ask_soon("SELECT 1 FROM pg_sleep(30)", ()))

    assert connections(asked) == 1


def test_a_question_nobody_waits_for_takes_its_line_along(asked: Database) -> None:
    async def leave() -> None:
        asking = asyncio.ensure_future(asked.ask_soon("SELECT 1 FROM pg_sleep(0.2)", ()))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.wait([asking])

    asyncio.run(leave())

    assert asyncio.run(asked.ask_soon("SELECT 1", ())) is None


@pytest.mark.parametrize("statement", ["SELECT nothing", "SELECT 1 / (%s - 1)"])
def test_a_thread_finds_out_what_is_wrong(asked: Database, statement: str) -> None:
    assert asyncio.run(asked.ask_soon(statement, (1,) * statement.count("%s"))) is None


def test_a_line_is_given_up_before_it_costs_the_server_much(asked: Database) -> None:
    for number in range(STATEMENTS):
        assert asyncio.run(asked.ask_soon(f"SELECT {number}", ())) == [(number,)]

    assert asyncio.run(asked.ask_soon("SELECT 1", ())) is None
    asked.ask("SELECT 1", ())
    many = f"SELECT 1 WHERE 1 IN ({', '.join(['%s'] * (VALUES + 1))})"
    assert asyncio.run(asked.ask_soon(many, (1,) * (VALUES + 1))) is None


def test_a_line_whose_server_goes_while_nobody_asks_is_noticed(
    asked: Database, postgresql: DatabaseServer
) -> None:
    async def watched() -> object:
        assert await asked.ask_soon("SELECT 1", ()) == [(1,)]
        postgresql.kill()
        await asyncio.sleep(0.1)
        return await asked.ask_soon("SELECT 1", ())

    assert asyncio.run(watched()) is None

    postgresql.start()
    asked.ask("SELECT 1", ())
    assert asyncio.run(asked.ask_soon("SELECT 1", ())) == [(1,)]


def test_a_line_another_loop_listens_to_is_left_alone(asked: Database) -> None:
    async def between() -> list[object]:
        first = await asked.ask_soon("SELECT 1", ())
        second = await asyncio.to_thread(lambda: asyncio.run(asked.ask_soon("SELECT 1", ())))
        return [first, second, await asked.ask_soon("SELECT 1", ())]

    assert asyncio.run(between()) == [[(1,)], None, [(1,)]]


def test_lines_are_closed_while_their_loop_runs(asked: Database) -> None:
    async def closed() -> object:
        await asked.ask_soon("SELECT 1", ())
        await asyncio.to_thread(asked.dispose)
        return await asked.ask_soon("SELECT 1", ())

    assert asyncio.run(closed()) is None
    assert connections(asked) == 1


def test_a_line_is_closed_that_was_in_use_when_all_were_closed(asked: Database) -> None:
    async def closed_meanwhile() -> object:
        asking = asyncio.ensure_future(asked.ask_soon("SELECT 1 FROM pg_sleep(0.2)", ()))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(asked.dispose)
        return await asking

    assert asyncio.run(closed_meanwhile()) == [(1,)]
    assert connections(asked) == 1


def test_a_line_is_closed_that_was_being_opened_when_all_were_closed(postgresql: DatabaseServer) -> None:
    opened: list[psycopg.Connection[Any]] = []
    lines: Lines

    def open_while_all_are_closed() -> psycopg.Connection[Any]:
        lines.close()
        opened.append(psycopg.connect(postgresql.url.replace("+psycopg", "") + "/postgres"))
        return opened[0]

    lines = Lines(open_while_all_are_closed, 1)
    assert asyncio.run(lines.ask("SELECT 1", ())) is None

    lines.open_missed()

    assert [one.closed for one in opened] == [True]


def test_whoever_asks_has_what_is_new_in_memory(asked: Database) -> None:
    setting = "SELECT current_setting('random_page_cost')"

    assert asked.ask(setting, ()) == [("1.1",)]
    assert asyncio.run(asked.ask_soon(setting, ())) == [("1.1",)]

"""Short questions from an event loop to PostgreSQL, which nothing of them makes wait.

psycopg's own asynchronous cursors take twice the time of libpq beneath them, which is used here.
"""

import asyncio
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, cast

from psycopg import Connection as PsycopgConnection
from psycopg import Error as PsycopgError
from psycopg import errors, generators, pq, waiting
from psycopg.adapt import Transformer
from psycopg.pq.abc import PGresult
from sqlalchemy.exc import SQLAlchemyError

from storage.errors import TookTooLong

MOST: Final = (
    4  # the loop puts one question after the other, each for a fraction of a millisecond: more gain nothing
)
STATEMENTS: Final = 100  # prepared on a line; each of them costs the server memory
VALUES: Final = 500  # more than these are no short question
PAUSE_S: Final = 10.0  # after a line could not be opened
SPARE_S: Final = 1.0  # the server itself should be the one to end what takes too long

_INT8, _BYTEA = 20, 17  # https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
_PACK: Final = struct.Struct(">q").pack


class Lines:
    """A few connections for event loops. Threads open them, one each time a loop found none free."""

    def __init__(self, opened: Callable[[], PsycopgConnection[Any]], timeout_s: float) -> None:
        self._opened = opened
        self._timeout_s = timeout_s
        self._free: deque[_Line] = deque()
        self._lock = threading.Lock()  # of those who open and close
        self._count = 0
        self._is_missed = False
        self._not_before_s = 0.0

    async def ask(self, statement: str, values: Sequence[int | bytes]) -> Sequence[Any] | None:
        """The rows of one SELECT; None when a thread has to ask: it is long, no line is free, or it failed here.

        Raises TookTooLong for a question that did.
        """
        if len(values) > VALUES:
            return None
        try:
            line = self._free.pop()
        except IndexError:
            self._is_missed = True
            return None
        rows: Sequence[Any] | None = None
        try:
            async with asyncio.timeout(self._timeout_s + SPARE_S):
                rows = await line.rows(statement, values, self._timeout_s)
        except (errors.QueryCanceled, TimeoutError) as error:
            raise TookTooLong(f"the question took too long: {error}") from error
        except PsycopgError:  # whoever asks instead meets the same, or finds that it has passed
            return None
        finally:
            if rows is None or line.is_worn:
                self._drop(line)
            else:
                self._free.append(line)
        return rows

    def open_missed(self) -> None:
        """Opens one more, if a loop found none and there may be more. For threads whose own question was answered."""
        if not self._is_missed or time.monotonic() < self._not_before_s:
            return
        with self._lock:
            is_wanted, self._is_missed = self._is_missed and self._count < MOST, False
            self._count += is_wanted
        if is_wanted:
            try:
                self._free.append(_Line(self._opened()))
            except (PsycopgError, SQLAlchemyError):  # threads do as well until there is room
                self._not_before_s = time.monotonic() + PAUSE_S
                with self._lock:
                    self._count -= 1

    def close(self) -> None:
        """Closes those nobody asks on."""
        while self._free:
            self._drop(self._free.pop())

    def _drop(self, line: "_Line") -> None:
        line.close()
        with self._lock:
            self._count -= 1


class _Line:
    """One connection; `rows` is for one caller at a time."""

    def __init__(self, driver: PsycopgConnection[Any]) -> None:
        self._driver = driver
        self._pgconn = driver.pgconn
        self._transformer = Transformer(driver)
        self._prepared: dict[str, bytes] = {}

    @property
    def is_worn(self) -> bool:
        """Whether the server keeps as many statements for it as it should."""
        return len(self._prepared) >= STATEMENTS

    async def rows(self, statement: str, values: Sequence[int | bytes], timeout_s: float) -> Sequence[Any]:
        """The rows of one SELECT; raises psycopg's errors."""
        name = self._prepared.get(statement)
        if name is None:
            name = b"line_%d" % len(self._prepared)
            kinds = [_INT8 if isinstance(value, int) else _BYTEA for value in values]
            self._pgconn.send_prepare(name, _numbered(statement), kinds)
            await self._answer(timeout_s)
            self._prepared[statement] = name
        sent = [_PACK(value) if isinstance(value, int) else value for value in values]
        self._pgconn.send_query_prepared(name, sent, [pq.Format.BINARY] * len(sent), pq.Format.BINARY)
        result = await self._answer(timeout_s)
        self._transformer.set_pgresult(result, format=pq.Format.BINARY)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    async def _answer(self, timeout_s: float) -> PGresult:
        """What the server says to what was sent; raises what it complains of."""
        asking = generators.execute(self._pgconn)
        (result,) = await waiting.wait_async(asking, self._pgconn.socket, timeout_s)
        if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            raise errors.error_from_result(result)
        return cast("PGresult", result)

    def close(self) -> None:
        """Closes the connection, whatever is going on there."""
        with suppress(PsycopgError):
            self._driver.close()


def _numbered(statement: str) -> bytes:
    """With `$1`, `$2` … for its marks, as the server wants them."""
    first, *others = statement.split("%s")
    return "".join([first, *(f"${number}{text}" for number, text in enumerate(others, 1))]).encode()

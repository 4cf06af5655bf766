"""Short questions from an event loop to PostgreSQL, which nothing of them makes wait.

psycopg's own asynchronous cursors take twice the time of libpq beneath them, which is used here. An event loop listens
to a line for as long as there is one: to begin and to end that around each question takes as long as the question.
"""

import asyncio
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from psycopg import Connection as PsycopgConnection
from psycopg import Error as PsycopgError
from psycopg import errors, pq
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

_TYPES: Final = {
    int: 20,
    bytes: 17,
    str: 25,
}  # https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
_PACK: Final = struct.Struct(">q").pack

Value = int | bytes | str


class Lines:
    """A few connections for event loops. Threads open them, one each time a loop found none free."""

    def __init__(self, opened: Callable[[], PsycopgConnection[Any]], timeout_s: float) -> None:
        self._opened = opened
        self._timeout_s = timeout_s
        self._free: deque[_Line] = deque()
        self._lock = threading.Lock()  # of those who open and close
        self._count = 0
        self._is_missed = self._is_closed = False
        self._not_before_s = 0.0
        self.breaks = 0  # lines whose server went

    async def ask(self, statement: str, values: Sequence[Value]) -> Sequence[Any] | None:
        """The rows of one SELECT; None when a thread has to ask: it is long, no line is free, or it failed here.

        Raises TookTooLong for a question that did.
        """
        if len(values) > VALUES:
            return None
        line = self._taken(asyncio.get_running_loop())
        if line is None:
            self._is_missed = True
            return None
        rows: Sequence[Any] | None = None
        try:
            rows = await line.rows(statement, values, self._timeout_s + SPARE_S)
        except (errors.QueryCanceled, TimeoutError) as error:
            raise TookTooLong(f"the question took too long: {error}") from error
        except PsycopgError:  # whoever asks instead meets the same, or finds that it has passed
            return None
        finally:
            if rows is None or line.is_worn:
                self._drop(line)
            else:
                self._keep(line)
        return rows

    def open_missed(self) -> None:
        """Opens one more, if a loop found none and there may be more. For threads whose own question was answered."""
        if not self._is_missed or time.monotonic() < self._not_before_s:
            return
        with self._lock:
            is_wanted = self._is_missed and self._count < MOST and not self._is_closed
            self._is_missed = False
            self._count += is_wanted
        if is_wanted:
            try:
                self._keep(_Line(self._opened()))
            except (PsycopgError, SQLAlchemyError):  # threads do as well until there is room
                self._not_before_s = time.monotonic() + PAUSE_S
                with self._lock:
                    self._count -= 1

    def close(self) -> None:
        """Closes those nobody asks on, each other one once its question is answered, and opens no more."""
        self._is_closed = True
        with suppress(IndexError):  # none is left
            while True:
                self._drop(self._free.pop())

    def _keep(self, line: "_Line") -> None:
        """For the next question, unless there shall be none: whoever closes them meanwhile may have missed this one."""
        self._free.append(line)
        if self._is_closed:
            self.close()

    def _taken(self, loop: asyncio.AbstractEventLoop) -> "_Line | None":
        """A free line that this loop listens to, if there is one."""
        with suppress(IndexError):  # none is free
            line = self._free.pop()
            while line.is_dead:
                self._drop(line)
                line = self._free.pop()
            if line.listens(loop):
                return line
            self._free.appendleft(line)  # another loop's
        return None

    def _drop(self, line: "_Line") -> None:
        line.close()
        with self._lock:
            self._count -= 1
            self.breaks += line.is_dead


class _Line:
    """One connection; `rows` is for one caller at a time."""

    def __init__(self, driver: PsycopgConnection[Any]) -> None:
        self._driver = driver
        self._pgconn = driver.pgconn
        self._socket = self._pgconn.socket  # nobody can be asked for it once the server is gone
        self._transformer = Transformer(driver)
        self._prepared: dict[str, bytes] = {}
        self._loop: asyncio.AbstractEventLoop | None = None  # that listens
        self._waiting: asyncio.Future[PGresult] | None = None
        self._result: PGresult | None = None
        self._due_s = 0.0  # of what is waited for, by the loop's clock
        self._deadline: asyncio.TimerHandle | None = None  # when somebody looks whether it is overdue
        self._is_dead = False

    @property
    def is_dead(self) -> bool:
        """Whether the server was heard to go."""
        return self._is_dead

    @property
    def is_worn(self) -> bool:
        """Whether the server keeps as many statements for it as it should."""
        return len(self._prepared) >= STATEMENTS

    def listens(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether this loop listens to it, from now on if no other one does."""
        if self._loop is not loop:
            if self._loop is not None and not self._loop.is_closed():
                return False
            loop.add_reader(self._socket, self._arrived)
            self._deadline = None  # of a loop that is no more
            self._loop = loop
        return True

    async def rows(self, statement: str, values: Sequence[Value], timeout_s: float) -> Sequence[Any]:
        """The rows of one SELECT; raises psycopg's errors, and TimeoutError."""
        name = self._prepared.get(statement)
        if name is None:
            name = b"line_%d" % len(self._prepared)
            self._pgconn.send_prepare(name, _numbered(statement), [_TYPES[type(value)] for value in values])
            await self._answer(timeout_s)
            self._prepared[statement] = name
        sent = [_PACK(value) if isinstance(value, int) else _sent(value) for value in values]
        self._pgconn.send_query_prepared(name, sent, [pq.Format.BINARY] * len(sent), pq.Format.BINARY)
        result = await self._answer(timeout_s)
        self._transformer.set_pgresult(result, format=pq.Format.BINARY)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    async def _answer(self, timeout_s: float) -> PGresult:
        """What the server says to what was sent; raises what it complains of."""
        if self._pgconn.flush():
            raise errors.OperationalError("the question did not fit into a socket's buffer")
        loop = asyncio.get_running_loop()
        self._waiting, self._result = loop.create_future(), None
        self._due_s = loop.time() + timeout_s
        if self._deadline is None:
            self._deadline = loop.call_at(self._due_s, self._look, loop)
        try:
            result = await self._waiting
        finally:
            self._waiting = None
        if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            raise errors.error_from_result(result)
        return result

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ends what takes too long. One timer for many questions: each would have to set and cancel its own."""
        self._deadline = None
        if self._waiting is None:
            return
        if loop.time() < self._due_s:
            self._deadline = loop.call_at(self._due_s, self._look, loop)
        else:
            self._end(TimeoutError())

    def _arrived(self) -> None:
        """Takes what the server says, which without a question is that it goes."""
        try:
            self._pgconn.consume_input()
            while not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is None:
                    self._end(None)
                    return
                self._result = result
        except PsycopgError as error:
            self._is_dead = True
            self._leave()
            self._end(error)

    def _end(self, error: Exception | None) -> None:
        if self._waiting is None or self._waiting.done():
            return
        if error is not None:
            self._waiting.set_exception(error)
        elif self._result is not None:
            self._waiting.set_result(self._result)

    def _leave(self) -> None:
        """Nobody listens any more."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
        self._loop = None

    def close(self) -> None:
        """Closes the connection, whatever is going on there."""
        loop = self._loop
        if loop is not None and loop.is_running() and loop is not _running():
            with suppress(RuntimeError):  # it has ended meanwhile
                loop.call_soon_threadsafe(self._close)
                return
        self._close()

    def _close(self) -> None:
        self._leave()
        with suppress(PsycopgError):
            self._driver.close()


def _running() -> asyncio.AbstractEventLoop | None:
    """The loop of this thread, if one runs."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _sent(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _numbered(statement: str) -> bytes:
    """With `$1`, `$2` … for its marks, as the server wants them."""
    first, *others = statement.split("%s")
    return "".join([first, *(f"${number}{text}" for number, text in enumerate(others, 1))]).encode()

"""The one way to the database: connections, transactions, and the library's errors turned into ours."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    ExceptionContext,
    PoolProxiedConnection,
    event,
    exc,
    text,
)
from sqlalchemy.pool import ConnectionPoolEntry

from storage.address import engines
from storage.dialects import Dialect
from storage.errors import (
    DatabaseUnavailable,
    DataRefused,
    SchemaMismatch,
    StorageError,
    TookTooLong,
    Unusable,
)
from storage.secrets import mask_url
from storage.settings import DatabaseSettings

T = TypeVar("T")

MAX_TRIES = 10
WRITE_LIMIT_S = 60.0
# What a server that takes no writes answers: SQLSTATE of PostgreSQL, numbers of MariaDB.
READ_ONLY = {"25006", 1290, 1792, 1836}


class Database:
    """An engine for `settings.url`. Nothing is opened until the first transaction.

    Raises InvalidAddress for an address this program cannot use.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self.settings = settings
        made = engines(settings)
        self.dialect: Dialect = made.dialect
        self.engine: Engine = made.transactions
        self._asking = made.questions
        self._lines = self.dialect.lines(self._line, settings)
        self._breaks = 0
        self.dialect.prepare(self.engine)
        event.listen(self.engine, "handle_error", _leave_read_only)
        for engine in {self.engine, self._asking}:
            event.listen(engine, "invalidate", self._note_break)

    @property
    def breaks(self) -> int:
        """How often connections were found dead. Behind the next one may be another server, or what was restored."""
        return self._breaks + (0 if self._lines is None else self._lines.breaks)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for questions; nothing may be written on it."""
        begin = partial(self.dialect.begin_reading, seconds=self.settings.timeout_s)
        with self._translate(), self._begun(begin, **self.dialect.begin_options) as connection:
            yield connection
            connection.commit()  # after a rollback psycopg would forget its prepared statements

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """As `read`, for questions about samples: all of them are answered as of one moment.

        The first one is `storage.reading.moment.this_moment` or `storage.watermarks.look`. Nothing may be written.
        """
        timeout_s = self.settings.timeout_s
        begin = partial(self.dialect.snapshot, seconds=timeout_s)
        with self._translate(), self._begun(begin, **self.dialect.begin_options) as connection:
            yield connection
            connection.commit()  # as above

    def ask(self, statement: str, values: Sequence[int | str | bytes]) -> Sequence[Any]:
        """The rows of one SELECT, as tuples: a snapshot by itself, so that nothing is begun or ended around it.

        Marks are the dialect's. There is no word of SQLAlchemy on its way but the pool: that gives a question of a
        dashboard half its time back.
        """
        with self._translate():
            rows = self._asked_again(statement, values)
        if self._lines is not None:
            self._lines.open_missed()
        return rows

    async def ask_soon(self, statement: str, values: Sequence[int | str | bytes]) -> Sequence[Any] | None:
        """The same for an event loop, which nothing of this makes wait; None when a thread has to `ask`.

        Raises DatabaseUnavailable when that would take as long again.
        """
        return None if self._lines is None else await self._lines.ask(statement, values)

    @contextmanager
    def write(self, *, limit_s: float = WRITE_LIMIT_S) -> Iterator[Connection]:
        """A connection in one transaction, committed at the end of the block, rolled back on any error."""
        with self._translate(), self._writing(limit_s) as connection:
            yield connection

    def write_retrying(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in one write transaction, whole again after a deadlock or lost race (at most ten times).

        Raises what `write` raises; a transaction that never gets through is DatabaseUnavailable.
        """
        for tries in range(MAX_TRIES):
            try:
                with self._writing(WRITE_LIMIT_S) as connection:
                    return work(connection)
            except exc.DBAPIError as error:
                if tries == MAX_TRIES - 1 or not self.dialect.is_lost_race(error):
                    raise self._ours(error) from error
            except exc.SQLAlchemyError as error:
                raise self._ours(error) from error
            time.sleep(random.uniform(0, 0.02 * 2 ** min(tries, 5)))  # noqa: S311 - jitter, not a secret
        raise DatabaseUnavailable("the transaction was never let through")

    def alone(self, statement: str) -> None:
        """Runs one statement that no transaction may hold; raises as `write` does."""
        engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        with self._translate(), engine.connect() as connection:
            connection.exec_driver_sql(statement)

    def ping(self) -> None:
        """Returns when the database answers; raises DatabaseUnavailable when it does not."""
        with self.read() as connection:
            connection.execute(text("SELECT 1"))

    def dispose(self) -> None:
        """Closes the pooled connections, each that is in use when it is given back."""
        if self._lines is not None:
            self._lines.close()
        for engine in {self.engine, self._asking}:
            given_back_to = engine.pool
            engine.dispose()
            event.listen(given_back_to, "checkin", _close)

    def _note_break(self, _driver: object, _record: object, error: BaseException | None) -> None:
        self._breaks += (
            error is not None
        )  # two threads may count one: it only matters that it is another number

    def _line(self) -> Any:
        """The driver's connection as `ask` uses it, which no pool knows."""
        pooled = self._asking.raw_connection()
        driver = pooled.driver_connection
        pooled.detach()
        return driver

    def _asked_again(self, statement: str, values: Sequence[int | str | bytes]) -> Sequence[Any]:
        """Once more over a new connection if the pooled one was dead."""
        try:
            return self._asked(statement, values)
        except exc.DBAPIError as error:
            if not error.connection_invalidated:
                raise
        self._asking.dispose()  # its connections of the same age are as dead
        return self._asked(statement, values)

    def _asked(self, statement: str, values: Sequence[int | str | bytes]) -> Sequence[Any]:
        dbapi = self._asking.dialect.loaded_dbapi
        pooled: PoolProxiedConnection | None = None
        try:
            pooled = self._asking.raw_connection()
            return self.dialect.ask(pooled.driver_connection, statement, values, self.settings.timeout_s)
        except dbapi.Error as error:
            is_dead = False
            if pooled is not None:
                is_dead = self._asking.dialect.is_disconnect(error, pooled.dbapi_connection, None)
            if pooled is not None and is_dead:
                pooled.invalidate(error)
            raise exc.DBAPIError.instance(
                statement, None, error, dbapi.Error, hide_parameters=True, connection_invalidated=is_dead
            ) from error
        finally:
            if pooled is not None:
                pooled.close()

    @contextmanager
    def _writing(self, limit_s: float) -> Iterator[Connection]:
        begin = partial(self.dialect.begin, seconds=limit_s)
        with self._begun(begin, write=True, **self.dialect.begin_options) as connection:
            yield connection
            connection.commit()

    @contextmanager
    def _begun(self, begin: Callable[[Connection], None], **options: object) -> Iterator[Connection]:
        """A connection in a transaction that `begin` began; what is not committed is rolled back.

        A pooled connection that died while nobody used it is noticed by `begin` and replaced: nothing has happened
        on it yet. That spares every question the round trip of asking first whether its connection is alive.
        """
        with ExitStack() as opened:
            try:
                connection = opened.enter_context(self._open(begin, options))
            except exc.DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                connection = opened.enter_context(self._open(begin, options))
            yield connection

    @contextmanager
    def _open(
        self, begin: Callable[[Connection], None], options: Mapping[str, object]
    ) -> Iterator[Connection]:
        with self.engine.connect().execution_options(**options) as connection:
            connection.begin()
            begin(connection)
            yield connection

    @contextmanager
    def _translate(self) -> Iterator[None]:
        try:
            yield
        except exc.SQLAlchemyError as error:
            raise self._ours(error) from error

    def _ours(self, error: exc.SQLAlchemyError) -> StorageError:
        """The error of `storage.errors` that tells the caller what to do; never holds the statement's values."""
        reason = mask_url(str(getattr(error, "orig", None) or error).strip().split("\n")[0])
        if isinstance(error, exc.TimeoutError):
            return DatabaseUnavailable(f"no free database connection: {reason}")
        if isinstance(error, exc.DBAPIError):
            if self.dialect.is_missing_table(error):
                return SchemaMismatch(f"the schema is missing or old ({reason}): run `nephometer db upgrade`")
            if self.dialect.is_refused(error):
                return DataRefused(reason)
            if self.dialect.is_too_slow(error):
                return TookTooLong(reason)
            if isinstance(error, exc.ProgrammingError):
                return StorageError(reason)
            if self.dialect.is_unusable(error):
                return Unusable(reason)
            return DatabaseUnavailable(reason)
        if isinstance(error, exc.StatementError):
            return DataRefused(reason)
        return StorageError(reason)


def _close(_driver: object, record: ConnectionPoolEntry) -> None:
    """The pool it came from is no more: nobody else would."""
    record.invalidate()


def _leave_read_only(context: ExceptionContext) -> None:
    """Closes every pooled connection: a session that began while its server was a standby may stay read-only."""
    error = context.original_exception
    if getattr(error, "sqlstate", None) in READ_ONLY or next(iter(error.args), None) in READ_ONLY:
        context.is_disconnect = True

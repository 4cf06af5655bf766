"""The one way to the database: connections, transactions, and the library's errors turned into ours."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, exc, make_url, text

from storage.dialects import Dialect, dialect_of
from storage.errors import DatabaseUnavailable, DataRefused, SchemaMismatch, StorageError
from storage.log import mask_url
from storage.settings import DatabaseSettings

T = TypeVar("T")

MAX_TRIES = 10
WRITE_LIMIT_S = 60.0


class Database:
    """An engine for `settings.url`. Nothing is opened until the first transaction.

    Raises StorageError for an address this program cannot use.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self.settings = settings
        try:
            url = make_url(settings.url)
            self.dialect: Dialect = dialect_of(url)
            self.engine: Engine = create_engine(
                url,
                pool_pre_ping=True,
                hide_parameters=True,
                **self.dialect.engine_options(settings),
            )
        except (exc.ArgumentError, ValueError) as error:  # ValueError: of a port that is no number
            raise StorageError("database.url is not a database address") from error
        self.dialect.prepare(self.engine)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for questions; nothing written on it is kept."""
        with self._translate(), self.engine.connect() as connection, connection.begin() as transaction:
            self.dialect.limit(connection, self.settings.timeout_s)
            yield connection
            transaction.rollback()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """As `read`, for questions about samples: all of them are answered as of one moment.

        The first one is `storage.watermarks.look`.
        """
        options = self.dialect.snapshot_options
        with (
            self._translate(),
            self.engine.connect().execution_options(**options) as connection,
            connection.begin() as transaction,
        ):
            self.dialect.snapshot(connection, self.settings.timeout_s)
            yield connection
            transaction.rollback()

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

    def ping(self) -> None:
        """Returns when the database answers; raises DatabaseUnavailable when it does not."""
        with self.read() as connection:
            connection.execute(text("SELECT 1"))

    def dispose(self) -> None:
        """Closes the pooled connections."""
        self.engine.dispose()

    @contextmanager
    def _writing(self, limit_s: float) -> Iterator[Connection]:
        with self.engine.connect().execution_options(write=True) as connection, connection.begin():
            self.dialect.limit(connection, limit_s)
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
            if isinstance(error, exc.ProgrammingError):
                return StorageError(reason)
            return DatabaseUnavailable(reason)
        if isinstance(error, exc.StatementError):
            return DataRefused(reason)
        return StorageError(reason)

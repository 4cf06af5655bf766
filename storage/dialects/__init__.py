"""What differs between the databases; one file each, listed in `DIALECTS`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from sqlalchemy import URL, Connection, Engine, Table
from sqlalchemy.exc import DBAPIError

from storage.dialects.mysql import MySQL
from storage.dialects.postgresql import PostgreSQL
from storage.dialects.postgresql_lines import Lines
from storage.dialects.sqlite import SQLite
from storage.dialects.texts import Texts
from storage.errors import InvalidAddress
from storage.ingest.rows import Rows
from storage.settings import DatabaseSettings


class Dialect(Protocol):
    """What the store needs to know of a database."""

    name: str
    mark: str  # stands for a value in a statement
    byte: ClassVar[str]  # of bytes, the one at a place (from 1) as a number; 0 or NULL beyond their end
    # Execution options of the connections `begin` and `snapshot` begin on.
    begin_options: ClassVar[dict[str, object]]
    durability: ClassVar[str]  # asks for settings of the server, as rows of name and value
    lasting: ClassVar[
        dict[str, tuple[str, ...]]
    ]  # of some of them: with which values a commit survives a power cut

    def engine_options(self, settings: DatabaseSettings) -> dict[str, object]:
        """Keyword arguments of `create_engine`."""

    def check(self, driver: Any, given: Mapping[str, Any], /) -> None:  # Any: its module, and what that takes
        """Raises TypeError, ValueError or OSError for arguments the driver could never connect with."""

    def prepare(self, engine: Engine) -> None:
        """Sets what every session needs and engine options cannot say."""

    # What follows VALUES of an INSERT so that a row whose key, or any other unique one, is there is left as it is.
    keep_first: ClassVar[str]
    texts: ClassVar[Texts]  # how text gets into statements

    def begin(self, connection: Connection, seconds: float) -> None:
        """As `limit`, as the first of a transaction that writes, on a connection with `begin_options`."""

    def begin_reading(self, connection: Connection, seconds: float) -> None:
        """The same of a transaction that writes nothing."""

    def limit(self, connection: Connection, seconds: float) -> None:
        """Ends any statement of this transaction that takes longer; 0 is no limit.

        As `snapshot`, it asks the server something: that is how a dead connection is noticed in time.
        """

    def snapshot(self, connection: Connection, seconds: float) -> None:
        """As `limit`, and all questions of this transaction are answered as of one moment; no partition goes in it."""

    def asking_options(self, settings: DatabaseSettings, /) -> dict[str, object] | None:
        """As `engine_options`, of connections on which every statement is a transaction; None: the same will do."""

    def ask(
        self, driver: Any, statement: str, values: Sequence[int | str | bytes], seconds: float, /
    ) -> Sequence[Any]:  # Any: the driver's own connection, and rows as tuples
        """The rows of one SELECT on such a connection; it ends when it takes longer, 0 is no limit."""

    def lines(self, opened: Callable[[], Any], settings: DatabaseSettings) -> Lines | None:
        """What lets an event loop ask on such connections (the driver's own); None: only threads can."""

    def insert_new(self, connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> int:
        """Inserts the rows whose primary key is not there yet; returns how many that were.

        `rows` follow the table's columns and are sorted by key.
        """

    def insert_fresh(self, connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> int:
        """As `insert_new`, for rows most of which are new; where one is not, the transaction may be a lost race."""

    def insert_rows(self, connection: Connection, table: Table, rows: Rows) -> int:
        """As `insert_new`, for rows of `hot` or `late` that come as columns."""

    def kept(self, connection: Connection, table: Table, rows: Rows) -> tuple[int, int]:
        """Of rows just inserted: how many readings are the ones kept, and how many rows are kept with other readings.

        A row is the one kept when the same readings are there with the same arrival.
        """

    def is_lost_race(self, error: DBAPIError) -> bool:
        """Whether the whole transaction should simply be tried again (deadlock, serialization, busy)."""

    def is_refused(self, error: DBAPIError) -> bool:
        """Whether the data itself is refused, so that trying again cannot help."""

    def is_too_slow(self, error: DBAPIError) -> bool:
        """Whether the time limit of its transaction ended a statement."""

    def is_missing_table(self, error: DBAPIError) -> bool:
        """Whether a table or column is not there."""

    def is_unusable(self, error: DBAPIError) -> bool:
        """Whether the database cannot be opened, and waiting alone will not change that."""


DIALECTS: tuple[type[Dialect], ...] = (SQLite, PostgreSQL, MySQL)


def dialect_of(url: URL) -> Dialect:
    """The dialect of a database address; raises InvalidAddress naming those there are."""
    for dialect in DIALECTS:
        if url.drivername == dialect.name:
            return dialect()
    allowed = ", ".join(dialect.name for dialect in DIALECTS)
    raise InvalidAddress(f"database.url: {url.drivername!r} is not supported; use one of {allowed}")

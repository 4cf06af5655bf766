"""What `database.url` says, made into engines; nothing is connected, and what cannot work is refused with why."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Engine, create_engine, exc, make_url

from storage.dialects import Dialect, dialect_of
from storage.errors import InvalidAddress
from storage.settings import DatabaseSettings

LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Engines:
    """The engine of transactions, and that of single questions (`Database.ask`), which may be the same."""

    dialect: Dialect
    transactions: Engine
    questions: Engine


def engines(settings: DatabaseSettings) -> Engines:
    """The engines of `settings.url`; raises InvalidAddress, which never shows the address itself."""
    url = _parsed(settings.url)
    dialect = dialect_of(url)
    try:
        transactions = _engine(url, dialect, dialect.engine_options(settings))
        asking = dialect.asking_options(settings)
        questions = (
            transactions
            if asking is None
            else _engine(url, dialect, {"pool_reset_on_return": None, **asking})
        )
    except (AttributeError, KeyError) as error:  # of text that should be a table, as PyMySQL's ssl and conv
        raise InvalidAddress(
            f"database.url cannot be used: a parameter of it is not what the driver takes ({error})"
        ) from error
    except (exc.ArgumentError, TypeError, ValueError, OSError, NotImplementedError) as error:
        raise InvalidAddress(f"database.url cannot be used: {error}") from error
    return Engines(dialect, transactions, questions)


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
    except exc.ArgumentError as error:
        raise InvalidAddress("database.url is not a database address") from error
    except ValueError as error:  # its words would show what stands there, which may be half a password
        raise InvalidAddress(
            "database.url is not a database address: its port is not a number"
            " (in a password write @ as %40, : as %3A and / as %2F)"
        ) from error
    if url.port is not None and not 0 < url.port <= LAST_PORT:
        raise InvalidAddress(f"database.url cannot be used: its port is not from 1 to {LAST_PORT}")
    return url


def _engine(url: URL, dialect: Dialect, options: dict[str, Any]) -> Engine:  # Any: what create_engine takes
    """The engine, with the driver's own look at what it will be given; raises what that raises."""
    engine = create_engine(url, hide_parameters=True, **options)
    _, given = engine.dialect.create_connect_args(url)
    dialect.check(engine.dialect.loaded_dbapi, {**given, **options["connect_args"]})
    return engine

"""nephometer db: the database schema."""

import sys
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from cli import output
from cli.database import open_database, settings_of
from cli.db_check import check
from cli.db_distribute import distribute
from cli.db_maintain import maintain
from cli.db_size import size
from cli.errors import CliError
from cli.invocation import ConfigFile
from storage.errors import DatabaseUnavailable, Unusable
from storage.revision import state
from storage.secrets import mask_url

PAUSE_S = 1.0


class Dialect(StrEnum):
    """The databases there is SQL for."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"
    MYSQL = "mysql"


DRIVERS = {
    Dialect.SQLITE: "sqlite://",
    Dialect.POSTGRESQL: "postgresql+psycopg://",
    Dialect.MYSQL: "mysql+pymysql://",
}

app = typer.Typer(help="The database: schema, size, cluster.", no_args_is_help=True)
app.command()(check)
app.command()(size)
app.command()(distribute)
app.command()(maintain)


@app.command()
def upgrade(
    context: typer.Context,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="how long to wait for a database that is away")
    ] = 30.0,
    config: ConfigFile = None,
) -> None:
    """Creates the schema, or brings it to what this version needs. Does nothing when it is there."""
    from storage import migrate  # and with it alembic, which nothing else here needs

    settings = settings_of(context, config)
    _talk(f"Upgrading the schema of {mask_url(settings.url)} …")
    database = open_database(settings)
    try:
        applied = patiently(lambda: migrate.upgrade(database), wait)
        head = state(database).head
    finally:
        database.dispose()
    steps = f"applied, each after what it needs: {', '.join(migrate.titles(applied))}"
    steps = steps if applied else "nothing to do"
    output.write(f"The schema is at {head} ({steps}).\n", sys.stdout)


@app.command("offline-sql")
def offline_sql(
    context: typer.Context,
    dialect: Annotated[Dialect | None, typer.Option(help="default: that of database.url")] = None,
    config: ConfigFile = None,
) -> None:
    """Prints the SQL that creates the whole schema, for an administrator to run by hand."""
    from storage import migrate

    if dialect is None:
        url = settings_of(context, config).url
        driver = url.partition(":")[0] + "://"
        if driver not in DRIVERS.values():
            raise CliError(f"there is no SQL for {driver}; ask with --dialect {'|'.join(Dialect)}")
    else:
        driver = DRIVERS[dialect]
    output.write(migrate.offline_sql(driver), sys.stdout)


def patiently(
    work: Callable[[], list[str]],
    wait_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """What `work` returns, tried again until `wait_s` seconds are over while the database is away.

    Raises Unusable at once: the database is there, and waiting cannot mend it.
    """
    deadline, is_told = clock() + wait_s, False
    while True:
        try:
            return work()
        except DatabaseUnavailable as error:
            if isinstance(error, Unusable) or clock() + PAUSE_S > deadline:
                raise
            if not is_told:
                _talk(f"The database does not answer ({error}); waiting up to {wait_s:g} s …")
                is_told = True
            sleep(PAUSE_S)


def _talk(text: str) -> None:
    output.write(text + "\n", sys.stderr)

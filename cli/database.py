"""The database of the settings, for commands that talk to it themselves."""

from pathlib import Path

import typer

from cli import invocation
from cli.errors import CliError
from storage.database import Database
from storage.secrets import mask_url
from storage.settings import DatabaseSettings

SQLITE = "sqlite:///"


def open_database(settings: DatabaseSettings) -> Database:
    """The database of `settings`; raises CliError when the folder of an SQLite file cannot be made."""
    try:
        return Database(settings)
    except OSError as error:
        raise CliError(f"cannot create {error.filename}: {error.strerror}") from error


def sqlite_file(settings: DatabaseSettings) -> Path | None:
    """The file of an SQLite database, None for a server or one in memory."""
    name = settings.url.removeprefix(SQLITE).partition("?")[0]
    return Path(name) if settings.url.startswith(SQLITE) and name not in ("", ":memory:") else None


def is_absent(settings: DatabaseSettings) -> bool:
    """Whether the database is an SQLite file that does not exist: looking into it would create it."""
    file = sqlite_file(settings)
    return file is not None and not file.exists()


def settings_of(context: typer.Context, config: Path | None) -> DatabaseSettings:
    """Section `database`; log lines go to stderr from here on."""
    return invocation.read_settings(context, config).settings.database


def open_existing(settings: DatabaseSettings) -> Database:
    """As `open_database`; raises CliError when there is no SQLite file yet, instead of making one."""
    if is_absent(settings):
        raise CliError(f"there is no database at {mask_url(settings.url)} yet: run `nephometer db upgrade`")
    return open_database(settings)

"""nephometer publishers: what other systems are owed, and what to do about what they refused."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from cli import output
from cli.database import open_existing, settings_of
from cli.errors import CliError
from cli.invocation import ConfigFile
from cli.output import ChosenColumns, Format, Options, OutputFormat, columns
from storage.database import Database
from storage.outgoing import Outgoing
from storage.standings import Standings

T = TypeVar("T")

COLUMNS = columns("name", "batches", "bytes", "oldest", "set_aside", "dropped", "error", times=("oldest",))
Name = Annotated[str, typer.Argument(metavar="NAME", help="the publisher as `publishers list` names it")]

app = typer.Typer(help="Publishers: what other systems are owed.", no_args_is_help=True)


@app.command("list")
def list_all(
    context: typer.Context,
    output_format: OutputFormat = Format.TABLE,
    column: ChosenColumns = None,
    config: ConfigFile = None,
) -> None:
    """Lists every publisher that is or was: what waits for it, since when, what it refused, what is wrong."""
    rows = [
        {
            "name": one.name,
            "batches": one.batches,
            "bytes": one.size,
            "oldest": None if one.oldest is None else one.oldest.isoformat(),
            "set_aside": one.aside,
            "dropped": one.dropped,
            "error": one.error,
        }
        for one in _with(context, config, lambda database: Standings(database).all())
    ]
    output.show_many(COLUMNS, rows, Options(output_format, column or ()))


@app.command()
def replay(context: typer.Context, name: Name, config: ConfigFile = None) -> None:
    """Delivers again what a publisher refused for good, for instance after its receiver was mended."""

    def work(database: Database) -> int:
        _check(database, name)
        return Outgoing(database).replay(name, datetime.now(UTC))

    sys.stdout.write(f"{_with(context, config, work)} batches are due again.\n")


@app.command()
def forget(context: typer.Context, name: Name, config: ConfigFile = None) -> None:
    """Drops everything a publisher is owed, for instance after it was taken out of collector.publishers."""

    def work(database: Database) -> None:
        _check(database, name)
        Standings(database).forget(name)

    _with(context, config, work)
    sys.stdout.write(f"{name} is owed nothing any more.\n")


def _with(context: typer.Context, config: Path | None, work: Callable[[Database], T]) -> T:
    database = open_existing(settings_of(context, config))
    try:
        return work(database)
    finally:
        database.dispose()


def _check(database: Database, name: str) -> None:
    """Raises CliError for a name that no publisher has."""
    names = [standing.name for standing in Standings(database).all()]
    if name not in names:
        raise CliError(f"there is no publisher {name}; there are: {', '.join(names) or 'none'}")

"""nephometer db check: whether the schema fits, and whether everything sealed is whole."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli import output
from cli.database import open_existing, settings_of
from cli.errors import CliError
from cli.invocation import ConfigFile
from cli.output import Format, Options, OutputFormat, columns
from storage.database import Database
from storage.revision import state
from storage.upkeep.check import Check, Damage

DAMAGES = columns("table", "group", "project", "meter", "start", "mid", "reason", times=("start",))


def check(
    context: typer.Context,
    *,
    schema_only: Annotated[
        bool, typer.Option("--schema-only", help="do not read what is stored, which may take long")
    ] = False,
    output_format: OutputFormat = Format.TABLE,
    config: ConfigFile = None,
) -> None:
    """Tells whether the schema is the one this version needs and whether every tile is whole; else exit code 1."""
    database = open_existing(settings_of(context, config))
    try:
        head = _schema(database)
        if schema_only:
            output.write(f"The schema is at {head}, as this version needs it.\n", sys.stdout)
            return
        looked = Check(database)
        damages = list(_damages(looked))
        problems = looked.problems(datetime.now(UTC))
    finally:
        database.dispose()
    if damages:
        output.show_many(DAMAGES, [_row(damage) for damage in damages], Options(output_format))
    output.write("".join(f"{problem}\n" for problem in problems), sys.stderr)
    if damages or problems:
        raise CliError(
            f"{len(damages)} of {looked.rows} rows of tiles are damaged, {len(problems)} other problems:"
            " restore what is damaged from a backup (docs/how-to/maintain.md)"
        )
    whole = f"{looked.rows} rows of tiles are whole" if looked.rows else "nothing is sealed yet"
    output.write(f"The schema is at {head}, as this version needs it; {whole}.\n", sys.stdout)


def _schema(database: Database) -> str:
    """The revision; raises CliError when it is not the one this program needs."""
    found = state(database)
    if not found.is_current:
        here = found.current or "empty"
        raise CliError(f"the schema is {here}, this version needs {found.head}: run `nephometer db upgrade`")
    return found.head


def _damages(looked: Check) -> Iterator[Damage]:
    with _bar(looked.groups()) as groups:
        for gid in groups:
            yield from looked.damages(gid)


@contextmanager
def _bar(groups: Sequence[int]) -> Iterator[Iterable[int]]:
    """The groups, with a bar on a terminal."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield groups
        return
    with Progress(
        TextColumn("groups"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    ) as progress:
        yield progress.track(groups)


def _row(damage: Damage) -> Mapping[str, object]:
    return {
        "table": damage.table,
        "group": damage.gid,
        "project": damage.project,
        "meter": damage.meter,
        "start": damage.start.isoformat(),
        "mid": damage.mid,
        "reason": damage.reason,
    }

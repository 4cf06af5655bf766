"""nephometer quarantine: what was refused, and why."""

import sys
from typing import Annotated

import typer

from cli import output
from cli.database import open_existing, settings_of
from cli.invocation import ConfigFile
from cli.output import ChosenColumns, Format, Options, OutputFormat, columns
from collector.masking import masked
from storage.quarantine import Quarantine, Quarantined

SHOWN_CHARACTERS = 200
READ_BYTES = 4096  # enough for so many characters, whatever is masked among them
COLUMNS = columns(
    "last_seen",
    "times",
    "origin",
    "reason",
    "body",
    hidden=("first_seen", "size"),
    times=("first_seen", "last_seen"),
)

app = typer.Typer(help="What was refused, and why.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """What was refused, and why."""


@app.command("list")
def list_refused(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option("-l", "--limit", min=1, help="so many at most")] = 100,
    origin: Annotated[
        str | None, typer.Option(metavar="notifications|agent|api|store", help="only what came from there")
    ] = None,
    output_format: OutputFormat = Format.TABLE,
    column: ChosenColumns = None,
    config: ConfigFile = None,
) -> None:
    """Lists what was refused, the newest first: when, from where, why, and its first characters."""
    database = open_existing(settings_of(context, config))
    try:
        found = Quarantine(database).newest(limit, origin=origin, body_bytes=READ_BYTES)
    finally:
        database.dispose()
    if not found and output_format is Format.TABLE:
        output.write("Nothing found.\n", sys.stderr)
        return
    output.show_many(COLUMNS, [_row(one) for one in found], Options(output_format, column or ()))


def _row(one: Quarantined) -> dict[str, object]:
    return {
        "last_seen": one.last_seen.isoformat(),
        "times": one.times,
        "origin": one.origin,
        "reason": one.reason,
        "body": masked(one.body).decode("utf-8", "replace")[:SHOWN_CHARACTERS],
        "first_seen": one.first_seen.isoformat(),
        "size": one.size,
    }

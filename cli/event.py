"""nephometer event: definitions of events tried on a notification."""

import sys
from collections.abc import Iterator, Mapping
from datetime import datetime

import typer

from cli import output
from cli.output import ChosenColumns, Format, Options, OutputFormat, columns
from cli.trying import DefinitionFile, Given, SampleFile
from collector.definition_trial import EventTrial, try_event
from collector.event_mapping import EventMapping
from collector.recognition import rules_in

COLUMNS = columns("part", "name", "type", "value", "reason")
FAILED = 1

app = typer.Typer(help="Definitions of events.", no_args_is_help=True)


@app.command("test")
def try_out(
    context: typer.Context,
    file: DefinitionFile,
    sample: SampleFile,
    output_format: OutputFormat = Format.TABLE,
    column: ChosenColumns = None,
) -> None:
    """Shows the event a definition file makes of a notification, its traits, and why one is not among them.

    Exit code 1 when there is no event, or no definition of the file is for its type.
    """
    given = Given.of(context, file, sample)
    mapping = EventMapping(rules_in(given.file, given.definitions))
    trial = try_event(mapping, given.notification, given.now)
    output.show_many(COLUMNS, list(_rows(trial)), Options(output_format, column or ()))
    if trial.event is None:
        sys.stderr.write("No event: it is a sample, or meant for those who look for faults in programs.\n")
    elif not trial.is_named:
        sys.stderr.write(
            f"No definition in {file} is for {trial.event.event_type}: it has the traits of all.\n"
        )
    if trial.event is None or not trial.is_named:
        raise typer.Exit(FAILED)


def _rows(trial: EventTrial) -> Iterator[Mapping[str, object]]:
    """The fields of the event, its traits, and the traits it does not have."""
    event = trial.event
    if event is None:
        return
    for name in ("event_type", "generated", "project_id", "user_id", "message_id", "publisher_id"):
        value = getattr(event, name)
        kind = "datetime" if isinstance(value, datetime) else "text"
        yield {"part": "event", "name": name, "type": kind, "value": _plain(value)}
    for trait in event.traits:
        yield {"part": "trait", "name": trait.name, "type": trait.type, "value": _plain(trait.value)}
    for name, reason in trial.left_out.items():
        yield {"part": "left out", "name": name, "reason": reason}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value

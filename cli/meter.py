"""nephometer meter: definitions of meters tried on a notification."""

from collections.abc import Mapping

import typer

from cli import output
from cli.output import ChosenColumns, Format, Options, OutputFormat, columns
from cli.trying import DefinitionFile, Given, SampleFile
from collector.definition_trial import MeterTrial, try_meters
from collector.recognition import meters_in

COLUMNS = columns(
    "meter", "volume", "unit", "type", "resource_id", "project_id", "timestamp", "reason",
    times=["timestamp"], hidden=["user_id", "metadata"],
)  # fmt: skip
FAILED = 1

app = typer.Typer(help="Definitions of meters.", no_args_is_help=True)


@app.command("test")
def try_out(
    context: typer.Context,
    file: DefinitionFile,
    sample: SampleFile,
    output_format: OutputFormat = Format.TABLE,
    column: ChosenColumns = None,
) -> None:
    """Shows the samples a definition file makes of a notification, and why a meter gives none, samples first.

    Exit code 1 when there is no sample, or one that would be refused.
    """
    given = Given.of(context, file, sample)
    trials = try_meters(meters_in(given.file, given.definitions), given.notification, given.now)
    rows = [_row(trial) for trial in sorted(trials, key=lambda trial: not (trial.sample or trial.is_refused))]
    output.show_many(COLUMNS, rows, Options(output_format, column or ()))
    if any(trial.is_refused for trial in trials) or not any(trial.sample for trial in trials):
        raise typer.Exit(FAILED)


def _row(trial: MeterTrial) -> Mapping[str, object]:
    sample = trial.sample
    if sample is None:
        return {"meter": trial.meter, "reason": trial.reason}
    return {
        "meter": sample.meter,
        "volume": sample.volume,
        "unit": sample.unit,
        "type": sample.type,
        "resource_id": sample.resource_id,
        "project_id": sample.project_id,
        "timestamp": sample.timestamp.isoformat(),
        "user_id": sample.user_id,
        "metadata": sample.metadata,
    }

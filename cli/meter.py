"""nephometer meter: definitions of meters tried on a notification."""

import sys
from collections.abc import Mapping

import typer

from cli import output
from cli.output import ChosenColumns, Format, Options, OutputFormat, columns
from cli.session import width
from cli.trying import DefinitionFile, SampleFile, notification_of, start_logging, text_of, this_moment
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
    start_logging(context)
    now = this_moment()
    trials = try_meters(meters_in(str(file), text_of(file)), notification_of(sample, now), now)
    options = Options(output_format, tuple(column or ()))
    rows = [_row(trial) for trial in sorted(trials, key=lambda trial: not (trial.sample or trial.is_refused))]
    output.write(output.render_many(COLUMNS, rows, options, width(sys.stdout)), sys.stdout)
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

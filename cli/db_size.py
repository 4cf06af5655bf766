"""nephometer db size: what the store takes on disk."""

import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from cli import output
from cli.database import open_existing, settings_of
from cli.invocation import ConfigFile
from cli.output import ChosenColumns, Format, Options, OutputFormat, columns
from storage.upkeep.size import LayerSize, MeterSize, StoreSize, measure

ROWS = columns("of", "name", "bytes", "samples", "bytes_per_sample", hidden=("type", "unit"))
WHOLE = columns(
    "bytes",
    "samples",
    "bytes_per_sample",
    "oldest",
    "newest",
    "bytes_per_day",
    "free_bytes",
    "days_until_full",
    "is_estimate",
    "layers",
    "meters",
    times=("oldest", "newest"),
)


def size(
    context: typer.Context,
    free_bytes: Annotated[
        int | None, typer.Option(min=0, help="room left for the database, where the server is elsewhere")
    ] = None,
    output_format: OutputFormat = Format.TABLE,
    column: ChosenColumns = None,
    config: ConfigFile = None,
) -> None:
    """Shows bytes by layer and meter, bytes per sample, and how long the disk will do."""
    database = open_existing(settings_of(context, config))
    try:
        found = measure(database, free_bytes=free_bytes)
    finally:
        database.dispose()
    options = Options(output_format, column or ())
    if output_format in (Format.JSON, Format.YAML):
        output.show_one(WHOLE, _whole(found), options)
        return
    output.show_many(ROWS, _rows(found), options)
    if output_format is Format.TABLE:
        output.write(_words(found), sys.stderr)


def _whole(found: StoreSize) -> Mapping[str, object]:
    return {
        "bytes": found.bytes,
        "samples": found.samples,
        "bytes_per_sample": found.bytes_per_sample,
        "oldest": found.oldest and found.oldest.isoformat(),
        "newest": found.newest and found.newest.isoformat(),
        "bytes_per_day": found.bytes_a_day,
        "free_bytes": found.free_bytes,
        "days_until_full": found.days_until_full,
        "is_estimate": found.is_estimate,
        "layers": [_layer(layer) for layer in found.layers],
        "meters": [_meter(meter) for meter in found.meters],
    }


def _rows(found: StoreSize) -> list[Mapping[str, object]]:
    whole = {
        "name": "",
        "bytes": found.bytes,
        "samples": found.samples,
        "bytes_per_sample": found.bytes_per_sample,
    }
    layers = [{"of": "layer", **_layer(layer)} for layer in found.layers]
    meters = [{"of": "meter", **_meter(meter)} for meter in found.meters]
    return [*layers, *meters, {"of": "everything", **whole}]


def _layer(layer: LayerSize) -> Mapping[str, object]:
    ratio = layer.bytes / layer.samples if layer.samples else None
    return {
        "name": layer.name,
        "bytes": layer.bytes,
        "samples": layer.samples,
        "bytes_per_sample": ratio,
    }


def _meter(meter: MeterSize) -> Mapping[str, object]:
    return {
        "name": meter.name,
        "type": meter.type,
        "unit": meter.unit,
        "bytes": meter.bytes,
        "samples": meter.samples,
        "bytes_per_sample": meter.bytes / meter.samples if meter.samples else None,
    }


def _words(found: StoreSize) -> str:
    """What a table cannot say."""
    lines = []
    if found.groups_counted < found.groups:
        lines.append(
            f"Samples and meters are estimates: {found.groups_counted} of {found.groups} groups were counted."
        )
    if found.is_lagging:
        lines.append("Bytes are the server's own figures, which may be a while old.")
    if found.bytes_a_day is None:
        lines.append("Growth is unknown: there is less than an hour of data.")
    else:
        lines.append(f"Growth: {found.bytes_a_day / 2**20:.1f} MiB a day since the oldest sample.")
    if found.free_bytes is None:
        lines.append("The disk is not on this machine: tell its room by --free-bytes.")
    else:
        lines.append(f"Free: {found.free_bytes / 2**30:.1f} GiB.")
    if found.days_until_full is not None:
        lines.append(f"At this rate the disk is full in {found.days_until_full:.0f} days.")
    return "\n".join(lines) + "\n"

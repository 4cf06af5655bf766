"""nephometer doctor: what is wrong here, and what to do about it."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import typer

from cli import (
    doctor_agent,
    doctor_broker,
    doctor_database,
    doctor_machine,
    doctor_publishers,
    invocation,
    output,
)
from cli.database import sqlite_file
from cli.finding import Finding
from cli.invocation import ConfigFile
from cli.output import ChosenColumns, Format, Options, OutputFormat, columns
from cli.settings import Loaded, state_dir
from collector import bus

COLUMNS = columns("check", "level", "message", "advice")

app = typer.Typer(add_completion=False)


@app.command("doctor")
def doctor(
    context: typer.Context,
    output_format: OutputFormat = Format.TABLE,
    column: ChosenColumns = None,
    config: ConfigFile = None,
) -> None:
    """Checks database, broker, publishers, libvirt, clock and disk, and says what to do. Exit code 1 for a problem."""
    loaded = invocation.read_settings(context, config)
    findings = examine(loaded, datetime.now(UTC))
    rows = [
        {"check": found.check, "level": found.level, "message": found.message, "advice": found.advice}
        for found in findings
    ]
    output.show_many(COLUMNS, rows, Options(output_format, column or ()))
    if has_problem(findings):
        raise typer.Exit(1)


def examine(loaded: Loaded, now: datetime) -> list[Finding]:
    """Everything found on this machine and at the servers of the settings; changes nothing."""
    settings, state = loaded.settings, state_dir(os.environ)
    files = ", ".join(map(str, loaded.files)) or "no file, defaults and environment only"
    return [
        Finding("settings", "ok", files),
        *doctor_database.examine(settings.database, now),
        *doctor_broker.examine(settings.bus, partial(bus.inspect, thoroughly=True)),
        *doctor_publishers.examine(settings, now),
        doctor_agent.libvirt(settings.agent.libvirt_uri, timeout_s=settings.agent.source_deadline),
        doctor_agent.spool(settings.agent.spool_dir or state / "spool"),
        *doctor_machine.clock(now, doctor_machine.is_synchronised(), doctor_machine.hardware_time()),
        *(doctor_machine.disk(doctor_machine.room(folder)) for folder in _folders(loaded, state)),
    ]


def _folders(loaded: Loaded, state: Path) -> list[Path]:
    """The folders this machine's roles write to, each once; one inside another shares its disk."""
    database, spool = sqlite_file(loaded.settings.database), loaded.settings.agent.spool_dir
    others = [folder for folder in (database and database.parent, spool) if folder is not None]
    return [state, *(folder for folder in dict.fromkeys(others) if not folder.is_relative_to(state))]


def has_problem(findings: Sequence[Finding]) -> bool:
    """Whether something keeps the program from working."""
    return any(found.level == "problem" for found in findings)

"""nephometer db maintain: everything there is to do, by hand.

The first Ctrl-C or SIGTERM ends the work after the step it is in, a second one at once.
"""

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from cli import invocation, output
from cli.database import open_existing
from cli.errors import CliError
from cli.invocation import ConfigFile
from cli.process import stopped_by_signals
from storage.upkeep.maintenance import Done, Maintenance, Stage, Step

INTERRUPTED = 130
TITLES: Mapping[Stage, str] = {
    Stage.PARTITIONS: "partitions",
    Stage.SEAL: "hours to seal",
    Stage.DROP: "partitions to drop",
    Stage.LATE: "days with late samples",
    Stage.COMPACT: "days of groups to compact",
    Stage.RETENTION: "deletions by age",
}
DONE: Mapping[Stage, str] = {
    Stage.PARTITIONS: "partitions made",
    Stage.SEAL: "readings sealed",
    Stage.DROP: "partitions dropped",
    Stage.LATE: "late readings merged",
    Stage.COMPACT: "readings compacted",
    Stage.RETENTION: "rows deleted because of their age",
}


def maintain(context: typer.Context, config: ConfigFile = None) -> None:
    """Seals, merges, compacts and forgets until nothing is left to do; safe to interrupt and to repeat."""
    settings = invocation.read_settings(context, config).settings
    database = open_existing(settings.database)
    now, done, stop = datetime.now(UTC), Done(), threading.Event()
    work = Maintenance(database, settings.maintenance, settings.retention)
    try:
        with stopped_by_signals(stop, _interrupt), _shown(work, now) as show:
            for step in work.steps(now, done, most=None):
                done.amounts[step.stage] += step.amount
                show(step)
                if stop.is_set():
                    break
    finally:
        database.dispose()
    output.write(_summary(done), sys.stdout)
    if work.damaged:
        tiles = "".join(f"  {name}\n" for name in work.damaged)
        output.write(f"Passed over, as a tile is damaged:\n{tiles}", sys.stderr)
        raise CliError("not all could be done: see `nephometer db check`")
    if stop.is_set():
        output.write("Interrupted: what is done stays done, the rest is left to the next time.\n", sys.stderr)
        raise typer.Exit(INTERRUPTED)


def _summary(done: Done) -> str:
    lines = [f"{amount} {DONE[stage]}" for stage, amount in done.amounts.items() if amount]
    return "".join(f"{line}\n" for line in lines) or "Nothing to do.\n"


@contextmanager
def _shown(work: Maintenance, now: datetime) -> "Iterator[_Show]":
    """Tells each step: by bars on a terminal, else by a line when a stage begins."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield _Show(work, now, None)
        return
    columns = (
        TextColumn("{task.description:>26}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield _Show(work, now, progress)


class _Show:
    """What people see of the steps."""

    def __init__(self, work: Maintenance, now: datetime, progress: Progress | None) -> None:
        self._work, self._now, self._progress = work, now, progress
        self._tasks: dict[Stage, TaskID | None] = {}

    def __call__(self, step: Step) -> None:
        """Shows a step that was done."""
        if step.stage not in self._tasks:
            self._tasks[step.stage] = self._begin(step)
        task = self._tasks[step.stage]
        if self._progress is not None and task is not None:
            self._progress.advance(task, step.units)

    def _begin(self, step: Step) -> TaskID | None:
        ahead = self._work.ahead(step.stage, self._now)
        total = None if ahead is None else ahead + step.units
        if self._progress is not None:
            return self._progress.add_task(TITLES[step.stage], total=total)
        output.write(f"{TITLES[step.stage]}{'' if total is None else f': {total}'}\n", sys.stderr)
        return None


def _interrupt(_number: int) -> None:
    raise KeyboardInterrupt

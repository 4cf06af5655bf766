"""nephometer replay: notifications of the past through the definitions of today.

The first Ctrl-C or SIGTERM ends the work after the notifications it is at, a second one at once.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli import invocation, output, replay_report
from cli.database import open_existing
from cli.errors import CliError
from cli.invocation import ConfigFile
from cli.output import ChosenColumns, Format, Options, OutputFormat
from cli.process import stopped_by_signals
from cli.replay_sources import Archive, chosen, of_events, of_stream
from cli.settings import Settings
from cli.times import METAVAR, moment
from collector.instants import EARLIEST
from collector.mappings import own_folder
from collector.rederiving import Derivation
from collector.replay import Original, Replay
from storage.database import Database
from storage.event_search import EventSearch
from storage.events import Events
from storage.reading.known import KnownReadings
from storage.samples import Samples
from storage.segments import Segments

INTERRUPTED = 130

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class _Stores:
    """What a replay reads and writes."""

    known: KnownReadings
    samples: Samples
    segments: Segments
    events: Events

    @classmethod
    def of(cls, database: Database) -> "_Stores":
        return cls(KnownReadings(database), Samples(database), Segments(database), Events(database))


@dataclass(frozen=True, slots=True)
class _Source:
    """Notifications, and how far one is: `done` of `total`, None where nobody knows."""

    originals: Iterator[Original]
    total: int | None
    done: Callable[[], int]


@app.command("replay")
def replay(
    context: typer.Context,
    *,
    source: Annotated[
        str, typer.Option("--from", metavar="stored|stream|FILE|DIR", help="where the notifications are")
    ],
    definitions: Annotated[
        Path | None, typer.Option(metavar="DIR", help="instead of collector.definitions", file_okay=False)
    ] = None,
    before: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="what made what is stored, where it is not collector.definitions"),
    ] = None,
    start: Annotated[str | None, typer.Option(metavar=METAVAR, help="notifications from then on")] = None,
    end: Annotated[str | None, typer.Option(metavar=METAVAR, help="notifications before then")] = None,
    event_type: Annotated[
        list[str] | None,
        typer.Option(metavar="TYPE", help="only these; a.* means all that begin so; repeatable"),
    ] = None,
    skip: Annotated[int, typer.Option(min=0, help="pass over so many, as an interrupted replay said")] = 0,
    apply: Annotated[bool, typer.Option("--apply", help="write what is missing")] = False,
    output_format: OutputFormat = Format.TABLE,
    column: ChosenColumns = None,
    config: ConfigFile = None,
) -> None:
    """Derives samples, events and lives again, shows what differs from what is stored, and adds what is missing."""
    settings, stop = invocation.read_settings(context, config).settings, threading.Event()
    between = _time("--start", start), _time("--end", end)
    database = open_existing(settings.database)
    try:
        found = _source(source, settings, database, between, event_type or ())
        originals = chosen(found.originals, event_type or (), *between)
        work = _replay(settings, database, definitions, before, is_applied=apply)
        with stopped_by_signals(stop, _interrupt), _shown(found) as show:
            for count in work.steps(islice(originals, skip, None)):
                show(count)
                if stop.is_set():
                    break
    finally:
        database.dispose()
    replay_report.show(work.difference, Options(output_format, column or ()))
    if output_format is Format.TABLE:
        output.write(replay_report.words(work.difference, is_applied=apply), sys.stderr)
    if stop.is_set():
        output.write(f"Interrupted: go on with --skip {skip + work.difference.messages}.\n", sys.stderr)
        raise typer.Exit(INTERRUPTED)
    if work.difference.is_all_unreadable:
        raise CliError("nothing of what was chosen can be read as a notification")
    if apply and work.difference.is_unresolved:
        raise CliError("what is stored otherwise stays: a reading is never replaced (docs/how-to/replay.md)")


def _replay(
    settings: Settings,
    database: Database,
    definitions: Path | None,
    before: Path | None,
    *,
    is_applied: bool,
) -> Replay:
    """With one derivation for both where nothing else is said."""
    own = own_folder(settings.collector)
    now = _derivation(settings, definitions or own)
    was = now if before is None and definitions is None else _derivation(settings, before or own)
    return Replay(_Stores.of(database), now, was, is_applied=is_applied)


def _derivation(settings: Settings, folder: Path | None) -> Derivation:
    if folder is not None and not folder.is_dir():
        raise CliError(f"there is no folder {folder}")
    text = None if folder is None else str(folder)
    return Derivation(settings.collector.model_copy(update={"definitions": text}))


def _source(
    name: str,
    settings: Settings,
    database: Database,
    between: tuple[datetime | None, datetime | None],
    event_types: Sequence[str],
) -> _Source:
    now, (start, end) = datetime.now(UTC), between
    if name == "stream":
        return _Source(of_stream(settings.bus, start, now), None, int)
    if name == "stored":
        events = EventSearch(database).between(start or EARLIEST, end or now, event_types or None)
        return _Source(of_events(events, now), None, int)
    archive = Archive.at(Path(name))
    return _Source(archive.originals(now), archive.total, lambda: archive.done)


def _time(option: str, text: str | None) -> datetime | None:
    return None if text is None else moment(option, text)


@contextmanager
def _shown(source: _Source) -> Iterator[Callable[[int], None]]:
    """Shows a bar on a terminal, which each chunk moves; nothing elsewhere."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda _: None
        return
    counted = 0
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("replay", total=source.total)

        def show(count: int) -> None:
            nonlocal counted
            counted += count
            progress.update(task, description=f"{counted} notifications", completed=source.done())

        yield show


def _interrupt(_number: int) -> None:
    raise KeyboardInterrupt

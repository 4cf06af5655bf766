"""Where notifications of the past come from: stored events, an archive of files, or a stream of the broker."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from cli.errors import CliError
from collector.bus import archived
from collector.envelope import Notification, decode_notification
from collector.errors import InvalidMessage
from collector.instants import read_instant
from collector.raw import notification_of
from collector.replay import Original
from collector.settings import BusSettings
from storage.event import Event


@dataclass(slots=True)
class Archive:
    """Files of JSON lines: one body a line, as it came; gzipped where the name ends in .gz.

    `done` of `total` bytes were read, on disk.
    """

    files: tuple[Path, ...]
    done: int = 0

    @classmethod
    def at(cls, place: Path) -> "Archive":
        """A file, or every file of a folder by name; raises CliError where there is none."""
        if not place.exists():
            raise CliError(f"there is no {place}: name a file, a folder, `stream` or `stored`")
        return cls(
            tuple(sorted(one for one in place.iterdir() if one.is_file())) if place.is_dir() else (place,)
        )

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self.files)

    def originals(self, now: datetime) -> Iterator[Original]:
        """What is in them; raises CliError for what cannot be read."""
        read = 0
        for file in self.files:
            try:
                with file.open("rb") as raw, _lines(raw, file.suffix) as lines:
                    for number, line in enumerate(lines, start=1):
                        self.done = read + raw.tell()
                        if line.strip():
                            yield _original(line, now, f"{file}:{number}")
                    read += raw.tell()
            except (OSError, EOFError, zlib.error) as error:
                raise CliError(f"{file} cannot be read: {error}") from error


def of_stream(settings: BusSettings, start: datetime | None, now: datetime) -> Iterator[Original]:
    """What the archive of the broker holds; raises BusUnavailable, and CliError without one in the settings."""
    if not settings.notification_sources or not settings.stream:
        raise CliError("no stream: set bus.url and bus.stream, which collectors then archive to")
    for url in settings.notification_sources:
        for message in archived(url, settings, start):
            yield _original(message.body, now)


def of_events(events: Iterable[Event], now: datetime) -> Iterator[Original]:
    """Stored events; only those kept with their payload can be derived again."""
    for event in events:
        told = notification_of(event)
        reason = "" if told else "kept without its payload: see collector.store_raw"
        yield Original(told, now, reason, is_event=True)


def chosen(
    originals: Iterable[Original],
    event_types: Iterable[str],
    start: datetime | None,
    end: datetime | None,
) -> Iterator[Original]:
    """Those of some types (`a.*`: all that begin so; none: all) and of a time; what cannot be read is told anyway."""
    exact = {name for name in event_types if not name.endswith(".*")}
    prefixes = tuple(name[:-1] for name in event_types if name.endswith(".*"))
    for original in originals:
        told = original.notification
        if told is None or (
            (not (exact or prefixes) or told.event_type in exact or told.event_type.startswith(prefixes))
            and _is_within(told, start, end)
        ):
            yield original


def _lines(raw: BinaryIO, suffix: str) -> BinaryIO | gzip.GzipFile:
    return gzip.GzipFile(fileobj=raw) if suffix == ".gz" else raw


def _original(body: bytes, now: datetime, place: str = "") -> Original:
    try:
        return Original(decode_notification(body), now)
    except InvalidMessage as error:
        return Original(None, now, str(error), place)


def _is_within(told: Notification, start: datetime | None, end: datetime | None) -> bool:
    if start is None and end is None:
        return True
    try:
        at = read_instant(told.timestamp)
    except ValueError:
        return True
    return (start is None or start <= at) and (end is None or at < end)

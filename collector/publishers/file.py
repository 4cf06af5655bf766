"""Lines of JSON in a file that is turned over when it is full."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from collector.errors import InvalidPublisher, PublisherUnavailable
from collector.listed import encode_json
from collector.publishers.messages import event_object
from collector.publishers.publisher import EVERYTHING
from collector.publishers.target import Target
from collector.publishers.texts import sample_texts
from storage.event import Event
from storage.ingest.batch import SampleBatch


class File:
    """file:///path?max_bytes=…&backup_count=…: at least once; on disk when it says so.

    A line is written whole: what a killed process left of one is ended before the next. With both options given,
    the file becomes path.1 before it would be larger, path.1 becomes path.2, and the last of them goes.
    """

    takes = EVERYTHING

    def __init__(self, target: Target) -> None:
        self.name = target.name
        options = target.options
        self._limit = options.whole("max_bytes", 0, 0, 2**50)
        self._backups = options.whole("backup_count", 0, 0, 1000)
        options.flag(
            "json", default=True
        )  # Ceilometer writes Python's text without it, which only Python reads
        options.done()
        if target.host or not target.path.startswith("/"):
            raise InvalidPublisher(
                f"{self.name}: the path must be absolute, as in file:///var/log/samples.json"
            )
        self._path = Path(target.path)

    def publish(self, samples: SampleBatch, events: Sequence[Event]) -> None:
        """Appends a line for each; raises PublisherUnavailable when the disk does not take them."""
        lines: Sequence[bytes] = [
            *sample_texts(samples, b"\n"),
            *map(_line, map(event_object, events)),
        ]
        try:
            while lines:
                lines = self._append(lines)
        except OSError as error:
            raise PublisherUnavailable(f"{self._path}: {error.strerror or error}") from error

    def close(self) -> None:
        """Nothing is open between two batches, so other programs may turn the file over, too."""

    def _append(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        """Writes as many lines as the file has room for, at least one; returns the others."""
        fits = len(lines)
        with self._path.open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            start = _broken_end(file.seek, file.read, size)
            if self._limit and self._backups:
                fits = _fitting(lines, self._limit - size)
            if fits or not size:
                file.write(b"".join([start, *lines[: max(1, fits)]]))
                file.flush()
                os.fsync(file.fileno())
                return lines[max(1, fits) :]
        self._turn_over()
        return lines

    def _turn_over(self) -> None:
        for number in range(self._backups - 1, 0, -1):
            older = self._backup(number)
            if older.exists():
                older.replace(self._backup(number + 1))
        self._path.replace(self._backup(1))

    def _backup(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _line(message: Mapping[str, object]) -> bytes:
    return encode_json(message) + b"\n"


def _fitting(lines: Sequence[bytes], room: int) -> int:
    for place, line in enumerate(lines):
        room -= len(line)
        if room < 0:
            return place
    return len(lines)


def _broken_end(seek: Callable[[int], int], read: Callable[[int], bytes], size: int) -> bytes:
    """What ends the line somebody was killed in."""
    if not size:
        return b""
    seek(size - 1)
    return b"" if read(1) == b"\n" else b"\n"

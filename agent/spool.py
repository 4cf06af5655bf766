"""Payloads kept on disk, in order, until they are delivered."""

import contextlib
import fcntl
import os
import threading
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import structlog

from agent import segment
from agent.errors import SpoolLocked, SpoolUnavailable

SEGMENT_BYTES = 8 * 2**20
WHOLE, THIN, UNFINISHED = ".seg", ".thin", ".new"  # a thinned segment replaces the whole one of its number

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Record:
    """One payload and where it lies; hand it back to `forget` it."""

    payload: bytes
    segment: int
    end: int


class Spool:
    """A locked folder of numbered segments, read oldest first. Safe for a writing and a reading thread.

    The file `position` says up to where everything is delivered; an old one costs a second delivery, never
    a loss, so it is not synced. A writer begins a new segment, so nothing is written behind a torn tail.
    `lost_bytes` counts what damage made unreadable.
    """

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Take the folder; raises SpoolLocked or SpoolUnavailable."""
        self.lost_bytes = 0
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._guard = threading.Lock()
        self._file: FileIO | None = None  # the segment being written, the newest
        self._lock = -1
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _lock(folder / "lock")
            self._position = _read_position(folder / "position")
            self._sizes = _take_stock(folder, self._position[0])
        except OSError as error:
            self.close()
            raise SpoolUnavailable(f"{folder}: {error}") from error
        self._newest = max([self._position[0], *self._sizes])
        if self._position[1] > self._sizes.get(self._position[0], 0):
            self._position = (self._position[0], 0)

    @property
    def waiting_bytes(self) -> int:
        """Bytes not delivered yet, headers included."""
        with self._guard:
            number, offset = self._position
            return sum(self._sizes.values()) - (offset if number in self._sizes else 0)

    def append(self, payloads: Sequence[bytes]) -> None:
        """Keep payloads: on return they survive a power cut. Raises SpoolUnavailable, then none is kept."""
        data = b"".join(segment.encode(payload) for payload in payloads)
        with self._guard:
            try:
                self._write(data)
            except OSError as error:
                raise SpoolUnavailable(f"{self._folder}: {error}") from error

    def oldest(self) -> Record | None:
        """The oldest payload not forgotten, None when there is none; raises SpoolUnavailable.

        Damaged bytes before it are passed over and counted.
        """
        with self._guard:
            try:
                return self._read()
            except OSError as error:
                raise SpoolUnavailable(f"{self._folder}: {error}") from error

    def forget(self, record: Record) -> None:
        """This payload and all older ones are delivered."""
        with self._guard:
            if record.segment == self._position[0] and record.segment in self._sizes:
                self._position = (record.segment, record.end)
                with contextlib.suppress(
                    OSError
                ):  # a full disk; an old position only costs a second delivery
                    _write_position(self._folder, self._position)

    def shrink(self, thin: Callable[[Iterable[bytes]], Sequence[bytes]]) -> list[bytes] | None:
        """Make room: thin the oldest segment that was not yet thinned, else drop the oldest whole.

        `thin` gets the payloads of a segment and gives those that take their place. The segment being
        written stays, the one being delivered is not thinned. Returns the payloads dropped with a segment,
        none after thinning; None when there is nothing left to shrink. Raises SpoolUnavailable.
        """
        with self._guard:
            full = sorted(number for number in self._sizes if self._file is None or number != self._newest)
            whole = [n for n in full if n != min(self._sizes) and not _path(self._folder, n, THIN).exists()]
            try:
                if whole:
                    self._thin(whole[0], thin)
                    return []
                return self._drop(full[0]) if full else None
            except OSError as error:
                raise SpoolUnavailable(f"{self._folder}: {error}") from error

    def close(self) -> None:
        """Leave the folder to others."""
        with self._guard:
            self._end_segment()
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1

    def _write(self, data: bytes) -> None:
        if self._file is not None and self._sizes[self._newest] >= self._segment_bytes:
            self._end_segment()
        if self._file is None:
            self._begin_segment()
        file, before = self._file, self._sizes[self._newest]
        if file is None:
            raise OSError("no segment could be begun")
        try:
            left = memoryview(data)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):  # what stays behind is found to be torn, or a duplicate
                file.truncate(before)
            self._end_segment()  # after a failed write or sync nobody knows what the file holds
            raise
        self._sizes[self._newest] = before + len(data)

    def _begin_segment(self) -> None:
        self._newest += 1  # a number is used once, even when this fails
        file = _path(self._folder, self._newest, WHOLE).open("xb", buffering=0)
        try:
            _sync_folder(self._folder)
        except OSError:
            file.close()
            raise
        self._file, self._sizes[self._newest] = file, 0

    def _end_segment(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self) -> Record | None:
        while self._sizes:
            number = min(self._sizes)
            if number != self._position[0]:
                self._position = (number, 0)
            offset, size = self._position[1], self._sizes[number]
            if offset < size:
                with self._find_file(number).open("rb") as file:
                    file.seek(offset)
                    found = segment.read(file, size - offset)
                self._count_damage(number, size - offset if found is None else found.skipped)
                if found is not None:
                    return Record(found.payload, number, offset + found.end)
                self._position = (number, size)
            if self._file is not None and number == self._newest:
                return None
            self._delete(number)
        return None

    def _count_damage(self, number: int, skipped: int) -> None:
        if skipped:
            self.lost_bytes += skipped
            self._position = (number, self._position[1] + skipped)
            log.error("spool_damaged", segment=number, lost_bytes=skipped)

    def _thin(self, number: int, thin: Callable[[Iterable[bytes]], Sequence[bytes]]) -> None:
        kept = thin(segment.payloads(self._find_file(number).read_bytes()))
        data = b"".join(segment.encode(payload) for payload in kept)
        unfinished = _path(self._folder, number, UNFINISHED)
        with unfinished.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(_path(self._folder, number, THIN))
        _sync_folder(self._folder)
        _path(self._folder, number, WHOLE).unlink()
        self._sizes[number] = len(data)

    def _drop(self, number: int) -> list[bytes]:
        data = self._find_file(number).read_bytes()
        if number == self._position[0]:
            data = data[self._position[1] :]
        self._delete(number)
        return list(segment.payloads(data))

    def _delete(self, number: int) -> None:
        self._find_file(number).unlink(missing_ok=True)
        del self._sizes[number]

    def _find_file(self, number: int) -> Path:
        thin = _path(self._folder, number, THIN)
        return thin if thin.exists() else _path(self._folder, number, WHOLE)


def _path(folder: Path, number: int, suffix: str) -> Path:
    return folder / f"{number:016d}{suffix}"


def _lock(path: Path) -> int:
    """A descriptor that holds the lock until it is closed, or the process ends however it may."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise SpoolLocked(f"another agent works with {path.parent}") from error
    return descriptor


def _take_stock(folder: Path, delivered: int) -> dict[int, int]:
    """Bytes of each segment by number, after tidying up what a sudden end left lying around."""
    for path in list(folder.iterdir()):
        if path.suffix == UNFINISHED:
            path.unlink()
        elif path.suffix == THIN:
            path.with_suffix(WHOLE).unlink(missing_ok=True)
    sizes: dict[int, int] = {}
    for path in list(folder.iterdir()):
        if path.suffix in (WHOLE, THIN) and path.stem.isdigit():
            number, size = int(path.stem), path.stat().st_size
            if size == 0 or number < delivered:
                path.unlink()
            else:
                sizes[number] = size
    return sizes


def _read_position(path: Path) -> tuple[int, int]:
    try:
        number, offset, checksum = (int(word) for word in path.read_text(encoding="ascii").split())
    except (FileNotFoundError, ValueError):  # none yet, or torn: everything there is, is delivered again
        return 0, 0
    return (number, offset) if checksum == _checksum(number, offset) else (0, 0)


def _write_position(folder: Path, position: tuple[int, int]) -> None:
    unfinished = folder / f"position{UNFINISHED}"
    unfinished.write_text(f"{position[0]} {position[1]} {_checksum(*position)}\n", encoding="ascii")
    unfinished.replace(folder / "position")


def _checksum(number: int, offset: int) -> int:
    return zlib.crc32(f"{number} {offset}".encode())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

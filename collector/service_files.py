"""Definition files: YAML, one per service, with what its notifications mean as samples, events and lives.

Packaged ones lie in `collector/definitions/`. Here they are only taken apart; each list is read by the module
whose things it holds.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import msgspec
import yaml

from collector.errors import InvalidDefinition

PACKAGED = "definitions"

# libyaml's is ten times as fast; not every platform has it.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Written = TypeVar("Written")
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """One file: its lists as YAML gave them. `is_own` when it is the operator's and not packaged."""

    name: str
    notifications: Sequence[object]
    events: Sequence[object]
    lifecycle: Sequence[object]
    is_own: bool = False

    def read(
        self, key: str, entries: Sequence[object], written: type[Written], read: Callable[[Written], Read]
    ) -> Iterator[Read]:
        """Each entry of the list `key`, checked against the Struct `written` and then read.

        Raises InvalidDefinition naming file, entry and key; `read` may raise ValueError for that.
        """
        return read_entries(self.name, f".{key}", entries, written, read)


def service_files(folder: Path | None = None) -> list[ServiceFile]:
    """The packaged files, then those of `folder`, each by name; raises InvalidDefinition naming file and key."""
    texts = texts_in(folder) if folder else []
    return [*_packaged(), *(read_service_file(name, text, is_own=True) for name, text in texts)]


def read_service_file(name: str, text: str, *, is_own: bool = False) -> ServiceFile:
    """One file of this text; raises InvalidDefinition naming file and key."""
    written = read_yaml(name, text, _File)
    return ServiceFile(name, written.notifications, written.events, written.lifecycle, is_own)


def read_yaml(name: str, text: str, shape: type[Written]) -> Written:
    """What this YAML text holds, which has this shape; raises InvalidDefinition naming file and key."""
    try:
        return msgspec.convert(yaml.load(text, Loader=_Loader), shape)  # noqa: S506  a safe loader, whichever it is
    except (
        yaml.YAMLError,
        ValueError,
        RecursionError,
    ) as error:  # msgspec's errors and impossible dates are ValueErrors
        raise InvalidDefinition(f"{name}: {error}") from error


def read_entries(
    file: str, key: str, entries: Sequence[object], written: type[Written], read: Callable[[Written], Read]
) -> Iterator[Read]:
    """Each entry of a list of a file, `.key` from its top, checked against `written` and then read.

    Raises InvalidDefinition naming file, entry and key; `read` may raise ValueError for that.
    """
    for number, entry in enumerate(entries):
        try:
            yield read(msgspec.convert(entry, written))
        except msgspec.ValidationError as error:
            raise InvalidDefinition(f"{file}: {_placed(error, f'{key}[{number}]')}") from error
        except (ValueError, RecursionError) as error:
            raise InvalidDefinition(f"{file}: {error} - in `${key}[{number}]`") from error


def texts_in(place: Path) -> list[tuple[str, str]]:
    """Name and text of a file, or of the `*.yaml` of a folder by name; raises InvalidDefinition."""
    try:
        found = sorted(place.glob("*.yaml")) if place.is_dir() else [place]
        return [(str(file), file.read_text(encoding="utf-8")) for file in found]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDefinition(f"a definition file cannot be read: {error}") from error


class _File(msgspec.Struct, forbid_unknown_fields=True):
    service: str
    notifications: list[object] = []
    events: list[object] = []
    lifecycle: list[object] = []

    def __post_init__(self) -> None:
        if not (self.notifications or self.events or self.lifecycle):
            raise ValueError("needs notifications, events or lifecycle")


@cache
def _packaged() -> tuple[ServiceFile, ...]:
    found = [file for file in files("collector").joinpath(PACKAGED).iterdir() if file.name.endswith(".yaml")]
    return tuple(
        read_service_file(file.name, file.read_text(encoding="utf-8"))
        for file in sorted(found, key=lambda file: file.name)
    )


def _placed(error: msgspec.ValidationError, entry: str) -> str:
    """The error's words with the place of the key counted from the top of the file."""
    words, found, place = str(error).rpartition(" - at `$")
    return f"{words} - at `${entry}{place}" if found else f"{error} - in `${entry}`"

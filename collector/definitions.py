"""Definition files: which notifications become which meters, read from YAML and checked when they are read.

Packaged files, one per service, lie in `collector/definitions/`. docs/reference/notifications.md tells how
to write one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path as FilePath
from typing import Literal

import msgspec
import yaml

from collector.errors import InvalidDefinition
from collector.expressions import Constant, Expression, Path, read_path
from collector.values import Value, read_value
from storage.sample import SampleType

PACKAGED = "definitions"


@dataclass(frozen=True, slots=True)
class Meter:
    """One meter of an entry; `ignored` texts as a volume, and none at all if `optional`, give no sample."""

    name: Expression
    type: SampleType
    unit: Expression
    volume: Expression
    optional: bool
    ignored: frozenset[str]


@dataclass(frozen=True, slots=True)
class Entry:
    """What notifications of some event types say about a resource; `each` finds it where they name several.

    An event ends in `.*` when it means every type that begins like it.
    """

    events: frozenset[str]
    excluded: frozenset[str]
    each: Path | None
    resource: Expression
    project: Expression | None
    user: Expression | None
    user_metadata: Path | None
    metadata: Mapping[str, Expression]
    meters: tuple[Meter, ...]


def load_definitions(folder: FilePath | None = None) -> list[Entry]:
    """The packaged entries, then those of `folder`, files by name and entries in their order.

    Raises InvalidDefinition naming file, entry and key.
    """
    packaged = [
        file for file in files("collector").joinpath(PACKAGED).iterdir() if file.name.endswith(".yaml")
    ]
    texts = [
        (file.name, file.read_text(encoding="utf-8")) for file in sorted(packaged, key=lambda file: file.name)
    ]
    try:
        own = sorted(folder.glob("*.yaml")) if folder else []
        texts += [(str(file), file.read_text(encoding="utf-8")) for file in own]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDefinition(f"a definition file cannot be read: {error}") from error
    return [entry for name, text in texts for entry in read_definitions(name, text)]


def read_definitions(name: str, text: str) -> Iterator[Entry]:
    """The entries of one file's text; raises InvalidDefinition naming file, entry and key."""
    try:
        written = msgspec.convert(yaml.safe_load(text), _File)
    except (yaml.YAMLError, msgspec.ValidationError, RecursionError) as error:
        raise InvalidDefinition(f"{name}: {error}") from error
    for number, entry in enumerate(written.notifications):
        try:
            yield _entry(entry)
        except ValueError as error:
            raise InvalidDefinition(f"{name}: {error} - in `$.notifications[{number}]`") from error


class _Meter(msgspec.Struct, forbid_unknown_fields=True):
    name: str | Value
    unit: str | Value
    volume: int | float | str | Value
    type: Literal["gauge", "delta", "cumulative"] = "gauge"
    optional: bool = False
    ignore: frozenset[str] = frozenset()


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    events: list[str]
    resource: str | Value
    meters: list[_Meter]
    excluded: frozenset[str] = frozenset()
    each: str | None = None
    project: str | None = None
    user: str | None = None
    user_metadata: str | None = None
    metadata: dict[str, str | Value] = msgspec.field(default_factory=dict)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    service: str
    notifications: list[_Entry]


def _entry(written: _Entry) -> Entry:
    for event in written.events:
        if "*" in event.removesuffix(".*") or not event.removesuffix(".*"):
            raise ValueError(f"event {event!r}: * stands only at the end, as .*")
    return Entry(
        events=frozenset(written.events),
        excluded=written.excluded,
        each=_path(written.each),
        resource=read_value(written.resource),
        project=_path(written.project),
        user=_path(written.user),
        user_metadata=_path(written.user_metadata),
        metadata={key: read_value(value) for key, value in written.metadata.items()},
        meters=tuple(_meter(meter) for meter in written.meters),
    )


def _meter(written: _Meter) -> Meter:
    return Meter(
        name=_literal(written.name),
        type=written.type,
        unit=_literal(written.unit),
        volume=read_value(written.volume),
        optional=written.optional,
        ignored=written.ignore,
    )


def _path(text: str | None) -> Path | None:
    return read_path(text) if text is not None else None


def _literal(written: str | Value) -> Expression:
    """Text is meant as it stands where a name is expected, and not as a path."""
    return Constant(written) if isinstance(written, str) else read_value(written)

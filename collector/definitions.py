"""Definition files: which notifications become which meters, read from YAML and checked when they are read.

Packaged files, one per service, lie in `collector/definitions/`. docs/reference/notifications.md tells how
to write one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path as FilePath
from typing import Literal, Protocol

import msgspec

from collector.event_types import Before, Names, Pattern, check_event_types, overlap
from collector.expressions import Constant, Expression
from collector.secrets import path_names_secret
from collector.service_files import ServiceFile, read_service_file, service_files
from collector.values import Value, path_of, paths_in, read_value
from storage.secrets import names_secret


@dataclass(frozen=True, slots=True)
class Meter:
    """One meter of an entry; `ignored` texts as a volume, and none at all if `optional`, give no sample."""

    name: Expression
    type: Expression
    unit: Expression
    volume: Expression
    optional: bool
    ignored: frozenset[str]


class Members(Protocol):
    """Something that finds several things of one kind in a notification."""

    def members(self, document: object) -> list[tuple[object, object]]:
        """Each with its key, or its place in a list."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """What notifications of some event types say about a resource; `each` finds it where they name several.

    `timestamp` comes before the notification's own; `bare_metadata` finds an object that stands in where there is no
    other metadata. An entry that `replaces`, which has a pattern, takes the place of meters of the same name of all
    others in the same notification.
    """

    events: Names | Pattern
    each: Members | None
    resource: Expression
    project: Expression | None
    user: Expression | None
    user_metadata: Expression | None
    metadata: Mapping[str, Expression]
    meters: tuple[Meter, ...]
    timestamp: Expression | None = None
    bare_metadata: Expression | None = None
    replaces: bool = False


def load_definitions(folder: FilePath | None = None) -> list[Entry]:
    """The entries of `notifications` in the files of `folder`, then the packaged ones, in the order of `service_files`.

    Raises InvalidDefinition naming file, entry and key.
    """
    files = sorted(service_files(folder), key=lambda file: not file.is_own)
    return [entry for file in files for entry in entries_of(file)]


def replaced_meters(entries: Iterable[Entry]) -> list[str]:
    """Packaged meters in whose place the operator's stand, in some notifications at least; sorted."""
    found = list(entries)
    own = [(one.events.names, _meters_of(one)) for one in found if isinstance(one.events, Before)]
    return sorted(
        {
            name
            for packaged in found
            if isinstance(packaged.events, Names)
            for names, meters in own
            if overlap(names, packaged.events)
            for name in meters & _meters_of(packaged)
        }
    )


def read_definitions(name: str, text: str) -> Iterator[Entry]:
    """The entries of one file's text; raises InvalidDefinition naming file, entry and key."""
    return entries_of(read_service_file(name, text))


def entries_of(file: ServiceFile) -> Iterator[Entry]:
    """The entries of `notifications`; raises InvalidDefinition naming file, entry and key."""
    return file.read("notifications", file.notifications, _Entry, partial(_entry, is_own=file.is_own))


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


def _entry(written: _Entry, *, is_own: bool) -> Entry:
    check_event_types(written.events)
    names = Names(frozenset(written.events), written.excluded)
    return Entry(
        events=Before(names) if is_own else names,
        each=path_of(written.each),
        resource=read_value(written.resource),
        project=path_of(written.project),
        user=path_of(written.user),
        user_metadata=path_of(written.user_metadata),
        metadata={key: _metadata(key, value) for key, value in written.metadata.items()},
        meters=tuple(_meter(meter) for meter in written.meters),
        replaces=is_own,
    )


def _meters_of(entry: Entry) -> set[str]:
    """Names of its meters, where they do not depend on the notification."""
    return {str(meter.name.written) for meter in entry.meters if isinstance(meter.name, Constant)}


def _meter(written: _Meter) -> Meter:
    return Meter(
        name=_literal(written.name),
        type=Constant(written.type),
        unit=_literal(written.unit),
        volume=read_value(written.volume),
        optional=written.optional,
        ignored=written.ignore,
    )


def _metadata(key: str, written: str | Value) -> Expression:
    if names_secret(key) or any(map(path_names_secret, paths_in(written))):
        raise ValueError(f"metadata {key!r} names a secret, which is never kept")
    return read_value(written)


def _literal(written: str | Value) -> Expression:
    """Text is meant as it stands where a name is expected, and not as a path."""
    return Constant(written) if isinstance(written, str) else read_value(written)

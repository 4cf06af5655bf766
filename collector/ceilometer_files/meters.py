"""Ceilometer's meter definitions (`meters.d/*.yaml`) as entries of ours.

Source: ceilometer/meter/notifications.py of Ceilometer 27. What is not as there: an event without project in the
definition's own path has that of the payload and never that of the sender's context; numbers that are missing give no
sample instead of one that is dropped later.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import msgspec
import structlog

from collector.ceilometer_files.fields import FoundBy, Written, paths_in, read_fields
from collector.definitions import Entry, Meter
from collector.event_types import Before
from collector.expressions import Constant, Expression, read_path
from collector.secrets import path_names_secret
from collector.service_files import read_entries, read_yaml
from storage.secrets import names_secret

log = structlog.get_logger()

Attribute = Literal["name", "type", "unit", "volume", "timestamp", "user_id", "project_id", "resource_id"]

_ATTRIBUTES: tuple[Attribute, ...] = get_args(Attribute)

_TYPES = ("gauge", "delta", "cumulative")
_UNKNOWN = frozenset({"unknown", "infinite"})  # what Cinder writes for capacities; Ceilometer drops all texts
_PROJECT = read_path("payload.tenant_id | payload.project_id")
# Names, types and units are texts unless they begin as paths do; Ceilometer tries to read each as a path.
_IS_PATH = re.compile(
    r"\s*\(*\s*(?:\$|`|(?:payload|ctxt|metadata)[.\[]|(?:event_type|publisher_id)\s*$)|.*\$[.]"
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Event types that begin as one of these regular expressions says."""

    expressions: tuple[re.Pattern[str], ...]

    def matches(self, event_type: str) -> bool:
        """As `re.match` does, so `l3.meter` is also for `l3.meter.300`."""
        return any(expression.match(event_type) for expression in self.expressions)

    def __str__(self) -> str:
        return ", ".join(expression.pattern for expression in self.expressions)


@dataclass(frozen=True, slots=True)
class FirstOf:
    """The first of several expressions that finds something; "" is nothing."""

    ways: tuple[Expression, ...]

    def value(self, document: object) -> object:
        """What it finds, or None."""
        found = (way.value(document) for way in self.ways)
        return next((value for value in found if value is not None and value != ""), None)


@dataclass(frozen=True, slots=True)
class Lookup:
    """The samples of a notification that names several: attribute by attribute, each a list."""

    lists: Mapping[Attribute, FoundBy | Constant]
    required: frozenset[str]

    def members(self, document: object) -> list[tuple[object, object]]:
        """The attributes of each sample; none at all where there are not as many of one as there are names."""
        found = {attribute: _all(source, document) for attribute, source in self.lists.items()}
        count = len(found["name"])
        columns: dict[str, Sequence[object]] = {}
        for attribute, values in found.items():
            if len(values) == count:
                columns[attribute] = values
            elif len(values) == 1 and attribute not in self.required:
                columns[attribute] = values * count
            elif values or attribute in self.required:
                return []
        return [
            (number, {name: column[number] for name, column in columns.items()}) for number in range(count)
        ]


def _all(source: FoundBy | Constant, document: object) -> list[object]:
    return source.values(document) if isinstance(source, FoundBy) else [source.written]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    metric: list[object]


class _Metric(msgspec.Struct, forbid_unknown_fields=True):
    name: Written
    event_type: str | list[str]
    type: Written
    unit: Written
    volume: Written
    resource_id: Written
    user_id: Written | None = None
    project_id: Written | None = None
    timestamp: Written | None = None
    metadata: dict[str, Written] | None = None
    user_metadata: Written | None = None
    lookup: str | list[str] | None = None
    multi: str | list[str] | None = None  # what `lookup` was called first


def load_meters(texts: Iterable[tuple[str, str]]) -> list[Entry]:
    """The entries of these files, each given by name and YAML text.

    Of meters with the same name that of the first file counts, and in one file the last one. Raises InvalidDefinition
    naming file, entry and key.
    """
    entries: dict[str, Entry] = {}
    for file, text in texts:
        written = read_meters(file, text)
        last = dict(written)
        if again := [name for name, entry in written if name in entries or last[name] is not entry]:
            log.warning("meters_defined_again", file=file, meters=again)
        entries = last | entries
    return list(entries.values())


def read_meters(file: str, text: str) -> list[tuple[str, Entry]]:
    """The entries of one file's text with the names of their meters as they are written; raises InvalidDefinition."""
    metrics = read_yaml(file, text, _File).metric
    return list(
        read_entries(
            file, ".metric", metrics, _Metric, lambda written: (str(written.name), _entry(file, written))
        )
    )


def with_meters(packaged: Iterable[Entry], imported: Sequence[Entry]) -> list[Entry]:
    """All of them, without the packaged meters whose names are imported.

    Those among `packaged` that are the operator's own keep their meters, which are not imported for their event types.
    """
    names = {_name(meter) for entry in imported for meter in entry.meters} - {None}
    kept = [
        entry
        if entry.replaces  # the operator's own
        else replace(entry, meters=tuple(meter for meter in entry.meters if _name(meter) not in names))
        for entry in packaged
    ]
    own = [entry for entry in kept if entry.replaces]
    others = [_but_for(entry, own) for entry in imported]
    return [*own, *others, *(entry for entry in kept if entry.meters and not entry.replaces)]


@dataclass(frozen=True, slots=True)
class _Except:
    """The event types of a pattern but those that others are for."""

    pattern: Pattern
    others: tuple[Before, ...]

    def matches(self, event_type: str) -> bool:
        """Whether it is for this one."""
        return self.pattern.matches(event_type) and not any(one.matches(event_type) for one in self.others)

    def __str__(self) -> str:
        return str(self.pattern)


def _but_for(imported: Entry, own: Iterable[Entry]) -> Entry:
    """The same, but for the event types for which one of the operator's own has its meter."""
    names = {_name(meter) for meter in imported.meters} - {None}
    others = tuple(
        one.events
        for one in own
        if isinstance(one.events, Before) and names & {_name(meter) for meter in one.meters}
    )
    if others and isinstance(imported.events, Pattern):
        return replace(imported, events=_Except(imported.events, others))
    return imported


def _name(meter: Meter) -> object:
    """The meter's name, None where notifications name it."""
    return meter.name.written if isinstance(meter.name, Constant) else None


def _entry(file: str, written: _Metric) -> Entry:
    lookup = _listed(written.lookup if written.lookup is not None else written.multi)
    sources = {attribute: _source(attribute, written) for attribute in _ATTRIBUTES}
    given = {attribute: source for attribute, source in sources.items() if source is not None}
    kind = given["type"]
    if isinstance(kind, Constant) and kind.written not in _TYPES:
        raise ValueError(f"type: {kind.written!r} is none of {', '.join(_TYPES)}")
    if unknown := [name for name in lookup if name not in given]:
        raise ValueError(f"lookup: {unknown[0]!r} is not defined")
    found: dict[Attribute, Expression] = {
        name: read_path(f"item.{name}") if lookup else _not_empty(source) for name, source in given.items()
    }
    project = found.get("project_id")
    return Entry(
        events=Pattern(tuple(_pattern(one) for one in _listed(written.event_type))),
        each=Lookup(given, frozenset({*lookup, "name"})) if lookup else None,
        resource=found["resource_id"],
        project=FirstOf((project, _PROJECT)) if project else _PROJECT,
        user=found.get("user_id"),
        user_metadata=_expression_of("user_metadata", written.user_metadata),
        metadata=_metadata(file, written),
        meters=(
            Meter(
                found["name"], found["type"], found["unit"], found["volume"], optional=True, ignored=_UNKNOWN
            ),
        ),
        timestamp=found.get("timestamp"),
        bare_metadata=_WholePayload(),
        replaces=True,
    )


@dataclass(frozen=True, slots=True)
class _WholePayload:
    """What Ceilometer takes as metadata where a definition names none."""

    def value(self, document: object) -> object:
        """The payload, with event type and sender."""
        if not isinstance(document, Mapping):
            return None
        payload = document["payload"]
        told = {"event_type": document["event_type"], "host": document["publisher_id"]}
        return {**payload, **told} if isinstance(payload, Mapping) else told


def _source(attribute: Attribute, written: _Metric) -> FoundBy | Constant | None:
    value: Written | None = getattr(written, attribute)
    if attribute in ("name", "type", "unit") and isinstance(value, str) and not _IS_PATH.match(value):
        return Constant(value)
    return _read(attribute, value)


def _read(key: str, written: Written | None) -> FoundBy | Constant | None:
    try:
        return None if written is None else read_fields(written)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def _not_empty(source: FoundBy | Constant) -> Expression:
    return FirstOf((source,)) if isinstance(source, FoundBy) else source


def _expression_of(key: str, written: Written | None) -> Expression | None:
    source = _read(key, written)
    return None if source is None else _not_empty(source)


def _metadata(file: str, written: _Metric) -> dict[str, Expression]:
    found: dict[str, Expression] = {}
    for key, value in (written.metadata or {}).items():
        source = _expression_of(f"metadata.{key}", value)
        if names_secret(key) or any(map(path_names_secret, paths_in(value))):
            log.warning("secret_left_out", file=file, meter=written.name, key=key)
        elif source is not None:
            found[key] = source
    return found


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"event_type: {text!r} is no regular expression: {error}") from error


def _listed(written: str | list[str] | None) -> list[str]:
    return [written] if isinstance(written, str) else written or []

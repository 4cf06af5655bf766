"""Which meters make up which resources of Gnocchi, from a file in the form of Ceilometer's gnocchi_resources.yaml."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import yaml

from collector.errors import InvalidDefinition
from collector.expressions import Path as FieldPath
from collector.expressions import read_path
from storage.event import Event
from storage.sample import Sample

PACKAGED = Path(__file__).with_name("gnocchi_resources.yaml")
DEFAULT_POLICY = "ceilometer-low"
METADATA = "resource_metadata."
ALTERNATIVES = re.compile(r"\((.*)\)")

Change = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class ResourceRule:
    """One type of resource: its meters with their archive policies, and what is known of it.

    `attributes` are looked up in a sample's metadata, `event_attributes` name traits. `associated` are the types of
    resources that end with it, each with the search that finds them, `%s` standing for its id.
    """

    type: str
    policies: tuple[tuple[str, str], ...]
    attributes: tuple[tuple[str, FieldPath], ...]
    events: tuple[tuple[str, Change], ...]
    event_attributes: tuple[tuple[str, str], ...]
    associated: tuple[tuple[str, str], ...]

    def policy(self, meter: str) -> str | None:
        """The archive policy of a meter, None when it is none of this type."""
        return next((policy for pattern, policy in self.policies if fnmatchcase(meter, pattern)), None)

    def change(self, event: Event) -> Change | None:
        """What an event does to a resource of this type."""
        return next((what for pattern, what in self.events if fnmatchcase(event.event_type, pattern)), None)

    def attributes_of(self, sample: Sample) -> dict[str, str]:
        """What a sample tells of its resource."""
        found = {name: path.value(sample.metadata) for name, path in self.attributes}
        return {name: str(value) for name, value in found.items() if value is not None}

    def traits_of(self, event: Event) -> dict[str, str]:
        """What an event tells of its resource, `id` among it."""
        traits = {trait.name: trait.value for trait in event.traits}
        return {name: str(traits[trait]) for name, trait in self.event_attributes if trait in traits}


@dataclass(frozen=True, slots=True)
class Rules:
    """All of a file: types in the order in which they are asked, and the archive policies to be there."""

    resources: tuple[ResourceRule, ...]
    archive_policies: tuple[Mapping[str, object], ...]


def read_rules(file: Path, archive_policy: str | None) -> Rules:
    """The rules of a file; `archive_policy` is that of every meter instead. Raises InvalidDefinition."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidDefinition(f"{file} cannot be read: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("resources"), list):
        raise InvalidDefinition(f"{file}: a list `resources` is missing")
    default = str(document.get("archive_policy_default") or DEFAULT_POLICY)
    policies = [one for one in document.get("archive_policies") or [] if isinstance(one, dict)]
    rules = []
    for number, entry in enumerate(document["resources"]):
        try:
            rules.append(_rule(entry, default, archive_policy))
        except (TypeError, ValueError, InvalidDefinition) as error:
            raise InvalidDefinition(f"{file}: entry {number + 1} of resources: {error}") from error
    return Rules(tuple(rules), tuple(policies))


def _rule(entry: object, default: str, override: str | None) -> ResourceRule:
    if not isinstance(entry, dict) or not isinstance(entry.get("resource_type"), str):
        raise InvalidDefinition("resource_type is missing")
    metrics = entry.get("metrics")
    if not isinstance(metrics, list | dict):
        raise InvalidDefinition("metrics must be a list, or an object of meters")
    options = dict.fromkeys(metrics) if isinstance(metrics, list) else metrics
    changes: tuple[Change, ...] = ("create", "update", "delete")
    events = [(pattern, what) for what in changes for pattern in _texts(entry.get(f"event_{what}"))]
    event_attributes = _pairs(entry, "event_attributes")
    if events and "id" not in dict(event_attributes):
        raise InvalidDefinition("event_attributes must say which trait is the id")
    return ResourceRule(
        entry["resource_type"],
        tuple(
            (str(meter), override or (given or {}).get("archive_policy_name") or default)
            for meter, given in options.items()
        ),
        tuple((name, _path(text)) for name, text in _pairs(entry, "attributes")),
        tuple(events),
        event_attributes,
        _pairs(entry, "event_associated_resources"),
    )


def _pairs(entry: Mapping[str, object], key: str) -> tuple[tuple[str, str], ...]:
    found = entry.get(key) or {}
    if not isinstance(found, dict):
        raise InvalidDefinition(f"{key} must be an object")
    return tuple((str(name), str(value)) for name, value in found.items())


def _texts(value: object) -> Sequence[str]:
    if value is None:
        return ()
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _path(text: str) -> FieldPath:
    """`resource_metadata.a.b`, or `resource_metadata.(a|(b.c))`: the first that is there."""
    if not text.startswith(METADATA):
        raise InvalidDefinition(f"{text} must begin with {METADATA}")
    inner = text.removeprefix(METADATA)
    several = ALTERNATIVES.fullmatch(inner)
    if several is not None:
        inner = " | ".join(way.strip("() ") for way in several[1].split("|"))
    return read_path(inner)

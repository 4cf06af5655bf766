"""Ceilometer's event definitions (`event_definitions.yaml`) as rules of ours.

Source: ceilometer/event/converter.py of Ceilometer 27. The traits every event has are ours
(`collector.event_mapping`): they hold what Ceilometer's hold, and the project where it knows none.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import msgspec
import structlog

from collector.ceilometer_files.fields import Written, WrittenFields, paths_in, read_fields
from collector.event_definitions import NAME_LIMIT, EventRule, Rank, TraitRule
from collector.secrets import path_names_secret
from collector.service_files import read_entries, read_yaml
from storage.event import TraitType
from storage.secrets import names_secret

log = structlog.get_logger()

_TYPES: Mapping[str, TraitType] = {"text": "text", "int": "integer", "float": "float", "datetime": "datetime"}


@dataclass(frozen=True, slots=True)
class Globs:
    """Event types by shell patterns: one of `included`, none of `excluded`."""

    included: tuple[str, ...]
    excluded: tuple[str, ...]

    def matches(self, event_type: str) -> bool:
        """As `fnmatch` does: a star is for any characters, dots too."""
        return any(fnmatchcase(event_type, glob) for glob in self.included) and not any(
            fnmatchcase(event_type, glob) for glob in self.excluded
        )


class _Rule(msgspec.Struct, forbid_unknown_fields=True):
    event_type: str | list[str]
    traits: dict[str, Written]


def load_rules(texts: Iterable[tuple[str, str]]) -> list[EventRule]:
    """The rules of these files, each given by name and YAML text, so that the first one that matches counts.

    That is in one file the last one, and of several files the first. Raises InvalidDefinition naming file, entry
    and key.
    """
    return [rule for file, text in texts for rule in reversed(read_rules(file, text))]


def read_rules(file: str, text: str) -> list[EventRule]:
    """The rules of one file's text in their order; raises InvalidDefinition."""
    entries = read_yaml(file, text, list[object])
    return list(read_entries(file, "", entries, _Rule, lambda written: _rule(file, written)))


def _rule(file: str, written: _Rule) -> EventRule:
    traits = {rule.name: rule for rule in _traits(file, written)}
    project, user = traits.get("project_id"), traits.get("user_id")
    return EventRule(
        events=_globs(written.event_type),
        project=project.value if project else None,
        user=user.value if user else None,
        traits=tuple(traits.values()),
        rank=Rank.CEILOMETER,
        replaces=True,
    )


def _globs(written: str | list[str]) -> Globs:
    patterns = [written] if isinstance(written, str) else written
    excluded = tuple(pattern[1:] for pattern in patterns if pattern.startswith("!"))
    included = tuple(pattern for pattern in patterns if not pattern.startswith("!"))
    if not patterns:
        raise ValueError("event_type: names no type")
    return Globs(included or ("*",), excluded)


def _traits(file: str, written: _Rule) -> Iterator[TraitRule]:
    for name, value in written.traits.items():
        if not 0 < len(name) <= NAME_LIMIT:
            raise ValueError(f"trait {name!r}: a name has 1 to {NAME_LIMIT} characters")
        if names_secret(name) or any(map(path_names_secret, paths_in(value))):
            log.warning("secret_left_out", file=file, event_type=written.event_type, trait=name)
            continue
        kind = value.type or "text" if isinstance(value, WrittenFields) else "text"
        if kind not in _TYPES:
            raise ValueError(f"trait {name!r}: type {kind!r} is none of {', '.join(_TYPES)}")
        try:
            yield TraitRule(name, _TYPES[kind], read_fields(value))
        except ValueError as error:
            raise ValueError(f"trait {name!r}: {error}") from error

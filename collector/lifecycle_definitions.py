"""What notifications tell of the lives of resources, read from the list `lifecycle` of definition files.

docs/reference/notifications.md tells how to write one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Literal

import msgspec

from collector.event_types import Names, check_event_types
from collector.expressions import Expression, Path, read_path
from collector.secrets import path_names_secret
from collector.service_files import ServiceFile, service_files
from collector.values import Value, path_of, paths_in, read_value
from storage.secrets import names_secret

Role = Literal["ends", "begins", "sees", "says"]
KIND_LIMIT = 32  # characters


@dataclass(frozen=True, slots=True)
class LifeRule:
    """What notifications of some types tell of resources of one kind; `each` finds them where they name several.

    `roles`: which types end a resource, begin it, audit it (`sees`), or say what it is like; where a type is in
    several, the one that names it most exactly counts, and of equal ones the first. `only`: values that must be there.
    `attributes` are sorted by name. `at`, `began_at` and `ended_at` lead to times that are better than that of the
    notification. `polled`: meters whose samples show that a resource is there; paths then start at the sample.
    """

    kind: str
    roles: Mapping[Role, Names]
    polled: frozenset[str]
    only: tuple[tuple[Path, frozenset[str]], ...]
    each: Path | None
    resource: Expression
    project: Expression | None
    at: Path | None
    began_at: Path | None
    ended_at: Path | None
    type: Expression | None
    size: Expression | None
    status: Expression | None
    zone: Expression | None
    name: Expression | None
    attributes: Mapping[str, Expression]


def load_life_rules(folder: FilePath | None = None) -> list[LifeRule]:
    """The rules in `lifecycle` of the packaged files, then those of `folder`, in the order of `service_files`.

    Raises InvalidDefinition naming file, entry and key.
    """
    return [rule for file in service_files(folder) for rule in life_rules_of(file)]


def life_rules_of(file: ServiceFile) -> Iterator[LifeRule]:
    """The rules of `lifecycle`; raises InvalidDefinition naming file, entry and key."""
    return file.read("lifecycle", file.lifecycle, _Rule, _rule)


class _Rule(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    resource: str | Value
    begins: list[str] = []
    says: list[str] = []
    sees: list[str] = []
    ends: list[str] = []
    polled: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    only: dict[str, frozenset[str]] = {}
    each: str | None = None
    project: str | Value | None = None
    at: str | None = None
    began_at: str | None = None
    ended_at: str | None = None
    type: str | Value | None = None
    size: str | Value | None = None
    status: str | Value | None = None
    zone: str | Value | None = None
    name: str | Value | None = None
    attributes: dict[str, str | Value] = {}


def _rule(written: _Rule) -> LifeRule:
    lists: dict[Role, list[str]] = {
        "ends": written.ends,
        "begins": written.begins,
        "sees": written.sees,
        "says": written.says,
    }
    if any(lists.values()) == bool(written.polled):
        raise ValueError("needs some of begins, says, sees and ends, or else polled")
    if not 0 < len(written.kind) <= KIND_LIMIT:
        raise ValueError(f"a kind has 1 to {KIND_LIMIT} characters")
    for events in (*lists.values(), written.excluded):
        check_event_types(events)
    return LifeRule(
        kind=written.kind,
        roles={role: Names(frozenset(events), written.excluded) for role, events in lists.items() if events},
        polled=written.polled,
        only=tuple((read_path(path), values) for path, values in written.only.items()),
        each=path_of(written.each),
        resource=read_value(written.resource),
        project=_value(written.project),
        at=path_of(written.at),
        began_at=path_of(written.began_at),
        ended_at=path_of(written.ended_at),
        type=_value(written.type),
        size=_value(written.size),
        status=_value(written.status),
        zone=_value(written.zone),
        name=_value(written.name),
        attributes={name: _attribute(name, value) for name, value in sorted(written.attributes.items())},
    )


def _value(written: str | Value | None) -> Expression | None:
    return None if written is None else read_value(written)


def _attribute(name: str, written: str | Value) -> Expression:
    if names_secret(name) or any(map(path_names_secret, paths_in(written))):
        raise ValueError(f"attribute {name!r} names a secret, which is never kept")
    return read_value(written)

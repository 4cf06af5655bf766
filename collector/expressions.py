"""The small language in which definition files say where in a notification a value stands.

    payload.tenant_id                            keys, separated by dots
    payload.tenant_id | payload.project_id       the first that is there (null and "" are not there)
    payload."a.b".c                              a key that holds dots
    payload.volume_attachment.0.server_id        an item of a list by its place
    payload.metrics[name=cpu.percent].value      the first object of a list whose key has this value

Versioned Nova objects are stepped into by themselves: `payload.flavor.vcpus` finds
`payload["nova_object.data"]["flavor"]["nova_object.data"]["vcpus"]`. Nothing is ever evaluated.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from collector.instants import read_instant

NOVA_OBJECT = "nova_object.data"

_STEP = re.compile(r'(?:"([^"]+)"|([^\s."\[\]|]+))(?:\[([^=\]]+)=([^\]]+)\])?(?:\.|$)')


class Expression(Protocol):
    """Something that finds a value in a notification."""

    def value(self, document: object) -> object:
        """What it finds, or None when there is nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """A step into a list: its first object whose `key` has this `value` as text."""

    key: str
    value: str


Step = str | int | Item


@dataclass(frozen=True, slots=True)
class Path:
    """The first of several ways that leads to something."""

    ways: tuple[tuple[Step, ...], ...]

    def value(self, document: object) -> object:
        """What stands at the first way that leads somewhere, None and "" being nowhere."""
        for way in self.ways:
            found = document
            for step in way:
                found = _follow(found, step)
            if found is not None and found != "":
                return found
        return None


@dataclass(frozen=True, slots=True)
class Constant:
    """A number written in the definition itself."""

    number: int | float

    def value(self, document: object) -> object:  # noqa: ARG002  the protocol's argument
        """The number, whatever the notification says."""
        return self.number


@dataclass(frozen=True, slots=True)
class Joined:
    """Texts joined by a separator."""

    paths: tuple[Path, ...]
    separator: str

    def value(self, document: object) -> object:
        """The joined text, or None unless each part is there as text."""
        parts = [path.value(document) for path in self.paths]
        texts = [part for part in parts if isinstance(part, str)]
        return self.separator.join(texts) if len(texts) == len(parts) else None


@dataclass(frozen=True, slots=True)
class Before:
    """The text before the first mark."""

    path: Path
    mark: str

    def value(self, document: object) -> object:
        """The text up to the mark, all of it where there is none; None where there is no text."""
        found = self.path.value(document)
        return found.partition(self.mark)[0] if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Scaled:
    """A number times a factor."""

    path: Path
    factor: int

    def value(self, document: object) -> object:
        """The product; what is no number comes back as it is, for the normalization to refuse."""
        found = self.path.value(document)
        return found * self.factor if type(found) in (int, float) else found  # type: ignore[operator]  # a number


@dataclass(frozen=True, slots=True)
class SecondsBetween:
    """The time from one moment to another."""

    start: Path
    end: Path

    def value(self, document: object) -> object:
        """Seconds, never negative; None when either moment is missing or cannot be read."""
        try:
            start, end = (read_instant(path.value(document)) for path in (self.start, self.end))
        except ValueError:
            return None
        return abs((end - start).total_seconds())


def read_path(text: str) -> Path:
    """The path this text describes; raises ValueError when it describes none."""
    return Path(tuple(_read_way(way.strip()) for way in text.split(" | ")))


def _read_way(text: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    position = 0
    while position < len(text) or not text or text.endswith("."):
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError(f"{text!r} is not a path")
        quoted, plain, key, value = match.groups()
        steps.append(quoted or (int(plain) if plain.isdecimal() else plain))
        if key:
            steps.append(Item(key, value))
        position = match.end()
    return tuple(steps)


def _follow(value: object, step: Step) -> object:
    while isinstance(value, Mapping) and NOVA_OBJECT in value:
        value = value[NOVA_OBJECT]
    if isinstance(value, Mapping):
        return value.get(step) if isinstance(step, str) else None
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    if isinstance(step, int):
        return value[step] if step < len(value) else None
    return next((item for item in value if _matches(item, step)), None)


def _matches(item: object, step: Step) -> bool:
    return isinstance(step, Item) and _follow(item, step.key) == step.value

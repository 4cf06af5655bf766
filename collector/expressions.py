"""The small language in which definition files say where in a notification a value stands.

    payload.tenant_id                            keys, separated by dots
    payload.tenant_id | payload.project_id       the first that is there (null and "" are not there)
    payload."a.b".c                              a key that holds dots
    payload.volume_attachment.0.server_id        an item of a list by its place
    payload.metrics[name=cpu.percent].value      the first object of a list whose key has this value
    payload.sensors.*                            everything an object or a list holds, as a list

Versioned objects (Nova's, Ironic's) are stepped into by themselves: `payload.flavor.vcpus` finds
`payload["nova_object.data"]["flavor"]["nova_object.data"]["vcpus"]`. What was found can be altered (`Altered`).
Nothing is ever evaluated.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Protocol

from collector.instants import read_instant

MATCHED_CHARACTERS = 1024  # of a text, at most: a pattern shall not be fed with megabytes
_OBJECT_SUFFIX = "_object.data"  # oslo.versionedobjects wraps with its project's name before it
UNWRAPPED_KEYS = 5  # a wrapped object has at most so many: name, namespace, version, data, changes

_STEP = re.compile(r'(?:"([^"]+)"|([^\s."\[\]|]+))(?:\[([^=\]]+)=([^\]]+)\])?(?:\.|$)')


class Expression(Protocol):
    """Something that finds a value in a notification."""

    def value(self, document: object, /) -> object:
        """What it finds, or None when there is nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """A step into a list: its first object whose `key` has this `value` as text."""

    key: str
    value: str


class Everything(Enum):
    """A step to all that an object or list holds; no key of JSON equals it."""

    ALL = "*"


Step = str | int | Item | Everything


@dataclass(frozen=True, slots=True)
class Path:
    """The first of several ways that leads to something."""

    ways: tuple[tuple[Step, ...], ...]

    def value(self, document: object) -> object:
        """What stands at the first way that leads somewhere, None and "" being nowhere."""
        for way in self.ways:
            found = _walk(document, way)
            if found is not None and found != "":
                return found
        return None

    def members(self, document: object) -> list[tuple[object, object]]:
        """What stands at the first way that leads somewhere, each with its place in a list, or key where the way
        ends in `*`; a single thing, be it None, counts as a list of one.
        """
        for way in self.ways:
            is_open = way[-1] is Everything.ALL
            found = unwrapped(_walk(document, way[:-1] if is_open else way))
            if isinstance(found, list):
                return list(enumerate(found))
            if is_open and isinstance(found, dict):
                return list(found.items())
            if found is not None and found != "":
                return [(0, found)]
        return [(0, None)]


@dataclass(frozen=True, slots=True)
class Constant:
    """What is written in the definition itself."""

    written: int | float | str

    def value(self, _document: object) -> object:
        """What is written, whatever the notification says."""
        return self.written


@dataclass(frozen=True, slots=True)
class Joined:
    """Texts joined by a separator."""

    parts: tuple[Expression, ...]
    separator: str

    def value(self, document: object) -> object:
        """The joined text, or None unless each part is there as text."""
        parts = [part.value(document) for part in self.parts]
        texts = [part for part in parts if isinstance(part, str)]
        return self.separator.join(texts) if len(texts) == len(parts) else None


Alteration = Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Altered:
    """A value after some alterations, one after the other; each is given None when there is nothing."""

    source: Expression
    alterations: tuple[Alteration, ...]

    def value(self, document: object) -> object:
        """What the last alteration leaves."""
        found = self.source.value(document)
        for alter in self.alterations:
            found = alter(found)
        return found


def matched(pattern: str) -> Alteration:
    """The first group of the first match in a text, or the whole match; None where there is none.

    Raises ValueError when the pattern is no regular expression.
    """
    try:
        return partial(_matched, re.compile(pattern))
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error


def lowered() -> Alteration:
    """A text in small letters."""
    return lambda found: found.lower() if isinstance(found, str) else found


def replaced(old: str, new: str) -> Alteration:
    """A text with every `old` in it made `new`."""
    return lambda found: found.replace(old, new) if isinstance(found, str) else found


def named(names: Mapping[str, str]) -> Alteration:
    """The name a text has in a table; a text that is not in it stays."""
    return lambda found: names.get(found, found) if isinstance(found, str) else found


def scaled(factor: int | float) -> Alteration:
    """A number times a factor; what is no number stays as it is, for the normalization to refuse."""
    return lambda found: found * factor if type(found) is int or type(found) is float else found


def otherwise(default: int | float | str) -> Alteration:
    """What was found, or this where nothing was."""
    return lambda found: default if found is None else found


def _matched(pattern: re.Pattern[str], found: object) -> object:
    match = pattern.search(found[:MATCHED_CHARACTERS]) if isinstance(found, str) else None
    return match[1 if pattern.groups else 0] if match else None


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
        steps.append(quoted or _plain(plain))
        if key:
            steps.append(Item(key, value))
        position = match.end()
    return tuple(steps)


def _plain(text: str) -> Step:
    if text == Everything.ALL.value:
        return Everything.ALL
    return int(text) if text.isdecimal() else text


def unwrapped(value: object) -> object:
    """What a versioned object holds, however often it is wrapped; all else as it is."""
    while isinstance(value, dict) and len(value) <= UNWRAPPED_KEYS:
        for key, held in value.items():
            if isinstance(key, str) and key.endswith(_OBJECT_SUFFIX):
                value = held
                break
        else:
            break
    return value


def _walk(document: object, way: Sequence[Step]) -> object:
    found = document
    for step in way:
        if type(found) is dict:
            value = found.get(step)
            if value is None and (len(found) <= UNWRAPPED_KEYS or step is Everything.ALL):
                value = _follow(found, step)
            found = value
        else:
            found = _follow(found, step)
        if found is None:
            return None
    return found


def _follow(value: object, step: Step) -> object:
    value = unwrapped(value)
    if type(value) is dict or isinstance(value, Mapping):
        return list(value.values()) if step is Everything.ALL else value.get(step)
    if type(value) is not list and (not isinstance(value, Sequence) or isinstance(value, str)):
        return None
    if isinstance(step, int):
        return value[step] if step < len(value) else None
    if step is Everything.ALL:
        return list(value)
    return next((item for item in value if _matches(item, step)), None)


def _matches(item: object, step: Step) -> bool:
    return isinstance(step, Item) and _follow(item, step.key) == step.value

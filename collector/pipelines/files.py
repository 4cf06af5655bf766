"""Ceilometer's pipeline.yaml and event_pipeline.yaml: which samples and events go where, and what becomes of them.

Also the list Havana had in place of sources and sinks. Nothing is guessed: what cannot be meant is an error that names
file, entry and key; what Ceilometer let stand without a meaning here is a remark.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import yaml

from collector.errors import InvalidDefinition
from collector.pipelines.parameters import read_step
from collector.pipelines.steps import Step
from collector.pipelines.wildcards import Wildcards

CYCLE_S = 30.0
POLLING = ("interval", "resources", "discovery")  # moved to polling.yaml with Ocata

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """Which meters or event types go to which sinks."""

    name: str
    chosen: Wildcards
    sinks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sink:
    """What becomes of samples, one transformer after the other, and the URLs of the publishers that get them."""

    name: str
    steps: tuple[Step, ...]
    publishers: tuple[str, ...]

    def name_of(self, meter: str) -> str:
        """What samples of a meter are called at the end of it."""
        for step in self.steps:
            meter = step.name_of(meter)
        return meter


@dataclass(frozen=True, slots=True)
class Pipelines:
    """A file's sources and sinks, and what in it has no meaning here."""

    sources: tuple[Source, ...]
    sinks: tuple[Sink, ...]
    remarks: tuple[str, ...] = ()

    def sinks_of(self, name: str) -> tuple[Sink, ...]:
        """The sinks a meter or event type goes to, each once."""
        chosen = {sink for source in self.sources if name in source.chosen for sink in source.sinks}
        return tuple(sink for sink in self.sinks if sink.name in chosen)

    @property
    def has_transformers(self) -> bool:
        """Whether anything is derived."""
        return any(sink.steps for sink in self.sinks)


def read_pipelines(file: Path, *, cycle_s: float = CYCLE_S) -> Pipelines:
    """A pipeline.yaml; raises InvalidDefinition naming file, entry and key.

    `cycle_s`: how long what belongs together may take to be read, in seconds.
    """
    return _pipelines(file, "meters", cycle_s)


def read_event_pipelines(file: Path) -> Pipelines:
    """An event_pipeline.yaml; raises InvalidDefinition naming file, entry and key."""
    return _pipelines(file, "events", CYCLE_S)


class _Transformer(msgspec.Struct):
    name: str
    parameters: dict[str, object] | None = None


class _Source(msgspec.Struct):
    name: str
    sinks: list[str]
    meters: list[str] = []
    counters: list[str] = []
    events: list[str] = []


class _Sink(msgspec.Struct):
    name: str
    publishers: list[str]
    transformers: list[_Transformer] | None = None


def load(file: Path) -> object:
    """What a YAML file says; raises InvalidDefinition."""
    try:
        found: object = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidDefinition(f"{file} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidDefinition(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    return found


def entries(file: Path, written: object, key: str) -> list[dict[str, object]]:
    """The list of objects at a key of what a file says; raises InvalidDefinition."""
    found = written.get(key) if isinstance(written, dict) else None
    if not isinstance(found, list) or not found:
        raise InvalidDefinition(f"{file}: needs a list `{key}`")
    for number, one in enumerate(found):
        if not isinstance(one, dict):
            raise InvalidDefinition(f"{file}: {key}[{number}]: is not an object with a name")
    return found


def named(file: Path, key: str, number: int, entry: dict[str, object]) -> str:
    """How errors call an entry."""
    return f"{file}: {key}[{number}] {entry.get('name', 'without a name')!r}"


def once(file: Path, key: str, names: Sequence[str]) -> None:
    """Refuses names that are there twice."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InvalidDefinition(f"{file}: {key}: the name {twice[0]!r} stands there twice")


def _pipelines(file: Path, what: str, cycle_s: float) -> Pipelines:
    written, remarks = load(file), list[str]()
    if isinstance(written, list):
        remarks.append(f"{file}: the list of Havana: each entry is read as a source and a sink of its name")
        written = _in_two(written)
    places = [named(file, "sources", at, one) for at, one in enumerate(entries(file, written, "sources"))]
    sources = [
        _read(place, partial(_source, one, what, place, remarks))
        for place, one in zip(places, entries(file, written, "sources"), strict=True)
    ]
    sinks = [
        _read(named(file, "sinks", at, one), partial(_sink, one, what, cycle_s))
        for at, one in enumerate(entries(file, written, "sinks"))
    ]
    once(file, "sources", [source.name for source in sources])
    once(file, "sinks", [sink.name for sink in sinks])
    known = {sink.name for sink in sinks}
    for place, source in zip(places, sources, strict=True):
        for sink in source.sinks:
            if sink not in known:
                raise InvalidDefinition(f"{place}: sinks: there is no sink {sink!r} in this file")
    used = {sink for source in sources for sink in source.sinks}
    remarks += [f"{file}: sink {name!r} is used by no source" for name in sorted(known - used)]
    return Pipelines(tuple(sources), tuple(sinks), tuple(remarks))


def _read(place: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except ValueError as error:  # msgspec's is one
        raise InvalidDefinition(f"{place}: {error}") from error


def _source(entry: dict[str, object], what: str, place: str, remarks: list[str]) -> Source:
    written = msgspec.convert(entry, _Source)
    remarks += [
        f"{place}: {key} is not looked at: it belongs into polling.yaml" for key in POLLING if key in entry
    ]
    given = written.events if what == "events" else written.meters or written.counters
    if not written.sinks:
        raise ValueError("sinks: must name a sink")
    try:
        return Source(written.name, Wildcards(given), tuple(written.sinks))
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def _sink(entry: dict[str, object], what: str, cycle_s: float) -> Sink:
    written = msgspec.convert(entry, _Sink)
    if not written.publishers:
        raise ValueError("publishers: must name a publisher")
    if written.transformers and what == "events":
        raise ValueError("transformers: events have none")
    return Sink(written.name, tuple(_steps(written, cycle_s)), tuple(written.publishers))


def _steps(written: _Sink, cycle_s: float) -> Iterator[Step]:
    for number, one in enumerate(written.transformers or ()):
        try:
            yield read_step(one.name, one.parameters or {}, cycle_s)
        except ValueError as error:
            raise ValueError(f"transformers[{number}] {one.name}: {error}") from error


def _in_two(pipelines: list[object]) -> object:
    """Havana's list: each entry is a source and a sink in one."""
    sources, sinks = [], []
    for one in pipelines:
        if not isinstance(one, dict):
            return None
        sources.append({**one, "sinks": [one.get("name")]})
        sinks.append({key: one[key] for key in ("name", "publishers", "transformers") if key in one})
    return {"sources": sources, "sinks": sinks}

"""Samples as witnesses: whoever measured a resource saw that it was there, and what it was like."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from collector.lifecycle_definitions import LifeRule
from collector.lifecycle_reading import Reading, identifier
from storage.fact import Attributes, Fact, seen
from storage.ingest.batch import SampleBatch
from storage.ingest.keys import ResourceKey, VersionKey
from storage.lately import Lately
from storage.sample import from_microseconds

HOUR_US = 3_600_000_000
KNOWN_LIMIT = 75_000  # twice as many keys of 0.7 kB: 106 MB at most

_Key = tuple[str, str]


class _Look(NamedTuple):
    """In which hour a resource was what; `shown` tells what said so: its project and the digest of its metadata."""

    hour: int
    said: Attributes
    shown: tuple[str, bytes]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A fact that samples witness; `key` names the resource and `look` what it was in which hour."""

    key: _Key
    look: _Look
    fact: Fact


class Witness:
    """Finds resources in batches of samples, each once an hour as long as it stays what it is.

    Five minutes more or less make no difference to a chain: what changes is seen at once, and so is a change back,
    unless another collector took the batches between: then within the hour.
    """

    def __init__(self, rules: Iterable[LifeRule], known_limit: int = KNOWN_LIMIT) -> None:
        self._rules: dict[str, list[tuple[str, Reading]]] = {}
        for rule in rules:
            for meter in rule.polled:
                self._rules.setdefault(meter, []).append((rule.kind, Reading(rule)))
        self._noted: Lately[_Key, _Look] = Lately(known_limit)

    def sightings(self, batch: SampleBatch) -> list[Sighting]:
        """What the samples of these batch show and was not noted yet."""
        found = []
        for place, meter in enumerate(batch.meters):
            for kind, reading in self._rules.get(meter.name, ()):
                found += list(self._of_meter(batch, place, kind, reading))
        return found

    def note(self, sightings: Iterable[Sighting]) -> None:
        """These are stored."""
        for one in sightings:  # those for which there is no room are stored once more, which changes nothing
            self._noted.put(one.key, one.look)

    def _of_meter(self, batch: SampleBatch, meter: int, kind: str, reading: Reading) -> Iterator[Sighting]:
        shapes = [number for number, shape in enumerate(batch.shapes) if meter in shape]
        rows = np.flatnonzero(np.isin(batch.polled.shape, shapes))
        columns = (batch.polled.resource[rows], batch.polled.ts[rows], batch.polled.version[rows])
        order = np.lexsort(columns[::-1])
        in_order = [column[order].tolist() for column in (*columns, columns[1] // HOUR_US)]
        looks: dict[_Key, _Look] = {}  # of this batch, the last of each
        for resource, at, version, hour in zip(*in_order, strict=True):
            owner, around = batch.resources[resource], batch.versions[version]
            key = (kind, owner.resource_id)
            shown = (owner.project_id, around.digest)
            here = looks.get(key)
            last = here or self._noted.get(key)
            if last is not None and last.hour == hour and last.shown == shown:
                continue
            found = reading.find(_document(owner, around))
            resource_id = identifier(found[0])
            if resource_id is None:
                continue
            look = _Look(hour, reading.attributes(found, is_over=False), shown)
            if last is not None and last[:2] == look[:2]:  # what changed is nothing that counts
                if here is None:
                    self._noted.put(key, look)
                else:
                    looks[key] = look
                continue
            looks[key] = look
            yield Sighting(key, look, seen(kind, resource_id, from_microseconds(at), look.said))


def _document(owner: ResourceKey, around: VersionKey) -> dict[str, object]:
    """What paths of definitions start at."""
    return {
        "resource_id": owner.resource_id,
        "project_id": owner.project_id,
        "user_id": around.user_id,
        "metadata": json.loads(around.body),
    }

"""What was learned of the life of a resource: one statement, with its time, by somebody who should know."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal

import msgspec

from storage.sample import make_id

What = Literal["begins", "is", "ends"]
Evidence = Literal["seen", "event", "told"]
Scalar = str | int | float | bool

WHATS: tuple[What, ...] = ("begins", "is", "ends")
EVIDENCES: tuple[Evidence, ...] = ("seen", "event", "told")


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a resource is like; None, and what is not in `more`, means that nothing is said of it.

    `size` is in the unit of its kind: GiB of volumes, snapshots, backups and shares, bytes of images. `more` has each
    name once, sorted.
    """

    project_id: str | None = None
    type: str | None = None
    size: int | None = None
    status: str | None = None
    zone: str | None = None
    name: str | None = None
    more: tuple[tuple[str, Scalar], ...] = ()

    def text(self) -> str:
        """The same for the same attributes, and for no others."""
        said = (self.project_id, self.type, self.size, self.status, self.zone, self.name, self.more)
        if any(type(value) is float for _, value in self.more):
            return json.dumps(said, ensure_ascii=False, separators=(",", ":"))
        return msgspec.json.encode(said).decode()  # of all else the same text in a sixth of the time


NOTHING = Attributes()
REMEMBERED = 2**15  # facts that messages tell again and again, about 15 MB


@dataclass(frozen=True, slots=True)
class Fact:
    """At `at` a resource began, was like this, or ended; times are timezone-aware UTC.

    `evidence` tells how good the time is: of a message that something happened (`event`), of what such a message
    tells of the past (`told`: created_at, deleted_at), or when somebody looked (`seen`: audits and polls). What is
    `seen` again on the same day is one fact, from `at` to `until`; every other fact has both alike. `id` names it.
    """

    kind: str
    resource_id: str
    what: What
    at: datetime
    until: datetime
    evidence: Evidence
    attributes: Attributes
    id: bytes


def happened(
    kind: str, resource_id: str, what: What, at: datetime, attributes: Attributes, *message: str
) -> Fact:
    """What a message says, which is known by it: the same `message` (its sender, id and place in it) counts once."""
    identity = make_id("fact", kind, resource_id, what, *message)
    return Fact(kind, resource_id, what, at, at, "event", attributes, identity)


@lru_cache(REMEMBERED)
def told(kind: str, resource_id: str, what: Literal["begins", "ends"], at: datetime) -> Fact:
    """When a resource began or ended, as later messages tell; they all tell the same fact."""
    identity = make_id("told", kind, resource_id, what, at.isoformat())
    return Fact(kind, resource_id, what, at, at, "told", NOTHING, identity)


def seen(kind: str, resource_id: str, at: datetime, attributes: Attributes) -> Fact:
    """What somebody who looked saw; the same on the same day (UTC) is the same fact."""
    identity = make_id("seen", kind, resource_id, at.date().isoformat(), attributes.text())
    return Fact(kind, resource_id, "is", at, at, "seen", attributes, identity)

"""The same questions over HTTP, to ours and to rows + roll-up; bodies first, their meaning afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from api.v2 import times
from bench.oracle import Figures, Reading
from bench.processes import Asked
from bench.product import PLACES, number
from bench.workload import FLAVORS, METERS, STEP, Workload, project_name, resource_name
from storage.sample import from_microseconds, to_microseconds

Condition = tuple[str, str, str]
NEWEST = 100


@dataclass(frozen=True, slots=True)
class About:
    """What is asked about: one meter of one project, and one of its instances."""

    workload: Workload
    meter: int
    project: int
    instance: int
    flavor: int

    @property
    def since(self) -> int:
        """Ten minutes before the end."""
        return self.workload.end - 2 * STEP


class Face(Protocol):
    """A system that is asked over HTTP: `figures` and `readings` tell what a body of it says."""

    def resource_by_hour(self, about: About) -> bytes: ...

    def latest(self, about: About) -> bytes: ...

    def last_minutes(self, about: About) -> bytes: ...

    def newest(self, about: About) -> bytes: ...

    def figures(self, body: bytes) -> dict[tuple[int, int], Figures]: ...

    def readings(self, body: bytes) -> list[Reading]: ...


class Ours:
    """The /v2 API."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def resource_by_hour(self, about: About) -> bytes:
        """Statistics by hour, from the beginning to the end of the workload."""
        conditions = _conditions(
            ("resource_id", "eq", resource_name(about.instance)),
            ("timestamp", "ge", _time(about.workload.begin)),
            ("timestamp", "lt", _time(about.workload.end)),
        )
        wanted = [*conditions, ("period", "3600"), ("groupby", "resource_id")]
        return self._asked.get(f"/v2/meters/{METERS[about.meter].name}/statistics", wanted)

    def latest(self, about: About) -> bytes:
        """Everybody's reading in the last five minutes: /v2 has no other way to ask for the latest."""
        return self._samples(
            about.workload.size.project,
            ("project_id", "eq", project_name(about.project)),
            ("meter", "eq", METERS[about.meter].name),
            ("timestamp", "ge", _time(about.workload.end - STEP)),
        )

    def last_minutes(self, about: About) -> bytes:
        """All meters of a resource."""
        return self._samples(
            NEWEST,
            ("resource_id", "eq", resource_name(about.instance)),
            ("timestamp", "ge", _time(about.since)),
        )

    def newest(self, about: About) -> bytes:
        """However long ago that was."""
        return self._samples(
            NEWEST,
            ("project_id", "eq", project_name(about.project)),
            ("meter", "eq", METERS[about.meter].name),
            ("metadata.flavor.name", "eq", FLAVORS[about.flavor].name),
        )

    def figures(self, body: bytes) -> dict[tuple[int, int], Figures]:
        """By resource and hour."""
        return {
            (number(row["groupby"]["resource_id"]), _microseconds(row["period_start"])): Figures(
                row["count"], row["sum"], row["min"], row["max"]
            )
            for row in msgspec.json.decode(body)
        }

    def readings(self, body: bytes) -> list[Reading]:
        """In the order they were answered."""
        return [
            Reading(
                number(row["resource_id"]),
                PLACES[row["meter"]],
                _microseconds(row["timestamp"]),
                row["volume"],
            )
            for row in msgspec.json.decode(body)
        ]

    def _samples(self, limit: int, *conditions: Condition) -> bytes:
        return self._asked.get("/v2/samples", [*_conditions(*conditions), ("limit", str(limit))])


class RowsAndRollup:
    """`bench.peers.web`."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def resource_by_hour(self, about: About) -> bytes:
        """From the beginning to the end of the workload."""
        times_asked = [("begin", str(about.workload.begin)), ("end", str(about.workload.end))]
        return self._asked.get(
            "/statistics", [_meter(about), ("resource", resource_name(about.instance)), *times_asked]
        )

    def latest(self, about: About) -> bytes:
        """However old it is."""
        return self._asked.get("/latest", [_meter(about), ("project", project_name(about.project))])

    def last_minutes(self, about: About) -> bytes:
        """All meters of a resource."""
        return self._asked.get(
            "/since", [("resource", resource_name(about.instance)), ("begin", str(about.since))]
        )

    def newest(self, about: About) -> bytes:
        """However long ago that was."""
        place = [("project", project_name(about.project)), ("flavor", FLAVORS[about.flavor].name)]
        return self._asked.get("/newest", [_meter(about), *place, ("limit", str(NEWEST))])

    def figures(self, body: bytes) -> dict[tuple[int, int], Figures]:
        """By resource and hour."""
        return {
            (number(row["resource_id"]), row["period_start"]): Figures(
                row["count"], row["sum"], row["min"], row["max"]
            )
            for row in msgspec.json.decode(body)
        }

    def readings(self, body: bytes) -> list[Reading]:
        """In the order they were answered."""
        return [
            Reading(number(row["resource_id"]), PLACES[row["meter"]], row["timestamp"], row["volume"])
            for row in msgspec.json.decode(body)
        ]


def _conditions(*conditions: Condition) -> Sequence[tuple[str, str]]:
    """Ceilometer's `q`: fields, operators and values, each named again."""
    return [
        pair
        for field, operator, value in conditions
        for pair in (("q.field", field), ("q.op", operator), ("q.value", value), ("q.type", ""))
    ]


def _meter(about: About) -> tuple[str, str]:
    return "meter", METERS[about.meter].name


def _time(microseconds: int) -> str:
    return times.text(from_microseconds(microseconds))


def _microseconds(text: str) -> int:
    return to_microseconds(times.parse(text))

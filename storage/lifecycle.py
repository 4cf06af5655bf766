"""The life of a resource as a chain of segments, computed from what was learned of it in whatever order.

A chain is a function of a *set* of facts, so the order in which they arrive cannot matter. Each attribute is a step
function of its own: at any moment it has the value of the last statement until then, and before the first statement
the value of that one. docs/explanation/lifecycle.md tells why it is so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

from storage.fact import EVIDENCES, NOTHING, WHATS, Attributes, Fact, Scalar


@dataclass(frozen=True, slots=True)
class Segment:
    """From `start` to `end` (None: until now) a resource was like this.

    Times are timezone-aware UTC, the start belongs to it and the end does not. A resource whose whole life took less
    time than the clocks of its services differ has one segment that ends where it starts.
    """

    kind: str
    resource_id: str
    start: datetime
    end: datetime | None
    attributes: Attributes


def condense(facts: Iterable[Fact]) -> list[Fact]:
    """Each fact once, from the first time it was seen to the last; in no order.

    Chains are the same whether facts were condensed before or after others came, and in whatever parts: the first
    and the last of times do not depend on it.
    """
    known: dict[bytes, Fact] = {}
    for fact in facts:
        other = known.get(fact.id)
        known[fact.id] = fact if other is None else _joined(other, fact)
    return list(known.values())


def chain(facts: Iterable[Fact]) -> tuple[Segment, ...]:
    """The segments of one resource, oldest first, each beginning where the one before it ends.

    All facts are of one kind and resource. Neighbours differ in an attribute; nothing known gives no segment.
    """
    known = condense(facts)
    if not known:
        return ()
    begin, end = _begin(known), _end(known)
    end = None if end is None else max(begin, end)
    statements = _statements(known)
    state = _filled(statements)
    steps: list[tuple[datetime, Attributes]] = [(begin, state)]
    for at, said in statements:
        if end is not None and at >= end:
            break
        state = _over(state, said)
        start = max(at, begin)
        if steps[-1][0] == start:
            steps[-1] = (start, state)
        else:
            steps.append((start, state))
    return tuple(_segments(known[0], _changes(steps), end))


def _joined(one: Fact, other: Fact) -> Fact:
    """Both of the same id: what is said by the one whose text comes first, should they ever differ."""
    said = min(one.attributes, other.attributes, key=Attributes.text)
    return replace(one, at=min(one.at, other.at), until=max(one.until, other.until), attributes=said)


def _begin(facts: Sequence[Fact]) -> datetime:
    """As told, else as announced, else when the resource was first heard of."""
    for evidence in ("told", "event"):
        found = [fact.at for fact in facts if fact.what == "begins" and fact.evidence == evidence]
        if found:
            return min(found)
    return min(fact.at for fact in facts)


def _end(facts: Sequence[Fact]) -> datetime | None:
    """As told, else as announced: the first time, since nothing ends twice. Silence ends nothing."""
    for evidence in ("told", "event"):
        found = [fact.at for fact in facts if fact.what == "ends" and fact.evidence == evidence]
        if found:
            return min(found)
    return None


def _statements(facts: Sequence[Fact]) -> list[tuple[datetime, Attributes]]:
    """In the order of time; at the same time an event says more than a look, and ids decide the rest."""
    points = [
        (at, WHATS.index(fact.what), EVIDENCES.index(fact.evidence), fact.id, fact.attributes)
        for fact in facts
        if fact.attributes != NOTHING
        for at in {fact.at, fact.until}
    ]
    points.sort(key=lambda point: point[:4])
    return [(at, said) for at, *_, said in points]


def _filled(statements: Sequence[tuple[datetime, Attributes]]) -> Attributes:
    """What each attribute is before anything is said of it: as the first statement has it."""
    state = NOTHING
    for _, said in reversed(statements):
        state = _over(state, said)
    return state


def _over(state: Attributes, said: Attributes) -> Attributes:
    """The state after a statement."""
    more: dict[str, Scalar] = {**dict(state.more), **dict(said.more)}
    spoken = {
        field.name: getattr(said, field.name)
        for field in fields(said)
        if field.name != "more" and getattr(said, field.name) is not None
    }
    return replace(state, **spoken, more=tuple(sorted(more.items())))


def _changes(steps: Sequence[tuple[datetime, Attributes]]) -> list[tuple[datetime, Attributes]]:
    return [step for number, step in enumerate(steps) if not number or step[1] != steps[number - 1][1]]


def _segments(
    fact: Fact, steps: Sequence[tuple[datetime, Attributes]], end: datetime | None
) -> Iterable[Segment]:
    ends = [*(start for start, _ in steps[1:]), end]
    for (start, state), until in zip(steps, ends, strict=True):
        yield Segment(fact.kind, fact.resource_id, start, until, state)

"""The lives of resources: facts go in, in any order and any number of times, and chains of segments come out."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import ColumnElement, Connection, or_, select, tuple_

from storage.database import Database
from storage.fact import Fact
from storage.fact_rows import Life, as_fact, erase, insert_facts, insert_lives, lives_of
from storage.lately import Lately
from storage.lifecycle import Segment, chain, condense
from storage.query import Scope
from storage.sample import to_microseconds
from storage.tables_lifecycle import fact as facts_table
from storage.tables_lifecycle import life

KNOWN_LIMIT = 75_000  # twice as many of each, 0.36 kB a resource: 53 MB at most
# Two writers may miss each other's word of an end, the earlier of which then stands in `life`.
SLACK_MICROSECONDS = 3_600_000_000
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SegmentQuery:
    """Which segments are meant: those that have a part of [start, end); None means any.

    `after` is the last resource of the page before, as (resource id, kind).
    """

    scope: Scope
    start: datetime | None = None
    end: datetime | None = None
    kind: str | None = None
    project_id: str | None = None
    after: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SegmentPage:
    """Segments by resource, kind and time; `after` names the last resource looked at, None: there are no more."""

    segments: tuple[Segment, ...]
    after: tuple[str, str] | None


class Segments:
    """The store of the lives of resources; any thread may use it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Lately[bytes, tuple[datetime, datetime]] = Lately(KNOWN_LIMIT)  # spans of stored facts
        self._listed: Lately[tuple[str, str, str], datetime] = Lately(
            KNOWN_LIMIT
        )  # when lives began, as in `life`
        self._lock = threading.Lock()

    def store(self, facts: Iterable[Fact]) -> int:
        """Keeps facts; returns how many told something new. Storing the same again changes nothing.

        Raises DatabaseUnavailable (try the same again) or DataRefused (nothing was kept).
        """
        new = [fact for fact in condense(facts) if not self._is_known(fact)]
        if not new:
            return 0
        lives = self._unlisted(new)
        count = self._database.write_retrying(partial(_write, self._database, new, lives))
        self._remember(new, lives)
        return count

    def correct(self, gone: Iterable[Fact], facts: Iterable[Fact]) -> None:
        """Puts facts in the place of those that were wrong, in one transaction; raises as `store` does.

        What a message said is replaced by what it says now; when it was seen or told is added to.
        """
        wrong, right = condense(gone), condense(facts)

        def work(connection: Connection) -> None:
            erase(connection, [*wrong, *(fact for fact in right if fact.evidence == "event")])
            _write(self._database, right, lives_of(right), connection)

        self._database.write_retrying(work)
        with self._lock:
            self._known.clear()
            self._listed.clear()

    def missing(self, facts: Iterable[Fact]) -> list[Fact]:
        """Those that are not stored as they are, in the order of their resources and ids."""
        asked = sorted(condense(facts), key=lambda fact: (fact.resource_id, fact.id))
        with self._database.read() as connection:
            kept = {fact.id: fact for fact in _facts_by_id(connection, asked)}
        return [fact for fact in asked if not _covers(kept.get(fact.id), fact)]

    def of_resource(self, scope: Scope, resource_id: str, kind: str | None = None) -> list[Segment]:
        """Every segment of the resources of this id that the scope may see, by kind and time."""
        with self._database.read() as connection:
            found = _chains(connection, [resource_id])
        return [
            segment
            for (_, its_kind), segments in sorted(found.items())
            for segment in segments
            if kind in (None, its_kind) and scope.allows(segment.attributes.project_id)
        ]

    def find(self, query: SegmentQuery, limit: int) -> SegmentPage:
        """The segments of at most `limit` resources, in the order of their ids."""
        with self._database.read() as connection:
            asked = select(life.c.resource_id, life.c.kind).distinct().where(*_conditions(query))
            ordered = asked.order_by(life.c.resource_id, life.c.kind).limit(limit + 1)
            keys = [(row.resource_id, row.kind) for row in connection.execute(ordered)]
            page = keys[:limit]
            found = _chains(connection, sorted({resource_id for resource_id, _ in page}))
        segments = [one for key in page for one in found.get(key, ()) if _is_meant(one, query)]
        return SegmentPage(tuple(segments), page[-1] if len(keys) > limit else None)

    def _is_known(self, fact: Fact) -> bool:
        span = self._known.get(fact.id)
        return span is not None and span[0] <= fact.at and fact.until <= span[1]

    def _unlisted(self, facts: Sequence[Fact]) -> list[Life]:
        """What `life` does not say yet, or may have to say of an end."""
        over = {(fact.resource_id, fact.kind) for fact in facts if fact.what == "ends"}
        return [
            one
            for one in lives_of(facts)
            if one.began < (self._listed.get(one.key) or NEVER) or (one.resource_id, one.kind) in over
        ]

    def _remember(self, facts: Iterable[Fact], lives: Iterable[Life]) -> None:
        """These are committed. Only what comes again and again is worth its room."""
        with self._lock:
            for one in lives:
                self._listed.put(one.key, min(one.began, self._listed.get(one.key) or one.began))
            for fact in facts:
                if fact.evidence != "event":
                    at, until = self._known.get(fact.id) or (fact.at, fact.until)
                    self._known.put(fact.id, (min(at, fact.at), max(until, fact.until)))


def _write(database: Database, facts: Sequence[Fact], lives: Sequence[Life], connection: Connection) -> int:
    count = insert_facts(connection, database.dialect, facts)
    if lives:
        insert_lives(connection, database.dialect, lives)
    return count


def _covers(kept: Fact | None, fact: Fact) -> bool:
    if kept is None or kept.attributes != fact.attributes:
        return False
    return kept.at <= fact.at and fact.until <= kept.until


def _facts_by_id(connection: Connection, facts: Sequence[Fact]) -> list[Fact]:
    found = []
    for first in range(0, len(facts), 500):
        keys = [(fact.resource_id, fact.id) for fact in facts[first : first + 500]]
        of_these = tuple_(facts_table.c.resource_id, facts_table.c.id).in_(keys)
        found += [as_fact(row) for row in connection.execute(select(facts_table).where(of_these))]
    return found


def _chains(
    connection: Connection, resource_ids: Sequence[str]
) -> dict[tuple[str, str], tuple[Segment, ...]]:
    """The chain of each resource, by id and kind."""
    asked = select(facts_table).where(facts_table.c.resource_id.in_(resource_ids))
    facts: dict[tuple[str, str], list[Fact]] = defaultdict(list)
    for row in connection.execute(asked) if resource_ids else ():
        facts[row.resource_id, row.kind].append(as_fact(row))
    return {key: chain(found) for key, found in facts.items()}


def _conditions(query: SegmentQuery) -> list[ColumnElement[bool]]:
    """Rows of `life` that may have such a segment."""
    found: list[ColumnElement[bool]] = []
    if not query.scope.everything:
        found.append(life.c.project_id == query.scope.project_id)
    if query.project_id is not None:
        found.append(life.c.project_id == query.project_id)
    if query.kind is not None:
        found.append(life.c.kind == query.kind)
    if query.end is not None:
        found.append(life.c.began < to_microseconds(query.end))
    if query.start is not None:
        found.append(
            or_(life.c.ended.is_(None), life.c.ended >= to_microseconds(query.start) - SLACK_MICROSECONDS)
        )
    if query.after is not None:
        resource_id, kind = query.after
        same = (life.c.resource_id == resource_id) & (life.c.kind > kind)
        found.append(or_(life.c.resource_id > resource_id, same))
    return found


def _is_meant(segment: Segment, query: SegmentQuery) -> bool:
    project = segment.attributes.project_id
    if not query.scope.allows(project) or query.project_id not in (None, project):
        return False
    if query.end is not None and segment.start >= query.end:
        return False
    if query.start is None or segment.end is None or segment.end > query.start:
        return True
    return segment.start == segment.end == query.start

"""Forgets what is older than it is to be kept: first by a watermark that everybody obeys, then row by row.

Samples end with a day, and only once their hours are in tiles and counted: hourly figures go on without them.
Rows are deleted a slice at a time; whoever is killed leaves the rest to the next one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, select

from storage.database import Database
from storage.faults import reach
from storage.names import Names
from storage.reading.asking import ask, marks
from storage.sample import from_microseconds, to_microseconds
from storage.settings import RetentionSettings, age
from storage.tables import delta, delta_identity, late, meter, quarantine
from storage.tables_alarms import alarm_change, delivery, delivery_attempt
from storage.tables_tiles import STAMPS, day_roll, day_tile, tile
from storage.tiles.compact import earliest_tile
from storage.tiles.damaged import Damaged
from storage.tiles.deltas import count_deltas
from storage.upkeep.old_events import forget_events
from storage.upkeep.old_lives import forget_lives
from storage.upkeep.old_rows import Old, OldBefore, look
from storage.watermarks import DAY, known, move, take_turn

GROUPS_A_SLICE = 32
ROWS_A_SLICE = 1000
_GROUPS = f"SELECT gid FROM resource_group WHERE gid > %s ORDER BY gid LIMIT {GROUPS_A_SLICE}"  # noqa: S608 - ours
AHEAD_US = 300_000_000  # a sample is at most five minutes older on arrival than it says
PATIENCE_US = 2 * DAY  # late samples that always come anew do not keep old days for ever


@dataclass(frozen=True, slots=True)
class Deleted:
    """What one step did: rows of this table."""

    table: str
    rows: int


@dataclass(frozen=True, slots=True)
class _Cuts:
    """Beginnings of what is kept, microseconds since 1970 UTC, all at midnight; `meters` by name."""

    raw: int
    hourly: int
    events: int
    history: int
    meters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """Where samples and hourly figures begin; None: nothing was forgotten yet."""

    raw_from: datetime | None
    hourly_from: datetime | None


def kept(database: Database) -> Kept:
    """What is kept now; raises DatabaseUnavailable."""
    with database.read() as connection:
        marks = known(connection)
    starts = (from_microseconds(at) if at else None for at in (marks.raw_from, marks.hourly_from))
    return Kept(*starts)


class Retention:
    """Deletes by age."""

    def __init__(self, database: Database, settings: RetentionSettings) -> None:
        self._database = database
        self._settings = settings
        self._names = Names()
        self._swept: _Cuts | None = None  # everything before these was deleted by this process
        self._finished: _Cuts | None = None  # nothing is left to do until these change

    def is_due(self, now: datetime) -> bool:
        """Whether a day began since this process did all there was to do; asks nobody."""
        return self._finished != self._wanted(now)

    def advance(self, now: datetime, tiles: Damaged, late_rows: Damaged) -> None:
        """Moves `raw_from` and `hourly_from` as far as they may go.

        Days with samples that wait to be merged or compacted are kept, but not for what is damaged, nor for more than
        two days for late samples. From here on writers refuse older samples and readers ignore them.
        """
        raw, hourly = self._midnight(now, self._settings.raw), self._midnight(now, self._settings.hourly)

        def work(connection: Connection) -> None:
            marks = take_turn(connection)
            if raw <= marks.raw_from and hourly <= marks.hourly_from:
                return
            first_tile = earliest_tile(connection, marks, tiles)
            until = min(raw, _day(marks.sealed if first_tile is None else min(first_tile, marks.sealed)))
            waiting = f"SELECT min(ts) FROM late WHERE ts >= %s{late_rows.others('ts')}"  # noqa: S608 - integers of ours
            ((first_late,),) = ask(connection, waiting, (marks.raw_from,))
            if first_late is not None:
                until = max(min(until, _day(first_late)), until - PATIENCE_US)
            raw_from = max(until, marks.raw_from)
            hourly_from = max(min(hourly, raw_from), marks.hourly_from)
            for name, at in (("raw_from", raw_from), ("hourly_from", hourly_from)):
                if at > getattr(marks, name):
                    move(connection, name, at)
            if raw_from > marks.compacted:
                move(connection, "compacted", raw_from)
            reach("retention.moving")

        self._database.write_retrying(work)
        reach("retention.moved")

    def steps(self, now: datetime) -> Iterator[Deleted]:
        """Deletes a slice before each of these; nothing when this process did all of it already."""
        with self._database.read() as connection:
            cuts = self._cuts(connection, now)
            if cuts == self._swept:
                return
            places = _places(connection, cuts)
            old = look(connection, OldBefore(cuts.hourly, cuts.events, cuts.history))
        stages = [self._by_group(places), self._by_key(cuts, old)]
        if old.lives:
            stages.append(Deleted(*done) for done in forget_lives(self._database, cuts.hourly))
        if old.events:
            stages.append(Deleted(*done) for done in forget_events(self._database, cuts.events))
        for rows in stages:
            for found in rows:
                reach("retention.deleted")
                yield found
        self._swept = cuts
        if cuts == self._wanted(now):
            self._finished = cuts

    def _wanted(self, now: datetime) -> _Cuts:
        """What the settings say."""
        kept = self._settings
        return _Cuts(
            self._midnight(now, kept.raw),
            self._midnight(now, kept.hourly),
            self._midnight(now, kept.events),
            self._midnight(now, kept.history),
            tuple((name, self._midnight(now, one)) for name, one in sorted(kept.meters.items())),
        )

    def _cuts(self, connection: Connection, now: datetime) -> _Cuts:
        """What may go: not what somebody waits for."""
        marks = known(connection)
        wanted = self._wanted(now)
        meters = [(name, max(marks.raw_from, min(at, marks.compacted))) for name, at in wanted.meters]
        return replace(wanted, raw=marks.raw_from, hourly=marks.hourly_from, meters=tuple(meters))

    def _by_group(self, places: Sequence["_Place"]) -> Iterator[Deleted]:
        gids: Sequence[int] = [-1]
        while gids:
            gids, earliest = self._slice(places, gids[-1])
            for place, first in zip(places, earliest, strict=False):
                yield from self._of_groups(place, gids, first)
            if len(gids) < GROUPS_A_SLICE:
                return

    def _slice(self, places: Sequence["_Place"], after: int) -> tuple[Sequence[int], Sequence[int | None]]:
        """The next groups, and of each place the first time of these; mostly there is nothing to go."""
        with self._database.read() as connection:
            gids = [gid for (gid,) in ask(connection, _GROUPS, (after,))]
            if not gids:
                return (), ()
            looks = [place.earliest(gids) for place in places]
            texts, values = ", ".join([f"({text})" for text, _ in looks]), [some for _, some in looks]
            return gids, ask(connection, f"SELECT {texts}", [*chain.from_iterable(values)])[0]

    def _of_groups(self, place: "_Place", gids: Sequence[int], earliest: int | None) -> Iterator[Deleted]:
        """A day of these groups at a time, from the earliest on."""
        while earliest is not None:
            work = partial(self._remove, place=place, gids=gids, day=_day(earliest))
            yield Deleted(place.table.name, self._database.write_retrying(work))
            with self._database.read() as connection:
                ((earliest,),) = ask(connection, *place.earliest(gids))

    def _remove(self, connection: Connection, place: "_Place", gids: Sequence[int], day: int) -> int:
        if place.counted_from is not None and day >= place.counted_from:
            take_turn(connection)
            count_deltas(connection, self._names, gids, day)
            reach("retention.counted")
        return _execute(connection, place.removal(gids, min(day + DAY, place.cut)))

    def _by_key(self, cuts: _Cuts, old: Old) -> Iterator[Deleted]:
        identity = delta_identity.c
        for first in range(
            256 if old.identities else 0
        ):  # ids are random: no look takes longer than a limit of time
            begin, end = bytes((first, *bytes(15))), bytes((first, *b"\xff" * 15))
            some = identity.id.between(begin, end) & (identity.recv < cuts.raw - AHEAD_US)
            yield from self._listed(identity.id, some)
        if old.quarantine:
            yield from self._listed(quarantine.c.digest, quarantine.c.last_seen < cuts.events)
        if old.changes:
            yield from self._listed(alarm_change.c.event_id, alarm_change.c.timestamp < cuts.history)
        if old.deliveries:
            done = (delivery.c.created_at < cuts.history) & (delivery.c.state != "pending")
            yield from self._listed(delivery.c.delivery_id, done, delivery_attempt.c.delivery_id)

    def _listed(
        self,
        key: Column[Any],
        old: ColumnElement[bool],
        *below: Column[Any],  # Any: text or bytes
    ) -> Iterator[Deleted]:
        """In the order of the key, with what belongs to the rows in tables below."""
        after: Any = None
        while True:
            some = select(key).where(old, *(() if after is None else (key > after,))).order_by(key)
            with self._database.read() as connection:
                keys = connection.execute(some.limit(ROWS_A_SLICE)).scalars().all()
            if not keys:
                return

            def work(connection: Connection, keys: Sequence[Any] = keys) -> int:
                for column in below:
                    connection.execute(delete(column.table).where(column.in_(keys)))
                return _execute(connection, delete(key.table).where(key.in_(keys), old))

            yield Deleted(key.table.name, self._database.write_retrying(work))
            after = keys[-1]

    def _midnight(self, now: datetime, kept: str) -> int:
        return max(0, _day(to_microseconds(now - age(kept))))


@dataclass(frozen=True, slots=True)
class _Place:
    """Rows of a table before `cut`, of these meters (none: of all).

    `probed` are the meters of which one is in every span that has rows (none: of no matter which). From `counted_from`
    on, rows leave hourly figures behind.
    """

    table: Table
    time: Column[Any]
    cut: int
    mids: tuple[int, ...] = ()
    probed: tuple[int, ...] = ()
    counted_from: int | None = None

    def earliest(self, gids: Sequence[int]) -> tuple[str, list[int]]:
        """Asks for the first time of these groups: a statement and the values of its marks."""
        time, probed = self.time.name, f" AND mid IN ({marks(self.probed)})" if self.probed else ""
        some = f"gid IN ({marks(gids)}) AND {time} < %s{probed}"
        return f"SELECT min({time}) FROM {self.table.name} WHERE {some}", [*gids, self.cut, *self.probed]  # noqa: S608 - our tables

    def removal(self, gids: Sequence[int], until: int) -> Any:  # a Delete
        """Deletes the rows of these groups before a time."""
        chosen = (self.table.c.mid.in_(self.mids),) if self.mids else ()
        return delete(self.table).where(self.table.c.gid.in_(gids), self.time < until, *chosen)


def _places(connection: Connection, cuts: _Cuts) -> list[_Place]:
    """What is deleted by groups."""
    deltas = connection.execute(select(meter.c.mid).where(meter.c.type == "delta")).scalars().all()
    places = [
        _Place(tile, tile.c.start, cuts.raw, probed=(STAMPS,)),
        _Place(day_tile, day_tile.c.start, cuts.raw, probed=(STAMPS,)),
        _Place(late, late.c.ts, cuts.raw),
        _Place(delta, delta.c.ts, cuts.raw, counted_from=cuts.hourly),
        _Place(day_roll, day_roll.c.start, cuts.hourly, probed=(STAMPS, *deltas)),
    ]
    for name, cut in cuts.meters:
        mids = connection.execute(select(meter.c.mid).where(meter.c.name == name)).scalars().all()
        if mids:
            some = tuple(mids)
            places.append(_Place(day_tile, day_tile.c.start, cut, some, probed=some))
    return places


def _execute(connection: Connection, statement: Any) -> int:  # Any: a Delete
    rows = connection.execute(statement).rowcount
    reach("retention.deleting")
    return rows


def _day(moment: int) -> int:
    return moment - moment % DAY

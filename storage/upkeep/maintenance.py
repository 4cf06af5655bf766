"""All that is done to the store beside taking samples in: partitions, sealing, merging, compacting, forgetting.

Every step is a transaction of its own: whoever is killed between or within two leaves a store that is right, and any
number may do it at once, one step at a time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice

from sqlalchemy import Connection, Select, func, select, text

from storage.database import Database
from storage.errors import DamagedTile
from storage.sample import from_microseconds, to_microseconds
from storage.settings import MaintenanceSettings, RetentionSettings
from storage.tables import hot, late
from storage.tables_tiles import STAMPS, tile
from storage.tiles.compact import Compactor
from storage.tiles.kept_days import KeptDays
from storage.tiles.kept_rows import KeptRows
from storage.tiles.reseal import Resealer, ripe_rows
from storage.tiles.seal import TOGETHER, Sealed, Sealer
from storage.upkeep.partition_kinds import LONG, SPAN
from storage.upkeep.partitions import Partitions
from storage.upkeep.retention import Retention
from storage.watermarks import DAY, HOUR, Watermarks, as_watermarks, known

STEPS_A_TURN = 100  # of each stage: then whoever asked may look at the clock
HOURS_A_DROP = 24  # in a long turn; SQLite looks at every row of the table to delete some
ROWS_OF_LONG = 50_000  # at most, as a thousand instances have in a partition that is not long
HOURS_AHEAD = 3  # that have a partition before they begin
TRY_AGAIN = timedelta(minutes=10)  # to make partitions that somebody was in the way of

_LOOK = "SELECT name, at, EXISTS (SELECT 1 FROM late) FROM watermark"

NOTHING_YET = Watermarks(0, 0, 0, 0, 0)


class Stage(StrEnum):
    """What maintenance does, in this order."""

    PARTITIONS = "partitions"
    SEAL = "seal"
    DROP = "drop"
    LATE = "late"
    COMPACT = "compact"
    RETENTION = "retention"


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: `amount` partitions, readings or rows.

    `units` are hours sealed, or days of groups merged or compacted: the measure of `Maintenance.ahead`.
    """

    stage: Stage
    amount: int
    units: int = 1


@dataclass(slots=True)
class Done:
    """What a turn did, by stage; `is_finished` when nothing is left to do now."""

    amounts: dict[Stage, int] = field(default_factory=lambda: dict.fromkeys(Stage, 0))
    is_finished: bool = True


class Maintenance:
    """Maintains one store. Groups' days with a damaged tile are passed over and listed in `damaged`.

    `waits`: hours of few samples wait until it pays to seal them, which whoever does this by hand does not want.
    `kept_rows`: what this process stores itself.
    """

    def __init__(
        self,
        database: Database,
        settings: MaintenanceSettings,
        retention: RetentionSettings,
        *,
        waits: bool = False,
        kept_rows: KeptRows | None = None,
    ) -> None:
        self._database = database
        self._grace = timedelta(seconds=settings.grace_s)
        self._late_wait = timedelta(seconds=settings.late_wait_s)
        self._partitions = Partitions(database)
        kept_days = KeptDays()
        self._sealer = Sealer(
            database,
            grace=self._grace,
            waits_for=TOGETHER if waits else 0,
            kept_rows=kept_rows,
            kept_days=kept_days,
        )
        self._resealer = Resealer(database, wait=self._late_wait)
        self._compactor = Compactor(database, kept_days)
        self._retention = Retention(database, retention)
        self._make_at: datetime | None = None
        self._dropped_to: int | None = None
        self._marks = NOTHING_YET
        self._has_late = False
        self._given_up: list[DamagedTile] = []

    @property
    def damaged(self) -> list[str]:
        """What the last turn could not read, each tile by its name."""
        found = [*self._resealer.damaged.found.values(), *self._compactor.damaged.found.values()]
        return sorted({str(error) for error in (*found, *self._given_up)})

    def turn(self, now: datetime, stop: Callable[[], bool] = lambda: False) -> Done:
        """Does what there is to do, up to a hundred steps of each stage or until `stop` answers True after one.

        Raises as `Database.write_retrying` does; what was done before stays done.
        """
        done = Done()
        steps = self.steps(now, done)
        for step in steps:
            done.amounts[step.stage] += step.amount
            if stop():
                done.is_finished = False
                break
        return done

    def steps(
        self, now: datetime, done: Done | None = None, most: int | None = STEPS_A_TURN
    ) -> Iterator[Step]:
        """Does a step before each of these; of each stage at most so many (None: all).

        `done.is_finished` becomes False when a stage is not through; then samples are kept whatever their age.
        """
        done = done or Done()
        self._begin()
        for stage in (
            self._make_partitions(now),
            self._seal(now),
            self._drop(),
            self._merge(now),
            self._compact(),
        ):
            taken = 0
            for step in islice(stage, most):
                taken += 1
                yield step
            if taken == most:
                done.is_finished = False
        if done.is_finished:
            yield from self._forget(now, done, most)

    def ahead(self, stage: Stage, now: datetime) -> int | None:
        """How many units (see `Step`) a stage has before it; None where nobody knows."""
        with self._database.read() as connection:
            marks = known(connection)
            if stage is Stage.SEAL:
                return self._hours_ahead(connection, marks, now)
            if stage is Stage.LATE:
                waited = to_microseconds(now - self._late_wait)
                ripe = text(ripe_rows(marks, waited, self._resealer.damaged))
                return _count(connection, select(late.c.gid, late.c.ts - late.c.ts % DAY).where(ripe))
            if stage is Stage.COMPACT:
                over = (tile.c.mid == STAMPS, tile.c.start < marks.sealed - marks.sealed % DAY)
                return _count(connection, select(tile.c.gid, tile.c.start - tile.c.start % DAY).where(*over))
        return None

    def waiting(self) -> int:
        """How many rows of late samples wait to be merged."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(late)).scalar_one())

    def _begin(self) -> None:
        """Looks how far everything is; what was damaged is tried anew."""
        self._resealer.damaged.found.clear()
        self._compactor.damaged.found.clear()
        self._given_up.clear()
        rows = self._database.ask(_LOOK, ())
        self._marks = as_watermarks({name: at for name, at, _ in rows})
        self._has_late = any(has_late for _, _, has_late in rows)

    @property
    def _sealed(self) -> int:
        return max(self._marks.sealed, self._sealer.sealed)

    def _make_partitions(self, now: datetime) -> Iterator[Step]:
        if self._make_at is not None and now < self._make_at:
            return
        made = self._partitions.make_ahead(now, HOURS_AHEAD, length=self._length())
        next_one = from_microseconds(self._partitions.made_to) - timedelta(hours=HOURS_AHEAD)
        self._make_at = now + TRY_AGAIN if self._partitions.is_behind else next_one
        if made:
            yield Step(Stage.PARTITIONS, made)

    def _length(self) -> int:
        """Of new partitions: whoever reads `hot` may go through all rows of one."""
        return LONG if 0 < self._sealer.rows_an_hour * (LONG // HOUR) <= ROWS_OF_LONG else SPAN

    def _seal(self, now: datetime) -> Iterator[Step]:
        self._sealer.close(now)
        hours = 0
        while sealed := self._sealer.step():
            hours += sealed.hours
            if hours >= HOURS_A_DROP:
                self._partitions.drop_before(self._sealer.sealed, only_whole=True)
                hours = 0
            yield Step(Stage.SEAL, sealed.readings, sealed.hours)

    def _drop(self) -> Iterator[Step]:
        """Once for each partition that is sealed, and as long as there is one that somebody's lock kept."""
        over = self._sealed - self._sealed % SPAN
        if over == self._dropped_to or over < self._partitions.next_end:
            return
        dropped = self._partitions.drop_before(over, only_whole=True)
        if not self._partitions.is_held:
            self._dropped_to = over
        if dropped:
            yield Step(Stage.DROP, dropped)

    def _merge(self, now: datetime) -> Iterator[Step]:
        if self._has_late:
            yield from self._passing(Stage.LATE, lambda: self._resealer.step(now))

    def _compact(self) -> Iterator[Step]:
        if self._marks.compacted < self._sealed - self._sealed % DAY:
            yield from self._passing(Stage.COMPACT, self._compactor.step)

    def _passing(self, stage: Stage, step: Callable[[], Sealed | None]) -> Iterator[Step]:
        """The steps of a stage, until so much is damaged that it makes no sense to go on."""
        try:
            while found := step():
                yield Step(stage, found.readings, found.groups)
        except DamagedTile as error:
            self._given_up.append(error)

    def _forget(self, now: datetime, done: Done, most: int | None) -> Iterator[Step]:
        if not self._retention.is_due(now):
            return
        if not self._given_up:
            self._retention.advance(now, self._compactor.damaged, self._resealer.damaged)
        taken = 0
        for deleted in islice(self._retention.steps(now), most):
            taken += 1
            yield Step(Stage.RETENTION, deleted.rows)
        done.is_finished = taken != most

    def _hours_ahead(self, connection: Connection, marks: Watermarks, now: datetime) -> int:
        ended = to_microseconds(now - self._grace) // HOUR
        extent = select(func.min(hot.c.ts), func.max(hot.c.ts)).where(hot.c.ts >= marks.sealed)
        first, last = connection.execute(extent).one()
        return 0 if first is None else max(0, min(ended, last // HOUR + 1) - first // HOUR)


def _count(connection: Connection, pairs: Select[tuple[int, int]]) -> int:
    """How many different ones there are."""
    named = pairs.distinct().subquery()
    return int(connection.execute(select(func.count()).select_from(named)).scalar_one())

"""Figures of one resource by whole hours: one statement, which is a snapshot by itself.

It is put with the watermarks and numbers of an earlier question, and finds out by itself whether they still hold (as
`storage.reading.recent`) and where the resource is. What it cannot tell (late readings, deltas, cut hours, damage,
slots that moved) is left to `storage.reading.readings`.
"""

from collections.abc import Sequence
from contextlib import suppress

from storage.columns import Columns, Figures, Wanted
from storage.database import Database
from storage.dialects.postgresql import PostgreSQL
from storage.directory import Directory
from storage.errors import DamagedTile, StorageError
from storage.names import Names, Owner
from storage.query import SampleQuery, StatisticsQuery
from storage.reading.answers import StatisticsTable
from storage.reading.brief_statement import OPEN, PLACED, ROLLED, TILED, Asked, Gaps, Row, statement
from storage.reading.by_hour import Found, answer, is_by_hour
from storage.reading.hours import Hours
from storage.reading.layer import of_slot
from storage.reading.moment import Moment
from storage.reading.packed_statement import HOT, Packed, PackedStatement, hot_readings, unpacked
from storage.reading.places import OF_GROUP, Places
from storage.reading.selection import times_of
from storage.reading.told import SealedRecord, Told, figures, only, packed
from storage.tables_tiles import STAMPS
from storage.tiles import bundles, heads, rolls
from storage.tiles.bundles import Records
from storage.tiles.layout import checked_rank, place_in
from storage.watermarks import DAY, HOUR

FOREVER = 2**62
_HOURLY = Wanted(HOUR)
SOON = (
    31 * DAY
)  # a month is counted and written in 1.2 ms: a thread would keep the interpreter to itself as long
GAPS_MAX = 50_000
# The long way says what is damaged, and learns what nobody knows yet.
_LONG_WAY = (DamagedTile, LookupError)


class Brief:
    """Answers what it can. `remember` teaches it, from the questions it could not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._moment: Moment | None = None
        self._gaps: dict[tuple[str, str | None], Gaps] = {}  # by resource and project
        self._packed: PackedStatement | None = None
        self._places = Places(Directory())
        self._of_group = OF_GROUP.format(database.dialect.mark)

    def remember(self, moment: Moment | None) -> None:
        """When the last question was asked that had to go the long way."""
        self._moment = moment or self._moment

    def figures(self, names: Names, query: SampleQuery, wanted: Wanted) -> list[Columns | Figures] | None:
        """As `Reader.figures`; None where that has to be asked."""
        with suppress(*_LONG_WAY):
            asked = self._asked(names, query, wanted)
            if asked is not None:
                return list(figures(names, asked, self._told(names, asked, self._rows(asked))))
        return None

    def by_hour(self, names: Names, query: StatisticsQuery) -> Hours | StatisticsTable | None:
        """The whole answer, where that is one of a meter by the hour; None where that has to be counted."""
        with suppress(*_LONG_WAY):
            asked = self._asked(names, query.samples, _HOURLY) if is_by_hour(query) else None
            if asked is not None and len(asked.mids) == 1:
                rows = self._database.ask(*self._hourly(asked))
                gid = self._strange_group(asked, rows)
                if gid is not None:
                    with suppress(StorageError):  # only later questions are helped by it
                        self._places.learn_group(gid, self._database.ask(self._of_group, (gid,)))
                return self._answer(names, query, asked, rows)
        return None

    async def by_hour_soon(self, names: Names, query: StatisticsQuery) -> Hours | StatisticsTable | None:
        """The same where an event loop can tell; None where a thread has to ask."""
        with suppress(*_LONG_WAY):
            asked = self._asked(names, query.samples, _HOURLY) if is_by_hour(query) else None
            if asked is None or len(asked.mids) > 1 or asked.end - asked.start > SOON:
                return None
            rows = await self._database.ask_soon(*self._hourly(asked))
            if rows is None:
                return None
            gid = self._strange_group(asked, rows)
            if gid is not None:
                with suppress(StorageError):  # as above
                    of_group = await self._database.ask_soon(self._of_group, (gid,))
                    if of_group is not None:
                        self._places.learn_group(gid, of_group)
            return self._answer(names, query, asked, rows)
        return None

    def _hourly(self, asked: Asked) -> tuple[str, Sequence[int | str | bytes]]:
        """The statement for one meter by the hour."""
        if not self._packs(asked):
            return statement(asked, self._database.dialect)
        packed = self._packed  # which another thread may replace
        if packed is None or packed.moment is not asked.moment:
            packed = self._packed = PackedStatement(asked.moment)
        return packed.put(asked)

    def _strange_group(self, asked: Asked, rows: Sequence[Row]) -> int | None:
        """Learns where a resource is that was not known; returns its group, if others of it are not known either."""
        if not self._packs(asked) or asked.place is not None:
            return None
        place = unpacked(rows[0], None).place
        if place is None:
            return None
        self._places.learn(asked.resource_id, place)
        return None if self._places.has_group(place.gid) else place.gid

    def _packs(self, asked: Asked) -> bool:
        return self._database.dialect.name == PostgreSQL.name and None not in asked.gaps

    def _answer(
        self, names: Names, query: StatisticsQuery, asked: Asked, rows: Sequence[Row]
    ) -> Hours | StatisticsTable | None:
        if self._packs(asked):
            rid, found = self._unpacked(names, asked, unpacked(rows[0], asked.place))
        else:
            told = self._told(names, asked, rows)
            rid, found = told.place[1], _of_told(names, asked, told)
        return answer(names, query, rid, found)

    def _asked(self, names: Names, query: SampleQuery, wanted: Wanted) -> Asked | None:
        moment, (start, end) = self._moment, times_of(query)
        if moment is None or start is None or query.looks_around or query.message_id is not None:
            return None
        marks, end = moment.marks, FOREVER if end is None else end
        is_whole = start % HOUR == 0 and (end % HOUR == 0 or end >= marks.sealed) and wanted.divides(HOUR)
        is_kept = start >= max(marks.raw_from, marks.hourly_from)
        if wanted.spread or not is_whole or not is_kept or end <= start:
            return None
        mids = names.directory.known_mids(moment, query.meter)
        resource_id, project_id = query.resource_id, query.project_id
        if not mids or resource_id is None or any(names.meter(mid).type == "delta" for mid in mids):
            return None
        if not query.scope.everything:
            if project_id not in (None, query.scope.project_id):
                return None
            project_id = query.scope.project_id
        gaps = self._gaps.get((resource_id, project_id), Gaps())
        if self._places.directory is not names.directory:  # which begins anew where numbers do
            self._places = Places(names.directory)
        place = self._places.of(resource_id, project_id)
        return Asked(moment, resource_id, project_id, mids, start, end, gaps, place)

    def _rows(self, asked: Asked) -> Sequence[Row]:
        return self._database.ask(*statement(asked, self._database.dialect))

    def _told(self, names: Names, asked: Asked, rows: Sequence[Row]) -> Told:
        """What the rows tell; raises LookupError where the moment is over, something is late, or records moved."""
        places, sealed, hot = list[Row](), list[Row](), list[Row]()
        for row in rows:
            if row[0] == OPEN:
                hot.append(row)
            elif row[0] in (ROLLED, TILED):
                sealed.append(row)
            elif row[0] == PLACED:
                places.append(row)
            elif row[1]:
                raise LookupError("the moment is over, or something is late")
        if len(places) != 1:
            raise LookupError("no resource, or several")
        gid, rid, slot = places[0][1:4]
        names.know((gid, rid, slot), Owner(asked.resource_id, places[0][-1] or None))
        return Told((gid, rid, slot), self._ranked(asked, slot, sealed), hot)

    def _unpacked(self, names: Names, asked: Asked, packed: Packed) -> tuple[int, Found]:
        """The same of what came packed: whose it is, and what there is."""
        if packed.is_elsewhere:
            names.begin_anew()
            raise LookupError("the resource is not where it was")
        if packed.place is None or packed.is_over:
            raise LookupError("no resource, or several, or the moment is over, or something is late")
        (gid, rid, slot, owner), gaps = packed.place, asked.gaps
        names.know((gid, rid, slot), Owner(asked.resource_id, owner or None))
        of_days = of_slot(packed.days, slot, are_days=True)
        of_hours = of_slot(packed.hours, slot, are_days=False)
        self._expect(asked, of_days.places_before(), of_hours.places_before())
        days, hours = of_days.records(gaps.days), of_hours.records(gaps.hours)
        (mid,) = asked.mids
        return rid, _found(asked, days, hours, hot_readings(names, mid, packed.hot))

    def _expect(self, asked: Asked, days: set[int], hours: set[int]) -> Gaps:
        """What is before the resource's records; raises LookupError where that is something else than was thought."""
        known = asked.gaps
        if days <= {known.days} and hours <= {known.hours}:
            return known
        gaps = Gaps(_gap(known.days, days), _gap(known.hours, hours))
        if gaps != known:
            if len(self._gaps) > GAPS_MAX:
                self._gaps.clear()
            self._gaps[asked.resource_id, asked.project_id] = gaps
            raise LookupError("other records than was thought")
        return gaps

    def _ranked(self, asked: Asked, slot: int, rows: Sequence[Row]) -> list[SealedRecord]:
        """The records in the rows; raises LookupError where they are others than was thought."""
        ranks: dict[tuple[int, bytes, int], int | None] = {}
        found: list[SealedRecord] = []
        for kind, _, mid, start, line, w, _, slots, head, record, _ in rows:
            row = bundles.Row(mid, start, w, slots, head)
            slots_in, own = (rolls if kind == ROLLED else heads).slots_in, head
            if mid == STAMPS:
                own, rank = place_in(slots, head, slot, slots_in)
            else:
                known = kind, slots, slots_in(head)
                if known not in ranks:
                    ranks[known] = checked_rank(*known[1:], slot)
                rank = ranks[known]
            if rank is not None:
                found.append(SealedRecord(kind, line, row, own, record or b"", rank))
        days, hours = (
            {slot - rank for (of, *_), rank in ranks.items() if of == kind and rank is not None}
            for kind in (ROLLED, TILED)
        )
        gaps = self._expect(asked, days, hours)
        return [only(one, gaps) for one in found] if None in gaps else found


def _gap(known: int | None, found: set[int]) -> int | None:
    """How many slots before the resource's have no record, as far as that is known now."""
    if known is None or not found:
        return known
    return found.pop() if len(found) == 1 else None


def _of_told(names: Names, asked: Asked, told: Told) -> Found:
    """What there is in rows that came one by one."""
    slot, days, hours = told.place[2], packed(told, ROLLED), packed(told, TILED)
    of_days, of_hours = of_slot(days, slot, are_days=True), of_slot(hours, slot, are_days=False)
    hot = b"".join([HOT.pack(row[3], row[4]) + row[9] for row in told.hot])
    (mid,) = asked.mids
    return _found(asked, of_days.records(), of_hours.records(), hot_readings(names, mid, hot))


def _found(
    asked: Asked, days: Records | None, hours: Records | None, hot: Sequence[tuple[int, float]]
) -> Found:
    (mid,) = asked.mids
    return Found(mid=mid, start=asked.start, end=asked.sealed_end, days=days, hours=hours, hot=hot)

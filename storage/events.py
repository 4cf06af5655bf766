"""Events go in, once each, and are found again (`storage.event_search`)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, tuple_

from storage.database import Database
from storage.errors import DataRefused
from storage.event import Event
from storage.event_rows import Layout, Row, facets, layout_of, row_of
from storage.faults import reach
from storage.sample import to_microseconds
from storage.tables_events import event as event_table
from storage.tables_events import event_facet

KEYS_A_QUESTION = 500
SHAPES_KNOWN = 100_000  # then they are learned anew
EVENT = event_table.c


@dataclass(frozen=True, slots=True)
class StoredEvents:
    """What became of a batch: events that are new, and events that were there already."""

    new: int
    duplicates: int


class Events:
    """The store of events (`storage.event_search.EventSearch` finds them again)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._shapes: set[int] = set()  # those that are written

    def store(self, events: Iterable[Event], *, received_at: datetime) -> StoredEvents:
        """Keeps events in one transaction; one that is there already stays as it is, whatever the second one says.

        Their texts are clean. Raises DatabaseUnavailable (try the same again, also when the outcome of the commit is
        unknown) or DataRefused (nothing was kept; bisect).
        """
        received = to_microseconds(received_at)
        given = list(events)
        rows: dict[tuple[int, int], Row] = {}
        places: list[tuple[int, int, int]] = []
        layouts: dict[int, Layout] = {}
        try:
            for event in given:
                layout = layout_of(event)
                row = row_of(event, layout, received)
                if rows.setdefault((row.m, row.k), row) is row:
                    layouts[layout.number] = layout
                    places += [(facet, row.ts, row.k) for facet in facets(event, layout)]
        except (ValueError, OverflowError, RecursionError, TypeError) as error:
            raise DataRefused(f"an event can not be kept: {error}") from error
        if not rows:
            return StoredEvents(0, 0)
        self._note_shapes(layouts)
        ordered, found = sorted(rows.values()), sorted(places)

        def work(connection: Connection) -> int:
            new = self._database.dialect.insert_fresh(connection, event_table, ordered)
            meant = _of_kept(connection, ordered, found) if 0 < new < len(ordered) else found
            if new and meant:
                self._database.dialect.insert_fresh(connection, event_facet, meant)
            reach("events.before_commit")
            return new

        new = self._database.write_retrying(work)
        return StoredEvents(new, len(given) - new)

    def _note_shapes(self, layouts: Mapping[int, Layout]) -> None:
        """Writes those that are not known to be there: before the rows, which can not be read without."""
        new = sorted(layouts.keys() - self._shapes)
        if not new:
            return
        keep = self._database.dialect.keep_first.format(key="shape", table="event_shape")
        mark = self._database.dialect.mark
        statement = (
            "INSERT INTO event_shape (shape, kind, event_type, traits)"  # noqa: S608 - our names
            f" VALUES ({mark}, {mark}, {mark}, {mark}) {keep}"
        )
        shapes = [(number, layouts[number].kind, layouts[number].shape) for number in new]
        rows = [(number, kind, shape.event_type, shape.text) for number, kind, shape in shapes]

        def work(connection: Connection) -> None:
            connection.exec_driver_sql(statement, rows)

        self._database.write_retrying(work)
        if len(self._shapes) > SHAPES_KNOWN:
            self._shapes.clear()
        self._shapes.update(new)


def _of_kept(
    connection: Connection, rows: Sequence[Row], places: Sequence[tuple[int, int, int]]
) -> list[tuple[int, int, int]]:
    """The places of events that stand where their rows say: one that came before may have said another time."""
    kept: set[tuple[int, int]] = set()
    for start in range(0, len(rows), KEYS_A_QUESTION):
        keys = [(row.m, row.k) for row in rows[start : start + KEYS_A_QUESTION]]
        asked = select(EVENT.ts, EVENT.k).where(tuple_(EVENT.m, EVENT.k).in_(keys))
        kept.update((row.ts, row.k) for row in connection.execute(asked))
    return [place for place in places if place[1:] in kept]

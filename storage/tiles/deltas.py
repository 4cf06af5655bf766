"""Hourly figures of delta samples. They stay rows for as long as samples are kept, and are counted when they go."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from storage.names import Names
from storage.reading.asking import put
from storage.reading.polled import delta_columns
from storage.tables import delta
from storage.tables_tiles import STAMPS, day_roll
from storage.tiles import rolls
from storage.tiles.figures import Cells, Day
from storage.tiles.layout import Series, TileRow, bitmap_of
from storage.tiles.rows import as_meters, as_rows, note_sightings
from storage.tiles.totals import pack_total
from storage.watermarks import DAY


def count_deltas(connection: Connection, names: Names, gids: Sequence[int], day: int) -> None:
    """Writes the hourly figures of a day of these groups and when their resources were seen.

    The caller deletes the samples in the same transaction, in which it has its turn: they are counted once.
    """
    for gid in gids:
        chosen = (delta.c.gid == gid, delta.c.ts >= day, delta.c.ts < day + DAY)
        found = delta_columns(connection, names, connection.execute(select(delta).where(*chosen)).all())
        if found:
            meters = as_meters(connection, names, gid, found)
            rows = [_rolled(mid, series) for mid, series in meters.items()]
            put(connection, day_roll, as_rows(gid, day, rows))
            note_sightings(connection, {gid: meters})


def _rolled(mid: int, series: Series) -> TileRow:
    """Counts and times are its own: deltas do not come with the polls of their group."""
    cells = Cells(series.slot, series.ts)
    figures = Day(cells, series.volume)
    columns = cells.times(series.ts) | figures.values() | figures.spread()
    tot = pack_total(series.ts, series.volume)
    return TileRow(mid, STAMPS, bitmap_of(cells.slots), rolls.encode_roll(columns), tot)

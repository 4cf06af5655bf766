"""How much room the store takes: by layer, by meter, by sample, and how long the disk will do."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from storage import tables_alarms, tables_outgoing
from storage.database import Database
from storage.sample import from_microseconds
from storage.tables import meter
from storage.upkeep.census import Census, take_census
from storage.upkeep.disk import free_bytes as free_bytes_of
from storage.upkeep.disk import is_lagging, table_bytes
from storage.watermarks import DAY, HOUR

LIMIT_S = 120.0
GROWING = (
    "hot",
    "late",
    "delta",
    "tile",
    "day_tile",
    "day_roll",
    "delta_identity",
    "version",
    "resource",
    "event",
    "event_facet",
)

# In the order of a sample's life. Tables not named here are `other`.
LAYERS = (
    ("open hours", ("hot",)),
    ("late samples", ("late",)),
    ("hour tiles", ("tile",)),
    ("day tiles", ("day_tile",)),
    ("hourly figures", ("day_roll",)),
    ("delta samples", ("delta", "delta_identity")),
    (
        "dimensions",
        ("project", "resource_group", "resource", "meter", "shape", "version", "series", "seen"),
    ),
    ("events", ("event", "event_facet", "event_shape")),
    ("lives", ("fact", "life")),
    ("pipelines", ("pipeline_position", "pipeline_state")),
    ("quarantine", ("quarantine",)),
    ("owed to publishers", (tables_outgoing.outgoing.name, tables_outgoing.outlet.name)),
    (
        "alarms",
        tuple(
            table.name
            for table in (
                tables_alarms.alarm,
                tables_alarms.alarm_change,
                tables_alarms.delivery,
                tables_alarms.delivery_attempt,
                tables_alarms.secret,
            )
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class LayerSize:
    """Bytes on disk with indexes, and samples (None: a layer that holds none)."""

    name: str
    bytes: int
    samples: int | None


@dataclass(frozen=True, slots=True)
class MeterSize:
    """A meter's samples and its part of the layers that hold them, with its share of stamps and overhead."""

    name: str
    type: str
    unit: str
    bytes: int
    samples: int


@dataclass(frozen=True, slots=True)
class StoreSize:
    """The whole store. `meters`: the largest first.

    `groups_counted` of `groups` were counted, the others taken to be like them; `is_lagging`: the bytes are figures the
    server brings up to date only now and then. `bytes_a_day` is None while there is less than an hour of data,
    `free_bytes` where the disk is not of this machine.
    """

    layers: tuple[LayerSize, ...]
    meters: tuple[MeterSize, ...]
    groups: int
    groups_counted: int
    is_lagging: bool
    oldest: datetime | None
    newest: datetime | None
    bytes_a_day: float | None
    free_bytes: int | None

    @property
    def is_estimate(self) -> bool:
        """Whether it is not all counted."""
        return self.is_lagging or self.groups_counted < self.groups

    @property
    def bytes(self) -> int:
        """Of all layers."""
        return sum(layer.bytes for layer in self.layers)

    @property
    def samples(self) -> int:
        """Of all layers; one that came twice in different company counts twice until it is sealed."""
        return sum(layer.samples or 0 for layer in self.layers)

    @property
    def bytes_per_sample(self) -> float | None:
        """None without samples."""
        return self.bytes / self.samples if self.samples else None

    @property
    def days_until_full(self) -> float | None:
        """None where growth or free room is unknown. Counts no retention: with it the disk may never be full."""
        if self.free_bytes is None or not self.bytes_a_day:
            return None
        return self.free_bytes / self.bytes_a_day


def measure(database: Database, *, free_bytes: int | None = None) -> StoreSize:
    """The size of the store as the database tells it, within seconds whatever the size.

    `free_bytes`: of the disk, where the operator knows better. Raises DatabaseUnavailable or SchemaMismatch.
    """
    with database.read() as connection:
        database.dialect.limit(connection, LIMIT_S)
        sizes = table_bytes(connection)
        census = take_census(connection)
        meters = _meters(connection, sizes, census)
    free = free_bytes_of(database) if free_bytes is None else free_bytes
    growing = sum(sizes.get(name, 0) for name in GROWING)
    return StoreSize(
        _layers(sizes, census),
        meters,
        census.groups,
        census.counted,
        is_lagging(database),
        None if census.oldest is None else from_microseconds(census.oldest),
        None if census.newest is None else from_microseconds(census.newest),
        _bytes_a_day(growing, census),
        free,
    )


def _layers(sizes: dict[str, int], census: Census) -> tuple[LayerSize, ...]:
    left = dict(sizes)
    found = []
    for name, tables in LAYERS:
        size = sum(left.pop(table, 0) for table in tables)
        tally = census.tallies.get(tables[0])
        is_of_samples = tally is not None and tables[0] != "day_roll"
        samples = round(tally.readings.total() * census.factor) if tally and is_of_samples else None
        found.append(LayerSize(name, size, samples))
    return (*found, LayerSize("other", sum(left.values()), None))


def _meters(connection: Connection, sizes: dict[str, int], census: Census) -> tuple[MeterSize, ...]:
    """Meters that differ only in how their numbers are kept are one."""
    shares: Counter[int] = Counter()
    samples: Counter[int] = Counter()
    for table, tally in census.tallies.items():
        samples.update(tally.readings)
        whole = tally.weights.total()
        for mid, weight in tally.weights.items():
            shares[mid] += sizes.get(table, 0) * weight // whole
    names = {row.mid: (row.name, row.type, row.unit) for row in connection.execute(select(meter))}
    by_name: dict[tuple[str, str, str], tuple[int, int]] = {}
    for mid, share in shares.items():
        size, count = by_name.get(names[mid], (0, 0))
        by_name[names[mid]] = size + share, count + samples[mid]
    found = [MeterSize(*name, size, round(count * census.factor)) for name, (size, count) in by_name.items()]
    return tuple(sorted(found, key=lambda one: (-one.bytes, one.name, one.type, one.unit)))


def _bytes_a_day(growing: int, census: Census) -> float | None:
    if census.oldest is None or census.newest is None or census.newest - census.oldest < HOUR:
        return None
    return growing * DAY / (census.newest - census.oldest)

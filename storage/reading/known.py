"""Which of many samples are stored already, and with which value."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from storage.database import Database
from storage.names import Names
from storage.query import EVERYTHING, SampleQuery
from storage.reading.readings import Reader
from storage.reading.stored import FoundSample, as_sample, found_samples
from storage.sample import Sample, from_microseconds, to_microseconds
from storage.watermarks import look

HOUR = timedelta(hours=1)

Key = tuple[object, ...]


def identity(sample: Sample) -> Key:
    """What a sample is known by: its id, or resource, meter and time."""
    if sample.id is not None:
        return (sample.id,)
    kind = (sample.meter, sample.type, sample.unit)
    return (*kind, sample.resource_id, sample.project_id, to_microseconds(sample.timestamp))


class KnownReadings:
    """Looks samples up, an hour of a meter at a time: hours and meters are how they are stored."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names = Names()

    def of(self, samples: Iterable[Sample]) -> Mapping[Key, Sample]:
        """Those that are stored, as they are stored, by `identity`. Changes nothing."""
        wanted: dict[tuple[str, datetime], set[Key]] = defaultdict(set)
        for sample in samples:
            hour = sample.timestamp.replace(minute=0, second=0, microsecond=0)
            wanted[sample.meter, hour].add(identity(sample))
        found: dict[Key, Sample] = {}
        for (meter, hour), keys in wanted.items():
            for one in self._hour(meter, hour):
                key = _identity(one)
                if key in keys:
                    found[key] = as_sample(one).sample
        return found

    def kept_from(self) -> datetime:
        """Readings before then are older than any that are kept: the store would take none of them."""
        with self._database.read() as connection:
            return from_microseconds(look(connection).raw_from)

    def _hour(self, meter: str, hour: datetime) -> Iterator[FoundSample]:
        reader = Reader(self._names.lent())
        query = SampleQuery(EVERYTHING, meter=meter, start=hour, end=hour + HOUR)
        with self._database.snapshot() as connection:
            for columns in reader.columns(connection, query):
                reader.names.learn_versions(connection, set(columns.ver.tolist()))
                yield from found_samples(reader.names, columns)


def _identity(found: FoundSample) -> Key:
    if found.id is not None:
        return (found.id,)
    return (*found.meter.kind, found.owner.resource_id, found.owner.project_id, found.ts)

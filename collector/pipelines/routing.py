"""Which publishers get what, as the sinks of pipelines say."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

from collector.outlets import Outlets, Share, ToAll
from collector.pipelines.files import Pipelines
from collector.publishers.publisher import Publisher
from storage.event import Event
from storage.ingest.arranged import arrange
from storage.ingest.batch import SampleBatch
from storage.ingest.choosing import of_meters
from storage.intake import Beside, nothing_else
from storage.sample import Sample

REMEMBERED = 4_000  # meters and event types, which whoever sends them may call as he likes
# Ceilometer's ways to its collector and so to its database, from Folsom to Rocky.
DATABASE_SCHEMES = frozenset({"database", "direct", "meter", "panko", "rpc"})


def is_database(url: str) -> bool:
    """Whether a publisher is our own database, which has everything already.

    So is `notifier://` without a host and without a topic of its own: the way to Ceilometer's collector.
    """
    parts = urlsplit(url)
    if parts.scheme == "notifier":
        return not parts.netloc and "topic" not in parse_qs(parts.query)
    return parts.scheme in DATABASE_SCHEMES


def urls_of(*pipelines: Pipelines | None) -> list[str]:
    """The URLs of all other publishers of these sinks, each once."""
    urls = [url for one in pipelines if one for sink in one.sinks for url in sink.publishers]
    return [url for url in dict.fromkeys(urls) if not is_database(url)]


class ByPipeline:
    """Everything to `everybody`, and what sources choose to the publishers of their sinks.

    `names` are those of publishers by URL. What a sink transforms is not routed here but when it is derived.
    """

    def __init__(
        self,
        everybody: Sequence[Publisher],
        names: Mapping[str, str],
        samples: Pipelines | None,
        events: Pipelines | None,
    ) -> None:
        self._all = ToAll(everybody)
        self._everybody = frozenset(one.name for one in everybody)
        self._names, self._samples, self._events = names, samples, events
        self._of_meter = self._remembering(samples)
        self._of_type = self._remembering(events)

    def route(self, samples: SampleBatch, events: Sequence[Event]) -> Iterable[Share]:
        """The shares of what was just stored, in its order."""
        yield from self._all.route(samples, events)
        some: dict[str, set[int]] = {}
        for place, meter in enumerate(samples.meters if self._samples else ()):
            for name in self._of_meter(meter.name):
                some.setdefault(name, set()).add(place)
        happened: dict[str, list[Event]] = {}
        for event in events if self._events else ():
            for name in self._of_type(event.event_type):
                happened.setdefault(name, []).append(event)
        for name in sorted(some.keys() | happened.keys()):
            yield Share(name, of_meters(samples, some.get(name, ())), happened.get(name, ()))

    def _remembering(self, pipelines: Pipelines | None) -> Callable[[str], frozenset[str]]:
        """The publishers of a meter or event type that do not get everything anyway."""

        def publishers(name: str) -> frozenset[str]:
            sinks = pipelines.sinks_of(name) if pipelines else ()
            urls = {url for sink in sinks if not sink.steps for url in sink.publishers if url in self._names}
            return frozenset(self._names[url] for url in urls) - self._everybody

        return lru_cache(REMEMBERED)(publishers)


class DerivedOutlets:
    """The queues of publishers, for derived samples: those of the sink, and those that get everything."""

    def __init__(self, outlets: Outlets, everybody: Sequence[Publisher], names: Mapping[str, str]) -> None:
        self._outlets, self._names = outlets, names
        self._everybody = [one.name for one in everybody if "samples" in one.takes]

    def promise(self, derived: Iterable[tuple[Sequence[str], Sequence[Sample]]]) -> Beside:
        """What puts samples into the queues within a transaction."""
        shares = []
        for publishers, samples in derived:
            names = {self._names[url] for url in publishers if url in self._names}
            batch = arrange(samples)
            shares += [Share(name, batch) for name in sorted(names | {*self._everybody})]
        return self._outlets.promise(shares)

    def wake(self) -> None:
        """There may be something to deliver."""
        self._outlets.wake()


class NoOutlets:
    """There is nobody else."""

    def promise(self, _derived: Iterable[tuple[Sequence[str], Sequence[Sample]]]) -> Beside:
        """Nothing to be written."""
        return nothing_else

    def wake(self) -> None:
        """Does nothing."""

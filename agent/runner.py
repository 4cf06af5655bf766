"""The agent's loop: what is due is read, made into samples and put into the outbox."""

import random
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

import structlog

from agent import deadline
from agent.delivery import Delivery
from agent.errors import SourceUnavailable
from agent.health import Health
from agent.metrics import AgentMetrics
from agent.outbox import Outbox
from agent.pollsters.catalog import Pollster
from agent.schedule import Schedule
from agent.settings import AgentSettings
from storage.sample import Sample

FIRST_CREDIBLE_YEAR = 2000  # a machine without a clock battery boots in 1970
START_SPREAD = 0.1  # of the interval: agents that boot together do not poll together
JOIN_S = 5.0
GLANCE_S = 0.25  # how often a wait for sources looks whether the agent shall end

log = structlog.get_logger()

Reading = TypeVar("Reading")
Reading_co = TypeVar("Reading_co", covariant=True)


class Source(Protocol[Reading_co]):
    """Reads everything its pollsters need in one go. It may hang: it is read in a thread of its own."""

    @property
    def name(self) -> str:
        """What it is called in logs and metrics."""
        ...

    def read(self, now: datetime, /) -> Reading_co:
        """One reading; raises SourceUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Part(Generic[Reading]):
    """A source and the pollsters that draw from its readings."""

    source: Source[Reading]
    pollsters: Sequence[Pollster[Reading]]


AnyPart = Part[Any]  # source and pollsters of a part agree with each other; parts have nothing in common


class Runner:
    """Polls its parts until told to stop; a part that hangs or fails leaves the others alone.

    All samples of one cycle carry the same moment, those of one resource stand together.
    """

    def __init__(
        self, parts: Sequence[AnyPart], outbox: Outbox, settings: AgentSettings, metrics: AgentMetrics
    ) -> None:
        self._parts = [_enabled(part, settings.disabled) for part in parts]
        self._outbox = outbox
        self._settings = settings
        self._metrics = metrics
        self._health = Health(metrics)
        self._late: dict[str, Future[object]] = {}  # reads that missed their deadline, by source
        self._clock_is_wrong = False
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Poll and deliver until `stop` is set; returns within seconds of it."""
        self._stop = stop
        delivery = threading.Thread(
            target=Delivery(self._outbox).run, args=(stop,), name="delivery", daemon=True
        )
        delivery.start()
        log.info("agent_started", host=self._settings.host, interval_s=self._settings.interval)
        spread_s = random.uniform(0, START_SPREAD * self._settings.interval)  # noqa: S311 - spreads load only
        schedule = Schedule(self._intervals_s(), time.monotonic() + spread_s)
        while not stop.is_set():
            next_s = schedule.next_s()
            if stop.wait(None if next_s is None else max(0.0, next_s - time.monotonic())) or next_s is None:
                break
            self._metrics.late_seconds.set(max(0.0, time.monotonic() - next_s))
            due = schedule.take_due(time.monotonic())
            try:
                self.poll_once(datetime.now(UTC), due)
            except Exception:
                self._metrics.failed_polls.inc()
                log.exception("poll_failed", pollsters=sorted(due))
        delivery.join(JOIN_S)

    def poll_once(self, now: datetime, names: Collection[str] | None = None) -> int:
        """Poll once, all pollsters or those named; returns how many samples went into the outbox."""
        if not self._is_credible(now):
            return 0
        count = 0
        for part, reading in self._read(now, names):
            samples: list[Sample] = []
            for pollster in part.pollsters:
                if names is None or pollster.name in names:
                    samples.extend(self._sample(pollster, reading, now))
            samples.sort(key=lambda sample: sample.resource_id)  # stable: meters keep their order
            self._outbox.put(samples)
            count += len(samples)
        return count

    def _intervals_s(self) -> dict[str, float]:
        """Spacing of each pollster: the operator's for it, else its own, else the agent's."""
        pollsters = [pollster for part in self._parts for pollster in part.pollsters]
        usual_s = self._settings.interval
        own_s = {pollster.name: pollster.interval for pollster in pollsters}
        return {
            name: self._settings.intervals.get(name, interval.total_seconds() if interval else usual_s)
            for name, interval in own_s.items()
        }

    def _is_credible(self, now: datetime) -> bool:
        """Whether the clock was ever set; samples of a clock that was not would count for no period."""
        wrong = now.year < FIRST_CREDIBLE_YEAR
        if wrong != self._clock_is_wrong:
            said = log.error if wrong else log.info
            said("clock_not_set" if wrong else "clock_set", now=now.isoformat())
        self._clock_is_wrong = wrong
        return not wrong

    def _read(self, now: datetime, names: Collection[str] | None) -> Iterator[tuple[AnyPart, Any]]:
        """Readings as they come in; sources that fail or miss the deadline give none."""
        reads: dict[Future[Any], AnyPart] = {}  # Any: each source's reading is its own
        for part in self._parts:
            if names is None or any(name in names for name in _names(part)):
                future = self._start(part, now)
                if future is not None:
                    reads[future] = part
        until_s = time.monotonic() + self._settings.source_deadline
        while reads and not self._stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            done, _ = wait(reads, timeout=min(left_s, GLANCE_S), return_when=FIRST_COMPLETED)
            for future in done:
                yield from self._outcome(reads.pop(future), future)
        if self._stop.is_set():  # what is read by now is kept, what hangs is left
            for future in wait(reads, timeout=GLANCE_S).done:
                yield from self._outcome(reads[future], future)
            return
        for future, part in reads.items():
            self._late[part.source.name] = future
            error = f"no answer within {self._settings.source_deadline:g} s"
            self._health.source_failed(part.source.name, _names(part), error)

    def _start(self, part: AnyPart, now: datetime) -> Future[Any] | None:
        """Begin to read a source, unless it still hangs in an earlier read, whose answer nobody wants now."""
        name = part.source.name
        late = self._late.pop(name, None)
        if late is not None and not late.done():
            self._late[name] = late
            self._health.source_failed(name, _names(part), "still hangs in an earlier read")
            return None

        def read() -> object:
            with self._metrics.read_seconds.labels(source=name).time():
                return part.source.read(now)

        return deadline.start(read, f"read-{name}")

    def _outcome(self, part: AnyPart, future: Future[Any]) -> Iterator[tuple[AnyPart, Any]]:
        name = part.source.name
        try:
            reading = future.result()
        except SourceUnavailable as error:
            self._health.source_failed(name, _names(part), str(error))
        except Exception as fault:  # noqa: BLE001 - said by health; the other sources go on
            self._health.source_failed(name, _names(part), repr(fault), fault)
        else:
            self._health.source_answered(name)
            yield part, reading

    def _sample(self, pollster: Pollster[Any], reading: object, now: datetime) -> list[Sample]:
        """The samples of one pollster; none at all when it fails."""
        try:
            samples = list(pollster.poll(reading, now))
        except Exception as fault:  # noqa: BLE001 - said by health; the other pollsters go on
            self._health.pollster_failed(pollster.name, fault)
            return []
        self._health.pollster_succeeded(pollster.name, len(samples), now)
        return samples


def _names(part: AnyPart) -> list[str]:
    return [pollster.name for pollster in part.pollsters]


def _enabled(part: AnyPart, disabled: Collection[str]) -> AnyPart:
    return Part(part.source, [pollster for pollster in part.pollsters if pollster.name not in disabled])

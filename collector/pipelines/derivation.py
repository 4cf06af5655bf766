"""What transformers make of stored samples, turn by turn, stored and handed on.

Samples are looked at once they are `settle` old, in one order that everybody finds them in, so it does not matter in
which order they came, how many collectors there are and when any of them is killed.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import msgspec
import structlog

from collector.pipelines.files import Pipelines
from collector.pipelines.line import Line, sink_key
from collector.pipelines.memory import Memory, Owner, Remembered, owner_of, owners_in
from collector.publishers import Keeper
from storage.errors import DataRefused
from storage.ingest.arranged import arrange
from storage.intake import Beside, both
from storage.sample import Sample, from_microseconds, to_microseconds
from storage.samples import Samples
from storage.transforming import WHOLE, State, Transforming
from storage.window import Window

FEW, MANY = 20_000, 100_000  # samples of a step: fewer make the next one longer, more shorter
CYCLES_MAX = 120
KEPT = timedelta(days=7)  # what is remembered of a resource without samples
TIDIED_EVERY = timedelta(hours=1)

log = structlog.get_logger()

_MadeBy = list[tuple[Sequence[str], Sequence[Sample]]]  # publishers, by URL, and what they are owed


class Outlets(Protocol):
    """Where samples go beside the database."""

    def promise(self, derived: Iterable[tuple[Sequence[str], Sequence[Sample]]], /) -> Beside:
        """What owes samples to publishers, named by URL, once the transaction in which it is called is committed."""
        ...

    def wake(self) -> None:
        """What was promised is committed."""
        ...


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn did: samples read, derived, and dropped by sink; how far it came, and whether there is more."""

    read: int
    derived: int
    dropped: Mapping[str, int]
    position: datetime
    is_finished: bool


@dataclass(frozen=True, slots=True)
class Store:
    """The parts of the store a derivation works on."""

    window: Window
    samples: Samples
    transforming: Transforming
    keeper: Keeper  # of what the database refuses to take together


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a cycle is, and how old samples are when they are looked at."""

    cycle: timedelta
    settle: timedelta


class Derivation:
    """Runs the transformers of a file's sinks over what is stored."""

    def __init__(self, pipelines: Pipelines, store: Store, outlets: Outlets, pace: Pace) -> None:
        self._pipelines, self._store, self._outlets = pipelines, store, outlets
        self._cycle, self._settle = pace.cycle // timedelta(microseconds=1), pace.settle
        self._keys = {sink: sink_key(sink) for sink in pipelines.sinks if sink.steps}
        self._cycles = 1
        self._told: set[tuple[str, str]] = set()
        self._tidied: datetime | None = None

    def turn(self, now: datetime, stop: Callable[[], bool]) -> Turn:
        """Goes on from where the last turn of any process ended, until `stop` answers True after a step.

        Raises Overtaken when another process does the same, and what the store raises.
        """
        end = to_microseconds(now - self._settle) // self._cycle * self._cycle
        at = to_microseconds(self._store.transforming.position(from_microseconds(end)))
        read, derived, dropped = 0, 0, Counter[str]()
        while at < end and not stop():
            until = min(end, (at // self._cycle + self._cycles) * self._cycle)
            some, made = self._step(at, until, now, dropped)
            read, derived, at = read + some, derived + made, until
            if some < FEW:
                self._cycles = min(CYCLES_MAX, self._cycles * 2)
            elif some > MANY:
                self._cycles = max(1, self._cycles // 2)
        self._tidy(now, at)
        return Turn(read, derived, dropped, from_microseconds(at), at >= end)

    def _step(self, start: int, end: int, now: datetime, dropped: Counter[str]) -> tuple[int, int]:
        """Transforms the samples between two times, in one transaction; returns how many, and how many they made."""
        begin, until = from_microseconds(start), from_microseconds(end)
        inputs, own_names = self._inputs(self._store.window.meters())
        found = self._store.window.samples(inputs.__contains__, begin, until) if inputs else []
        lines = self._lines(found, inputs, until)
        ends = range((start // self._cycle + 1) * self._cycle, end + 1, self._cycle)
        kept: list[Sample] = []
        made_by: _MadeBy = []
        for line in lines:
            mine = [sample for sample in found if line.sink.name in inputs[sample.meter]]
            made = line.run(mine, ends, now)
            kept += [sample for sample in made if sample.meter in own_names]
            if made:
                made_by.append((line.sink.publishers, made))
            dropped[line.sink.name] += sum(line.dropped.values())
            self._tell(line)
        states = [state for line in lines for state in self._changed(line)]
        move = partial(self._store.transforming.move, start=begin, end=until, states=states)
        self._keep(kept, made_by, move, now)
        return len(found), sum(len(made) for _, made in made_by)

    def _inputs(self, meters: Iterable[str]) -> tuple[Mapping[str, frozenset[str]], frozenset[str]]:
        """Which meters go through which sinks, by name, and how those are called that become meters of their own.

        What was derived is not transformed again.
        """
        chosen = {meter: [sink for sink in self._pipelines.sinks_of(meter) if sink.steps] for meter in meters}
        own = {
            sink.name_of(meter)
            for meter, sinks in chosen.items()
            for sink in sinks
            if sink.name_of(meter) != meter
        }
        inputs = {meter: sinks for meter, sinks in chosen.items() if sinks and meter not in own}
        return {meter: frozenset(sink.name for sink in sinks) for meter, sinks in inputs.items()}, frozenset(
            own
        )

    def _lines(
        self, found: Iterable[Sample], inputs: Mapping[str, frozenset[str]], until: datetime
    ) -> list[Line]:
        """Every sink with what it remembers of the owners of these samples and of all that wait."""
        owners: dict[str, set[Owner]] = {sink.name: set() for sink in self._keys}
        for sample in found:
            for name in inputs[sample.meter]:
                owners[name].add(owner_of(sample))
        states: dict[bytes, dict[bytes, State]] = {key: {} for key in self._keys.values()}
        for state in self._store.transforming.waiting(states, until):
            states[state.sink][state.owner] = state
        wanted: dict[bytes, set[bytes]] = {}
        for sink, key in self._keys.items():
            pile = states[key].get(WHOLE)
            some = owners[sink.name] | (owners_in(pile.body) if pile else set())
            wanted[key] = {_owner_key(owner) for owner in some} - states[key].keys()
        for state in self._store.transforming.remembered(wanted):
            states[state.sink][state.owner] = state
        return [Line(sink, _memory(states[key].values())) for sink, key in self._keys.items()]

    def _changed(self, line: Line) -> Iterable[State]:
        key, memory = self._keys[line.sink], line.memory
        for owner in memory.changed:
            remembered = memory.remembered[owner]
            body = b"" if remembered.is_empty else msgspec.msgpack.encode((owner, remembered))
            yield State(key, _owner_key(owner), body, remembered.waits)
        body = msgspec.msgpack.encode(memory.pile)
        if body != memory.pile_before:
            yield State(key, WHOLE, body)

    def _keep(self, samples: Sequence[Sample], made_by: _MadeBy, move: Beside, now: datetime) -> None:
        """Stores what is kept, owes what was made and moves on, in one transaction; raises Overtaken and others."""
        store, promise = self._store.samples.store_batch, self._outlets.promise
        try:
            store(arrange(samples), received_at=now, beside=both(move, promise(made_by)))
        except DataRefused:  # one of them: all others are kept, and the work goes on behind them
            taken = self._store.keeper.publish(samples, (), now)
            refused = {id(samples[one.index]) for one in taken.rejected}
            others = [(to, [one for one in made if id(one) not in refused]) for to, made in made_by]
            store(arrange(()), received_at=now, beside=both(move, promise(others)))
        self._outlets.wake()

    def _tell(self, line: Line) -> None:
        """Says once of each sink and reason that samples are dropped."""
        for reason, count in line.dropped.items():
            if (line.sink.name, reason) not in self._told and len(self._told) < CYCLES_MAX:
                self._told.add((line.sink.name, reason))
                log.warning("pipeline_drops_samples", sink=line.sink.name, reason=reason, samples=count)

    def _tidy(self, now: datetime, position: int) -> None:
        if self._tidied is None or now - self._tidied >= TIDIED_EVERY:
            self._store.transforming.tidy(from_microseconds(position) - KEPT)
            self._tidied = now


def _memory(states: Iterable[State]) -> Memory:
    remembered, pile = dict[Owner, Remembered](), b""
    for state in states:
        if state.owner == WHOLE:
            pile = state.body
        else:
            owner, one = msgspec.msgpack.decode(state.body, type=tuple[Owner, Remembered])
            remembered[owner] = one
    return Memory(remembered, pile)


def _owner_key(owner: Owner) -> bytes:
    text = "\0".join(owner).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).digest()

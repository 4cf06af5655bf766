"""Notifications of the past, derived again: what is stored of them, what should be, and the difference.

What is stored is never replaced: a reading is known by its resource, meter and time, and the first one wins. So a
replay adds what is missing, and tells what it may not change. What is older than anything that is kept is only counted.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Literal, Protocol

from collector.envelope import Notification
from collector.rederiving import Derivation
from storage.event import Event
from storage.events import Events
from storage.fact import Fact
from storage.reading.known import Key, KnownReadings, identity
from storage.sample import Sample
from storage.samples import Samples
from storage.segments import Segments

CHUNK = 1000  # notifications
EXAMPLES = 3

Verdict = Literal["new", "changed", "same", "gone", "too_old"]
VERDICTS: tuple[Verdict, ...] = ("new", "changed", "same", "gone", "too_old")


@dataclass(frozen=True, slots=True)
class Original:
    """A notification as it was kept; None and the reason where it can not be read. `is_event`: it is one already.

    `place`: where it stands, "" where nothing says so.
    """

    notification: Notification | None
    received_at: datetime
    reason: str = ""
    place: str = ""
    is_event: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """One difference: what is stored and what should be; one of them may be missing."""

    meter: str
    verdict: Verdict
    stored: Sample | None
    derived: Sample | None


@dataclass(slots=True)
class Difference:
    """What a replay found: samples by meter and verdict, and what else."""

    messages: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)  # by reason
    unreadable_at: dict[str, list[str]] = field(default_factory=dict)  # by reason, the first few places
    refused: Counter[str] = field(default_factory=Counter)  # by reason
    samples: Counter[tuple[str, Verdict]] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)
    facts: Counter[Verdict] = field(default_factory=Counter)
    events: int = 0

    @property
    def too_old(self) -> int:
        """Readings older than any that are kept."""
        return sum(count for (_, verdict), count in self.samples.items() if verdict == "too_old")

    @property
    def is_all_unreadable(self) -> bool:
        """Whether there was something, and nothing of it could be read."""
        return 0 < self.messages == self.unreadable.total()

    @property
    def is_unresolved(self) -> bool:
        """Whether something is stored that these definitions do not make."""
        return any(count for (_, verdict), count in self.samples.items() if verdict in {"changed", "gone"})

    def note_unreadable(self, original: Original) -> None:
        """Counts one that can not be read; the places of the first few of each reason are kept."""
        self.unreadable[original.reason] += 1
        places = self.unreadable_at.setdefault(original.reason, [])
        if original.place and len(places) < EXAMPLES:
            places.append(original.place)

    def note(self, example: Example) -> None:
        """Counts one sample; the first few of each kind stay as examples."""
        kind = (example.meter, example.verdict)
        self.samples[kind] += 1
        if example.verdict != "same" and self.samples[kind] <= EXAMPLES:
            self.examples.append(example)


class Stores(Protocol):
    """What is written to, and looked up."""

    @property
    def known(self) -> KnownReadings:
        """Stored samples."""
        ...

    @property
    def samples(self) -> Samples:
        """The store of samples."""
        ...

    @property
    def segments(self) -> Segments:
        """The store of lives."""
        ...

    @property
    def events(self) -> Events:
        """The store of events."""
        ...


class Replay:
    """Derives notifications again by `derivation`; `before` is what made what is stored.

    Writes nothing unless `is_applied`.
    """

    def __init__(
        self, stores: Stores, derivation: Derivation, before: Derivation, *, is_applied: bool
    ) -> None:
        self._stores = stores
        self._derivation = derivation
        self._before = before
        self._is_applied = is_applied
        self._shared: set[bytes] = set()  # ids of facts that more than one notification may tell
        self.difference = Difference()

    def steps(self, originals: Iterable[Original]) -> Iterator[int]:
        """Does some of it before each of these, which say how many notifications it was; all of it may be repeated."""
        supply = iter(originals)
        while some := list(islice(supply, CHUNK)):
            self._chunk(some)
            self.difference.messages += len(some)
            yield len(some)

    def _chunk(self, originals: Sequence[Original]) -> None:
        now: dict[Key, Sample] = {}
        was: dict[Key, Sample] = {}
        facts: list[Fact] = []
        old_facts: list[Fact] = []
        events: list[Event] = []
        for original in originals:
            if original.notification is None:
                self.difference.note_unreadable(original)
                continue
            told, at = original.notification, original.received_at
            derived = self._derivation.derive(told, at)
            earlier = derived if self._before is self._derivation else self._before.derive(told, at)
            self.difference.refused.update(derived.refused)
            for sample in derived.samples:
                now.setdefault(identity(sample), sample)
            was.update((identity(sample), sample) for sample in earlier.samples)
            facts += derived.facts
            old_facts += earlier.facts
            event = None if original.is_event else self._derivation.event(told, at)
            events += [] if event is None else [event]
        received_at = max(original.received_at for original in originals)
        self._samples(now, was, received_at)
        self._facts(facts, old_facts)
        self._events(events, received_at)

    def _samples(self, now: dict[Key, Sample], was: dict[Key, Sample], received_at: datetime) -> None:
        known, kept_from = (
            self._stores.known.of([*now.values(), *was.values()]),
            self._stores.known.kept_from(),
        )
        new = []
        for key, sample in now.items():
            stored = known.get(key)
            verdict = _verdict(stored, sample, kept_from)
            if verdict == "new":
                new.append(sample)
            self.difference.note(Example(sample.meter, verdict, stored, sample))
        for key in was.keys() - now.keys():
            stored = known.get(key)
            if stored is not None:
                self.difference.note(Example(stored.meter, "gone", stored, None))
        if self._is_applied and new:
            self._stores.samples.store(new, received_at=received_at)

    def _facts(self, facts: Sequence[Fact], before: Sequence[Fact]) -> None:
        """Facts are put right: who computes chains reads all of them each time."""
        segments, wanted = self._stores.segments, {fact.id for fact in facts}
        facts = [fact for fact in facts if fact.evidence != "told" or fact.id not in self._shared]
        self._shared.update(fact.id for fact in facts if fact.evidence != "event")
        missing = segments.missing(facts)
        dropped = [fact for fact in before if not (fact.id in wanted or fact.id in self._shared)]
        absent = {fact.id for fact in segments.missing(dropped)}
        gone = {fact.id: fact for fact in dropped if fact.id not in absent}
        self.difference.facts["new"] += len(missing)
        self.difference.facts["same"] += len({fact.id for fact in facts}) - len(missing)
        self.difference.facts["gone"] += len(gone)
        if self._is_applied and (missing or gone):
            segments.correct(gone.values(), missing)

    def _events(self, events: Sequence[Event], received_at: datetime) -> None:
        if self._is_applied and events:
            self.difference.events += self._stores.events.store(events, received_at=received_at).new


def _verdict(stored: Sample | None, derived: Sample, kept_from: datetime) -> Verdict:
    if stored is None:
        return "too_old" if derived.timestamp < kept_from else "new"
    return "same" if _is_same(stored, derived) else "changed"


def _is_same(stored: Sample, derived: Sample) -> bool:
    """Whether they say the same; whose words about it come first is not looked at."""
    return (
        stored.volume == derived.volume
        and stored.user_id == derived.user_id
        and stored.metadata == derived.metadata
        and stored.timestamp == derived.timestamp
        and (stored.resource_id, stored.project_id) == (derived.resource_id, derived.project_id)
    )

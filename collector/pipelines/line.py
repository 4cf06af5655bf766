"""One sink at work: samples go through its transformers, cycle by cycle."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from collector.draft import as_draft
from collector.normalize import Unfit, normalize
from collector.pipelines.files import Sink
from collector.pipelines.memory import Memory, owner_of
from collector.text import remembering_metadata
from storage.sample import Sample, make_id, to_microseconds

log = structlog.get_logger()


class Line:
    """A sink and what it remembers; `dropped` counts samples that could not be worked out, by reason."""

    def __init__(self, sink: Sink, memory: Memory) -> None:
        self.sink, self.memory = sink, memory
        self.dropped: Counter[str] = Counter()
        self._out: list[Sample] = []

    def run(self, samples: Sequence[Sample], ends: Iterable[int], now: datetime) -> list[Sample]:
        """What becomes of samples in their order, cycle by cycle; `ends` of cycles in microseconds since 1970 UTC."""
        at, count = 0, len(samples)
        times = [to_microseconds(sample.timestamp) for sample in samples]
        for end in ends:
            while at < count and times[at] < end:
                self._pass(_named(samples[at]), 0)
                at += 1
            for place, step in enumerate(self.sink.steps):
                for one in step.flush(self.memory, str(place), end):
                    if isinstance(one, ValueError):
                        self._drop(str(one))
                    else:
                        self._pass(one, place + 1)
        out, self._out = self._out, []
        return list(self._finished(out, now))

    def _pass(self, sample: Sample, first: int) -> None:
        """Sends a sample through the transformers from `first` on."""
        passed: Sample | None = sample
        try:
            for place, step in enumerate(self.sink.steps[first:], first):
                passed = step.take(passed, self.memory, str(place)) if passed is not None else None
        except ValueError as error:
            self._drop(str(error))
        else:
            if passed is not None:
                self._out.append(passed)

    def _finished(self, out: Iterable[Sample], now: datetime) -> Iterator[Sample]:
        """Samples as all others are, a delta with an id of its own."""
        tidy = remembering_metadata()
        for sample in out:
            identity = None
            if sample.type == "delta" and sample.id is not None:
                identity = make_id("derived", self.sink.name, sample.meter, sample.id.hex())
            found = normalize(as_draft(replace(sample, id=identity)), now, tidy)
            if isinstance(found, Unfit):
                self._drop(found.reason)
            else:
                yield found

    def _drop(self, reason: str) -> None:
        self.dropped[reason] += 1


def sink_key(sink: Sink) -> bytes:
    """16 bytes that change when the sink's name or transformers do."""
    return hashlib.blake2b(repr((sink.name, sink.steps)).encode(), digest_size=16).digest()


def _named(sample: Sample) -> Sample:
    """The sample, carrying what it is known by."""
    if sample.id is not None:
        return sample
    owner = owner_of(sample)
    moment = str(to_microseconds(sample.timestamp))
    return replace(sample, id=make_id(sample.meter, owner.project, owner.resource, moment))

"""From bytes to stored samples and events: decode, map, normalize, publish, the database first.

What cannot become a sample or event goes to quarantine with its reason, in the same transaction as its neighbours.
Agents' batches that are plainly clean are settled as columns (`collector.checking`); whatever is in doubt, and
everything else, reading by reading (`collector.normalize`). Both ways lead to the same samples.
"""

import dataclasses
import hashlib
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Literal

import msgspec
import structlog

from collector import frame
from collector.checking import Checker
from collector.draft import Draft, as_draft
from collector.envelope import decode_drafts
from collector.interpreting import EventMaker, Interpreter
from collector.judging import add_judged
from collector.lives import Lives
from collector.mapping import MeterMapping
from collector.message import Message, Origin, refusal
from collector.metrics import CollectorMetrics
from collector.normalize import Unfit, normalize
from collector.pending import Pending
from collector.publishers import Keeper
from collector.publishing import Owing, Publishing
from collector.text import remembering_metadata
from storage.ingest.batch import SampleBatch, pieces
from storage.sample import Refused, Sample, make_id

__all__ = ["Message", "Origin", "Pipeline"]

log = structlog.get_logger()

_Frames = list[tuple[Message, frame.Parts]]


class Pipeline:
    """Reads messages and hands their samples and events to the publishers; any number of threads may use it.

    Without `events` no notification becomes an event; those that others made of theirs are kept. Without `lives`
    nothing is learned of the lives of resources.
    `owing` is given everything that was stored, before its message is acknowledged.
    """

    def __init__(
        self,
        keeper: Keeper,
        mapping: MeterMapping,
        metrics: CollectorMetrics,
        *,
        events: EventMaker | None = None,
        lives: Lives | None = None,
        owing: Owing | None = None,
        batch_size: int = 40_000,
        telemetry_secret: str | None = None,
    ) -> None:
        self._publishing = Publishing(keeper, metrics, lives=lives, owing=owing)
        self._checker = Checker()
        self._interpreter = Interpreter(
            mapping,
            metrics,
            self._publish_if_full,
            events=events,
            lives=lives,
            telemetry_secret=telemetry_secret,
        )
        self._metrics = metrics
        self._batch_size = batch_size

    def process(self, messages: Sequence[Message]) -> None:
        """Store all samples and events of these messages and quarantine the rest, in batches of about `batch_size`.

        Raises PublisherUnavailable when the database is away: then none of them may be acknowledged, and
        processing all of them again later is safe.
        """
        if not messages:
            return
        batch = Pending(max(message.received_at for message in messages), is_witness=True)
        for origin, count in Counter(message.origin for message in messages).items():
            self._metrics.messages.labels(origin).inc(count)
        for kind, some in groupby(messages, _kind):
            if kind == "notification":
                self._interpreter.interpret(batch, some)
            elif kind == "frame":
                self._take_apart(batch, some)
            else:
                batch.each([(message, None) for message in some], partial(self._read, batch))
        self._publishing.publish(batch)

    def accept(self, samples: Sequence[Sample], *, origin: Origin, now: datetime) -> list[Refused]:
        """Store samples somebody posted; returns those that were refused, in order, which are quarantined too.

        Those older than the retention come last, and together where they are of one resource; the others are
        stored. A delta sample without an id gets a random one. Raises PublisherUnavailable.
        """
        batch = Pending(now)
        tidy = remembering_metadata()
        for sample in samples:
            known = sample
            if sample.type == "delta" and sample.id is None:
                known = dataclasses.replace(sample, id=uuid.uuid4().bytes)
            message, draft = Message(b"", origin, now), as_draft(known)
            settled = normalize(draft, now, tidy)
            if isinstance(settled, Unfit):
                batch.refused.append(refusal(message, settled.reason, draft))
            else:
                batch.add(settled, message, draft)
        too_old = self._publishing.publish(batch)
        return [*batch.refused, *too_old]

    def _take_apart(self, batch: Pending, messages: Iterable[Message]) -> None:
        """Takes in batches of agents in columns, as many at once as make one of our own, or not much more."""
        frames: _Frames = []
        claimed = 0
        for message in messages:
            claimed += frame.samples_in(message.body)
            frames += batch.each([(message, message.body)], _parts)
            if claimed >= 2 * self._batch_size:
                self._settle(batch, frames)
                frames, claimed = [], 0
        self._settle(batch, frames)

    def _settle(self, batch: Pending, frames: _Frames) -> None:
        """Takes in the frames, all at once; where that leaves a doubt, each for itself, then reading by reading."""
        settled = self._settled(frames) if frames else None
        if settled is not None:
            for piece in pieces(settled, self._batch_size):
                batch.add_columns(piece, frames[0][0])
                self._publish_if_full(batch)
        elif len(frames) > 1:
            for one in frames:
                self._settle(batch, [one])
        else:
            batch.each(frames, partial(self._add_one_by_one, batch))

    def _settled(self, frames: _Frames) -> SampleBatch | None:
        first_arrival = min(message.received_at for message, _ in frames)
        try:
            return self._checker.settle([found for _, found in frames], first_arrival)
        except Exception:  # what the fault is will be seen when the message is read slowly
            log.exception("frames_not_settled", frames=len(frames))
            self._metrics.frames_not_settled.inc()
            return None

    def _add_one_by_one(self, batch: Pending, message: Message, _parts: frame.Parts) -> None:
        self._add_readings(batch, frame.drafts(message.body), message)

    def _read(self, batch: Pending, message: Message, _nothing: None) -> None:
        """What was refused unread, and agents' batches that are lists."""
        if message.refused is not None:
            batch.refused.append(refusal(message, message.refused))
        else:
            self._add_readings(batch, decode_drafts(message.body), message)
        self._publish_if_full(batch)

    def _add_readings(self, batch: Pending, drafts: Iterable[Draft], message: Message) -> None:
        add_judged(batch, message, _identified(drafts, message.body), self._publish_if_full)

    def _publish_if_full(self, batch: Pending) -> None:
        if len(batch) >= self._batch_size:
            self._publishing.publish(batch)
            batch.clear()


def _kind(message: Message) -> Literal["notification", "frame", "other"]:
    if message.refused is not None:
        return "other"
    if message.origin == "notifications":
        return "notification"
    return "frame" if frame.is_columnar(message.body) else "other"


def _parts(_message: Message, body: bytes) -> frame.Parts:
    return frame.take_apart(body)


def _identified(drafts: Iterable[Draft], body: bytes) -> Iterator[Draft]:
    """The drafts, delta readings without an id named after the bytes they came in and their place in them."""
    digest = hashlib.sha256(body).hexdigest()
    for number, draft in enumerate(drafts):
        if draft.type == "delta" and draft.id is None:
            yield msgspec.structs.replace(draft, id=make_id("batch", digest, str(number)))
        else:
            yield draft

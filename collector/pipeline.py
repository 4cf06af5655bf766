"""From bytes to stored samples and events: decode, map, normalize, publish, the database first.

What cannot become a sample or event goes to quarantine with its reason, in the same transaction as its neighbours.
Agents' batches that are plainly clean are settled as columns (`collector.checking`); whatever is in doubt, and
everything else, reading by reading (`collector.normalize`). Both ways lead to the same samples.
"""

import dataclasses
import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

import msgspec
import structlog

from collector import frame
from collector.ceilometer import ceilometer_drafts, is_ceilometer
from collector.ceilometer_events import is_events, published, published_event
from collector.checking import Checker
from collector.draft import Draft, Told, as_draft
from collector.envelope import Notification, decode_drafts, decode_notification
from collector.errors import InvalidMessage, PublisherUnavailable
from collector.judging import Judging
from collector.lives import Lives
from collector.mapping import MeterMapping
from collector.message import Message, Origin, refusal
from collector.metrics import CollectorMetrics
from collector.normalize import Unfit, normalize, normalize_together
from collector.pending import Pending
from collector.publishers import Keeper
from collector.publishing import Owing, Publishing
from collector.text import remembering_metadata
from storage.event import Event
from storage.ingest.batch import SampleBatch, pieces
from storage.sample import Refused, Sample, make_id

__all__ = ["Message", "Origin", "Pipeline"]

log = structlog.get_logger()

REASONS = 5  # a refused notification names at most so many of its samples or events

_Frames = list[tuple[Message, frame.Parts]]


class EventMaker(Protocol):
    """Makes events of notifications; `collector.event_mapping.EventMapping` is one."""

    def event(self, notification: Notification, received_at: datetime) -> Event | None:
        """The event of a notification, fit to be stored, None when none is wanted.

        Raises InvalidMessage when it can be none.
        """
        ...


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
        self._mapping = mapping
        self._events = events
        self._lives = lives
        self._metrics = metrics
        self._batch_size = batch_size
        self._telemetry_secret = telemetry_secret

    def process(self, messages: Sequence[Message]) -> None:
        """Store all samples and events of these messages and quarantine the rest, in batches of about `batch_size`.

        Raises PublisherUnavailable when the database is away: then none of them may be acknowledged, and
        processing all of them again later is safe.
        """
        if not messages:
            return
        batch = Pending(max(message.received_at for message in messages), is_witness=True)
        frames: _Frames = []
        claimed = 0
        for origin, count in Counter(message.origin for message in messages).items():
            self._metrics.messages.labels(origin).inc(count)
        for message in messages:
            if _is_frame(message):
                claimed += frame.samples_in(message.body)
                self._guarded(batch, message, lambda read: frames.append((read, frame.take_apart(read.body))))
            else:
                self._settle(batch, frames)
                self._guarded(batch, message, partial(self._interpret, batch))
                self._publish_if_full(batch)
            if claimed >= 2 * self._batch_size:  # what is not much more stays one transaction
                self._settle(batch, frames)
                claimed = 0
        self._settle(batch, frames)
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

    def _guarded(self, batch: Pending, message: Message, read: Callable[[Message], None]) -> None:
        """Reads a message; whatever fails on it, it is quarantined and holds up no other."""
        try:
            read(message)
        except InvalidMessage as error:
            batch.refused.append(refusal(message, str(error)))
        except PublisherUnavailable:
            raise
        except Exception as error:
            log.exception("message_not_understood", origin=message.origin)
            batch.refused.append(refusal(message, f"the program failed on it: {error!r}"))

    def _settle(self, batch: Pending, frames: _Frames) -> None:
        """Takes in the frames, all at once; where that leaves a doubt, each for itself, then reading by reading."""
        waiting = list(frames)
        frames.clear()
        if not waiting:
            return
        settled = self._settled(waiting)
        if settled is not None:
            for piece in pieces(settled, self._batch_size):
                batch.add_columns(piece, waiting[0][0])
                self._publish_if_full(batch)
        elif len(waiting) > 1:
            for one in waiting:
                self._settle(batch, [one])
        else:
            message, _ = waiting[0]
            self._guarded(batch, message, partial(self._add_readings, batch, frame.drafts(message.body)))

    def _settled(self, frames: _Frames) -> SampleBatch | None:
        first_arrival = min(message.received_at for message, _ in frames)
        try:
            return self._checker.settle([found for _, found in frames], first_arrival)
        except Exception:  # what the fault is will be seen when the message is read slowly
            log.exception("frames_not_settled", frames=len(frames))
            self._metrics.frames_not_settled.inc()
            return None

    def _interpret(self, batch: Pending, message: Message) -> None:
        if message.refused is not None:
            batch.refused.append(refusal(message, message.refused))
            return
        if message.origin != "notifications":
            self._add_readings(batch, decode_drafts(message.body), message)
            return
        notification = decode_notification(message.body)
        if is_ceilometer(notification.event_type):
            drafts = ceilometer_drafts(notification, self._telemetry_secret)
            self._add_all(batch, message, drafts)
            return
        if is_events(notification.event_type):
            take = partial(published_event, notification, self._telemetry_secret, message.received_at)
            sent = enumerate(published(notification))
            self._add_events(batch, message, (partial(take, number, one) for number, one in sent))
            return
        if self._events is not None:
            make = partial(self._events.event, notification, message.received_at)
            self._add_events(batch, message, (make,))
        if self._lives is not None:
            batch.facts += self._lives.facts(notification, message.received_at)
        told = self._mapping.told(notification)
        if not told:
            self._metrics.unmapped.inc()
        self._add_told(batch, message, told)

    def _add_readings(self, batch: Pending, drafts: Iterable[Draft], message: Message) -> None:
        self._add_all(batch, message, _identified(drafts, message.body))

    def _add_all(self, batch: Pending, message: Message, drafts: Iterable[Draft]) -> None:
        judging = Judging(message)
        for draft in drafts:
            sample = judging.judged(draft)
            if isinstance(sample, Unfit):
                batch.refused += judging.refused(sample, draft)
            else:
                batch.add(sample, message, draft)
            self._publish_if_full(batch)
        batch.refused += judging.rest()

    def _add_told(self, batch: Pending, message: Message, told: Sequence[Told]) -> None:
        """Add the readings of one notification, together where nothing is wrong with them.

        Refused ones are quarantined as that notification, once.
        """
        reasons: dict[str, None] = {}
        for one in told:
            found = normalize_together(one, message.received_at)
            if found is not None:
                batch.add_together(found, message)
            else:
                reasons |= _add_doubtful(batch, message, one)
        if reasons:
            batch.refused.append(refusal(message, "; ".join(list(reasons)[:REASONS])))

    def _add_events(
        self, batch: Pending, message: Message, making: Iterable[Callable[[], Event | None]]
    ) -> None:
        """Add the events of one message; whatever fails on one, its samples and the others are kept."""
        reasons: dict[str, None] = {}
        for make in making:
            try:
                event = make()
                if event is not None:
                    batch.add_event(event, message)
            except InvalidMessage as error:
                reasons[f"event: {error}"] = None
            except Exception as error:
                log.exception("event_not_understood", origin=message.origin)
                reasons[f"event: the program failed on it: {error!r}"] = None
            self._publish_if_full(batch)
        if reasons:
            batch.refused.append(refusal(message, "; ".join(list(reasons)[:REASONS])))

    def _publish_if_full(self, batch: Pending) -> None:
        if len(batch) >= self._batch_size:
            self._publishing.publish(batch)
            batch.clear()


def _is_frame(message: Message) -> bool:
    return message.refused is None and message.origin != "notifications" and frame.is_columnar(message.body)


def _add_doubtful(batch: Pending, message: Message, told: Told) -> dict[str, None]:
    """Adds those of these readings that are fit, one by one; returns what is wrong with the others."""
    reasons: dict[str, None] = {}
    tidy = remembering_metadata()
    for draft in told.drafts():
        sample = normalize(draft, message.received_at, tidy)
        if isinstance(sample, Unfit):
            reasons[f"{draft.meter}: {sample.reason}"] = None
        else:
            batch.add(sample, message, None)
    return reasons


def _identified(drafts: Iterable[Draft], body: bytes) -> Iterator[Draft]:
    """The drafts, delta readings without an id named after the bytes they came in and their place in them."""
    digest = hashlib.sha256(body).hexdigest()
    for number, draft in enumerate(drafts):
        if draft.type == "delta" and draft.id is None:
            yield msgspec.structs.replace(draft, id=make_id("batch", digest, str(number)))
        else:
            yield draft

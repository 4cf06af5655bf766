"""Notifications become samples, events and facts, some of them at a time.

Each step is done for all of some before the next one is begun: then its code is still in the processor's caches, which
spares a tenth of what a notification costs.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog

from collector.ceilometer import ceilometer_drafts, is_ceilometer
from collector.ceilometer_events import is_events, published, published_event
from collector.draft import Told
from collector.envelope import Notification, decode_notification
from collector.errors import InvalidMessage
from collector.judging import add_judged
from collector.lives import Lives
from collector.mapping import MeterMapping
from collector.message import Message, refusal
from collector.metrics import CollectorMetrics
from collector.normalize import Unfit, normalize, normalize_together
from collector.pending import Pending
from collector.text import remembering_metadata
from storage.event import Event

log = structlog.get_logger()

REASONS = 5  # a refused notification names at most so many of its samples or events
# So many notifications at a time, or those of so many bytes: a large one may hold thousands of samples.
SIDE_BY_SIDE, SIDE_BY_SIDE_BYTES = 32, 256 * 2**10

_Heard = Sequence[tuple[Message, Notification]]


class EventMaker(Protocol):
    """Makes events of notifications; `collector.event_mapping.EventMapping` is one."""

    def event(self, notification: Notification, received_at: datetime) -> Event | None:
        """The event of a notification, fit to be stored, None when none is wanted.

        Raises InvalidMessage when it can be none.
        """
        ...


class Interpreter:
    """Adds to a batch what notifications tell; any number of threads may use it.

    Without `events` no notification becomes an event; those that others made of theirs are kept. Without `lives`
    nothing is learned of the lives of resources. `relieve` is called whenever the batch may have grown large.
    """

    def __init__(
        self,
        mapping: MeterMapping,
        metrics: CollectorMetrics,
        relieve: Callable[[Pending], None],
        *,
        events: EventMaker | None = None,
        lives: Lives | None = None,
        telemetry_secret: str | None = None,
    ) -> None:
        self._mapping, self._metrics, self._relieve = mapping, metrics, relieve
        self._events, self._lives = events, lives
        self._telemetry_secret = telemetry_secret

    def interpret(self, batch: Pending, messages: Iterable[Message]) -> None:
        """All of them in their order; one on which something fails is quarantined and holds up no other."""
        for some in _side_by_side(messages):
            heard = batch.each([(message, message.body) for message in some], _decoded)
            if any(map(_is_ceilometers, heard)):
                for one in heard:
                    take = self._take_ceilometers if _is_ceilometers(one) else self._take
                    take(batch, [one])
            else:
                self._take(batch, heard)
            self._relieve(batch)

    def _take(self, batch: Pending, heard: _Heard) -> None:
        """What services say: events, facts and samples."""
        if self._events is not None:
            make = self._events.event
            for message, notification in heard:
                self._add_events(batch, message, (partial(make, notification, message.received_at),))
        if self._lives is not None:
            heard = batch.each(heard, partial(self._learn, batch, self._lives))
        told = batch.each(heard, lambda _, notification: self._mapping.told(notification))
        batch.each(told, partial(self._add_told, batch))

    def _take_ceilometers(self, batch: Pending, heard: _Heard) -> None:
        """What Ceilometer made of others' notifications: samples, or events."""
        batch.each(heard, partial(self._add_ceilometers, batch))

    def _add_ceilometers(self, batch: Pending, message: Message, notification: Notification) -> None:
        if is_ceilometer(notification.event_type):
            drafts = ceilometer_drafts(notification, self._telemetry_secret)
            add_judged(batch, message, drafts, self._relieve)
            return
        take = partial(published_event, notification, self._telemetry_secret, message.received_at)
        sent = enumerate(published(notification))
        self._add_events(batch, message, (partial(take, number, one) for number, one in sent))

    def _learn(
        self, batch: Pending, lives: Lives, message: Message, notification: Notification
    ) -> Notification:
        batch.facts += lives.facts(notification, message.received_at)
        return notification

    def _add_told(self, batch: Pending, message: Message, told: Sequence[Told]) -> None:
        """Add the readings of one notification, together where nothing is wrong with them.

        Refused ones are quarantined as that notification, once.
        """
        if not told:
            self._metrics.unmapped.inc()
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
            self._relieve(batch)
        if reasons:
            batch.refused.append(refusal(message, "; ".join(list(reasons)[:REASONS])))


def _side_by_side(messages: Iterable[Message]) -> Iterator[list[Message]]:
    some: list[Message] = []
    nbytes = 0
    for message in messages:
        some.append(message)
        nbytes += len(message.body)
        if len(some) == SIDE_BY_SIDE or nbytes >= SIDE_BY_SIDE_BYTES:
            yield some
            some, nbytes = [], 0
    if some:
        yield some


def _decoded(_message: Message, body: bytes) -> Notification:
    return decode_notification(body)


def _is_ceilometers(heard: tuple[Message, Notification]) -> bool:
    event_type = heard[1].event_type
    return is_ceilometer(event_type) or is_events(event_type)


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

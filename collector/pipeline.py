"""From bytes to stored samples: decode, map, normalize, publish, the database first.

What cannot become a sample goes to quarantine with its reason, in the same transaction as its neighbours.
"""

import dataclasses
import hashlib
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import msgspec
import structlog

from collector.ceilometer import ceilometer_drafts, is_ceilometer
from collector.draft import Draft
from collector.envelope import decode_drafts, decode_notification
from collector.errors import InvalidMessage, PublisherUnavailable
from collector.mapping import MeterMapping
from collector.metrics import CollectorMetrics
from collector.normalize import Tidy, Unfit, normalize
from collector.publishers import Publisher, Rejected
from collector.text import clean, remembering_metadata
from storage.sample import Refused, Sample, make_id

log = structlog.get_logger()

Origin = Literal["notifications", "agent", "api"]
REASONS = 5  # a refused notification names at most so many of its samples


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it came. `refused` is set when it was refused unread; `body` is then its beginning."""

    body: bytes
    origin: Origin
    received_at: datetime
    refused: str | None = None


@dataclass(slots=True)
class _Batch:
    """Samples on their way into one transaction, each with what to quarantine should the database refuse it."""

    received_at: datetime
    samples: list[Sample] = field(default_factory=list)
    sources: list[tuple[Message, Draft | None]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class Pipeline:
    """Reads messages and hands their samples to the publishers; any number of threads may use it."""

    def __init__(
        self,
        publishers: Sequence[Publisher],
        mapping: MeterMapping,
        metrics: CollectorMetrics,
        *,
        batch_size: int = 10_000,
        telemetry_secret: str | None = None,
    ) -> None:
        self._publishers = publishers
        self._mapping = mapping
        self._metrics = metrics
        self._batch_size = batch_size
        self._telemetry_secret = telemetry_secret

    def process(self, messages: Sequence[Message]) -> None:
        """Store all samples of these messages and quarantine the rest, in batches of about `batch_size`.

        Raises PublisherUnavailable when the database is away: then none of them may be acknowledged, and
        processing all of them again later is safe.
        """
        if not messages:
            return
        batch = _Batch(max(message.received_at for message in messages))
        for message in messages:
            self._metrics.messages.labels(message.origin).inc()
            self._read_into(batch, message)
            self._publish_if_full(batch)
        self._publish(batch)

    def accept(self, samples: Sequence[Sample], *, origin: Origin, now: datetime) -> list[Refused]:
        """Store samples somebody posted; returns those that were refused, in order, which are quarantined too.

        A delta sample without an id gets a random one. Raises PublisherUnavailable.
        """
        batch = _Batch(now)
        tidy = remembering_metadata()
        for sample in samples:
            self._add(batch, Message(b"", origin, now), _as_draft(sample), tidy)
        self._publish(batch)
        return batch.refused

    def _read_into(self, batch: _Batch, message: Message) -> None:
        if message.refused is not None:
            batch.refused.append(_refused(message, message.refused))
            return
        try:
            self._interpret(batch, message)
        except InvalidMessage as error:
            batch.refused.append(_refused(message, str(error)))
        except PublisherUnavailable:
            raise
        except Exception as error:
            log.exception("message_not_understood", origin=message.origin)
            batch.refused.append(_refused(message, f"the program failed on it: {error!r}"))

    def _interpret(self, batch: _Batch, message: Message) -> None:
        tidy = remembering_metadata()
        if message.origin != "notifications":
            self._add_all(batch, message, _identified(decode_drafts(message.body), message.body), tidy)
            return
        notification = decode_notification(message.body)
        if is_ceilometer(notification.event_type):
            self._add_all(batch, message, ceilometer_drafts(notification, self._telemetry_secret), tidy)
            return
        drafts = self._mapping.drafts(notification)
        if not drafts:
            self._metrics.unmapped.inc()
        self._add_together(batch, message, drafts, tidy)

    def _add_all(self, batch: _Batch, message: Message, drafts: Iterable[Draft], tidy: Tidy) -> None:
        for draft in drafts:
            self._add(batch, message, draft, tidy)
            self._publish_if_full(batch)

    def _add(self, batch: _Batch, message: Message, draft: Draft, tidy: Tidy) -> None:
        """Add one of many independent readings: refused, only it is quarantined."""
        sample = normalize(draft, message.received_at, tidy)
        if isinstance(sample, Unfit):
            batch.refused.append(_refused(message, sample.reason, draft))
        else:
            batch.samples.append(sample)
            batch.sources.append((message, draft))

    def _add_together(self, batch: _Batch, message: Message, drafts: Sequence[Draft], tidy: Tidy) -> None:
        """Add the readings of one notification: refused ones are quarantined as that notification, once."""
        reasons: dict[str, None] = {}
        for draft in drafts:
            sample = normalize(draft, message.received_at, tidy)
            if isinstance(sample, Unfit):
                reasons[f"{draft.meter}: {sample.reason}"] = None
            else:
                batch.samples.append(sample)
                batch.sources.append((message, None))
        if reasons:
            batch.refused.append(_refused(message, "; ".join(list(reasons)[:REASONS])))

    def _publish_if_full(self, batch: _Batch) -> None:
        if len(batch.samples) + len(batch.refused) >= self._batch_size:
            self._publish(batch)
            batch.samples, batch.sources, batch.refused = [], [], []

    def _publish(self, batch: _Batch) -> None:
        """Hand a batch to every publisher; only the first, the database, decides whether it is safe."""
        if not batch.samples and not batch.refused:
            return
        first, *others = self._publishers
        rejected = self._hand_over(first, batch.samples, batch.refused, batch.received_at)
        if rejected:
            late = [_rejected(batch, one) for one in rejected]
            self._hand_over(first, [], late, batch.received_at)
            batch.refused.extend(late)
        for refused in batch.refused:
            self._metrics.refused.labels(refused.origin).inc()
        for publisher in others:
            self._offer(publisher, batch)

    def _hand_over(
        self,
        publisher: Publisher,
        samples: Sequence[Sample],
        refused: Sequence[Refused],
        received_at: datetime,
    ) -> list[Rejected]:
        started = time.monotonic()
        try:
            return publisher.publish(samples, refused, received_at)
        except PublisherUnavailable:
            self._metrics.publish_failures.labels(publisher.name).inc()
            raise
        except Exception as error:
            self._metrics.publish_failures.labels(publisher.name).inc()
            log.exception("publisher_failed", publisher=publisher.name, samples=len(samples))
            raise PublisherUnavailable(f"{publisher.name} failed: {error!r}") from error
        finally:
            self._metrics.publish_seconds.labels(publisher.name).observe(time.monotonic() - started)

    def _offer(self, publisher: Publisher, batch: _Batch) -> None:
        try:
            self._hand_over(publisher, batch.samples, batch.refused, batch.received_at)
        except PublisherUnavailable as error:
            log.warning("publisher_unavailable", publisher=publisher.name, error=str(error))


def _as_draft(sample: Sample) -> Draft:
    fields = {entry.name: getattr(sample, entry.name) for entry in dataclasses.fields(sample)}
    if sample.type == "delta" and sample.id is None:
        fields["id"] = uuid.uuid4().bytes
    return Draft(**fields)


def _identified(drafts: Sequence[Draft], body: bytes) -> Iterator[Draft]:
    """The drafts, delta readings without an id named after the bytes they came in and their place in them."""
    digest = hashlib.sha256(body).hexdigest()
    for number, draft in enumerate(drafts):
        if draft.type == "delta" and draft.id is None:
            yield dataclasses.replace(draft, id=make_id("batch", digest, str(number)))
        else:
            yield draft


def _refused(message: Message, reason: str, draft: Draft | None = None) -> Refused:
    body = message.body if draft is None else _evidence(draft)
    return Refused(clean(reason), body, message.origin, message.received_at)


def _rejected(batch: _Batch, rejected: Rejected) -> Refused:
    message, draft = batch.sources[rejected.index]
    return _refused(message, rejected.reason, draft)


def _evidence(draft: Draft) -> bytes:
    """A reading as JSON, for those who look into quarantine."""
    fields = {entry.name: getattr(draft, entry.name) for entry in dataclasses.fields(draft)}
    try:
        return msgspec.json.encode(fields, enc_hook=repr)
    except (ValueError, OverflowError):  # a lone surrogate, an endless number
        return repr(fields).encode("utf-8", "backslashreplace")
    except RecursionError:
        return b"nested too deeply to be shown"

"""Notifications on a message bus, as Ceilometer's agents hand samples and events on."""

import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from urllib.parse import quote

from pydantic import SecretStr

from collector.bus import NotificationPublisher
from collector.errors import BusUnavailable, InvalidPublisher, PublisherUnavailable
from collector.listed import encode_json
from collector.publishers.messages import event_message, sample_message
from collector.publishers.publisher import EVERYTHING
from collector.publishers.target import Target
from collector.settings import BusSettings
from storage.event import Event
from storage.ingest.batch import SampleBatch
from storage.sample import Sample, make_id

# Source: ceilometer/publisher/messaging.py: publisher_notifier.metering_topic, event_topic and the control exchange.
METERING, EVENT, EXCHANGE = "metering", "event", "ceilometer"
AT_ONCE = 200  # samples or events of one notification
PUBLISHER_ID = "telemetry.publisher.nephometer"


class Notifier:
    """notifier://[user:password@host:port/vhost]?topic=…: at least once, confirmed by the broker.

    Without a host it is the broker of `bus.url`. Samples go out as `metering` and events as `event`, priority sample;
    with per_meter_topic each meter's samples also as `metering.<meter>`. A secret signs every sample and event. Until
    somebody binds a queue to the topic, everything waits here. Ceilometer's policy and max_… are read and not needed.
    """

    takes = EVERYTHING

    def __init__(self, target: Target, bus: BusSettings, secret: str | None) -> None:
        self.name, self._secret, options = target.name, secret, target.options
        self._topic = options.text("topic")
        self._exchange = options.text("exchange", EXCHANGE)
        self._per_meter = options.flag("per_meter_topic", default=False)
        self._is_enveloped = options.choice("driver", ("messagingv2", "messaging", "")) != "messaging"
        options.choice("policy", ("default", "queue", "drop", "block", "raise"))
        options.whole("max_queue_length", 1024, 0, 2**31)
        options.whole("max_retry", 100, 0, 2**31)
        options.done()
        url = _address(target, bus)
        own = url == bus.url and self._exchange in bus.exchanges
        if own and self._topic in bus.topics:
            raise InvalidPublisher(f"{self.name}: this program takes {self._topic} from that exchange itself")
        self._bus = NotificationPublisher(url, bus)

    def publish(self, samples: SampleBatch, events: Sequence[Event]) -> None:
        """Publishes them; raises PublisherUnavailable."""
        try:
            for event_type, payload in self._notifications(samples.samples(), events):
                topic = self._topic or event_type.partition(".")[0]
                self._bus.send(self._exchange, f"{topic}.sample", self._enveloped(event_type, payload))
        except BusUnavailable as error:
            raise PublisherUnavailable(str(error)) from error

    def close(self) -> None:
        """Ends the connection."""
        self._bus.close()

    def _notifications(
        self, samples: Sequence[Sample], events: Sequence[Event]
    ) -> Iterator[tuple[str, Sequence[dict[str, object]]]]:
        meters = [sample_message(sample, self._secret) for sample in samples]
        for start in range(0, len(meters), AT_ONCE):
            yield METERING, meters[start : start + AT_ONCE]
        if self._per_meter:
            for name, group in groupby(sorted(meters, key=_meter), key=_meter):
                of_meter = list(group)
                for start in range(0, len(of_meter), AT_ONCE):
                    yield f"{METERING}.{name}", of_meter[start : start + AT_ONCE]
        for start in range(0, len(events), AT_ONCE):
            yield EVENT, [event_message(event, self._secret) for event in events[start : start + AT_ONCE]]

    def _enveloped(self, event_type: str, payload: Sequence[dict[str, object]]) -> bytes:
        """As oslo.messaging writes it; sent again it has the same message id."""
        ids = [str(one["message_id"]) for one in payload]
        message = {
            "message_id": str(uuid.UUID(bytes=make_id("notification", event_type, *ids))),
            "publisher_id": PUBLISHER_ID,
            "event_type": event_type,
            "priority": "SAMPLE",
            "payload": payload,
            "timestamp": str(datetime.now(UTC).replace(tzinfo=None)),
            "_unique_id": uuid.uuid4().hex,
        }
        if not self._is_enveloped:
            return encode_json(message)
        return json.dumps(
            {"oslo.version": "2.0", "oslo.message": encode_json(message).decode("utf-8")}
        ).encode()


def _meter(message: dict[str, object]) -> str:
    return str(message["counter_name"])


def _address(target: Target, bus: BusSettings) -> SecretStr:
    if target.host:
        login = "" if target.user is None else f"{quote(target.user, '')}:{quote(target.password or '', '')}@"
        return SecretStr(f"amqp://{login}{target.place}{target.path or '/'}")
    if bus.url is None:
        raise InvalidPublisher(f"{target.name}: name a broker, notifier://user:password@host, or set bus.url")
    return bus.url

"""JSON over HTTP, as Ceilometer sends it or as CloudEvents."""

from collections.abc import Mapping, Sequence

from collector.listed import encode_json
from collector.publishers.messages import event_object, message_id, sample_object
from collector.publishers.publisher import EVERYTHING
from collector.publishers.target import Target
from collector.publishers.web import Web
from storage.event import Event
from storage.sample import Sample

JSON = {"content-type": "application/json"}
# Source: CloudEvents 1.0.2, JSON format and HTTP protocol binding, batched and structured content mode.
CLOUD_EVENT = {"content-type": "application/cloudevents+json; charset=utf-8"}
CLOUD_EVENTS = {"content-type": "application/cloudevents-batch+json; charset=utf-8"}
SAMPLE_TYPE, EVENT_TYPE = "org.openstack.telemetry.sample", "org.openstack.telemetry.event"


class Http:
    """http(s)://[user:password@]host/path: at least once; a receiver tells doubles by `id` or `message_id`.

    `batch` (true) sends lists, else one message each; `format` is ceilometer or cloudevents; `raw_only` sends of
    events their payload alone, and those without any not at all.
    """

    takes = EVERYTHING

    def __init__(self, target: Target) -> None:
        self.name = target.name
        options = target.options
        self._batch = options.flag("batch", default=True)
        self._raw_only = options.flag("raw_only", default=False)
        self._cloud = options.choice("format", ("ceilometer", "cloudevents")) == "cloudevents"
        self._web = Web(target, is_tls=target.scheme == "https")
        options.done()
        self._path = target.path or "/"

    def publish(self, samples: Sequence[Sample], events: Sequence[Event]) -> None:
        """Posts them; raises PublisherUnavailable and BatchRefused."""
        self._post([self._sample(sample) for sample in samples])
        if self._raw_only:
            self._post([event.raw for event in events if event.raw])
        else:
            self._post([self._event(event) for event in events])

    def close(self) -> None:
        """Ends the connection."""
        self._web.close()

    def _post(self, messages: Sequence[Mapping[str, object]]) -> None:
        if not messages:
            return
        if self._batch:
            headers = CLOUD_EVENTS if self._cloud else JSON
            self._web.post(self._path, encode_json(messages), headers)
            return
        for message in messages:
            self._web.post(self._path, encode_json(message), CLOUD_EVENT if self._cloud else JSON)

    def _sample(self, sample: Sample) -> Mapping[str, object]:
        data = sample_object(sample)
        if not self._cloud:
            return data
        return {
            "specversion": "1.0",
            "id": message_id(sample),
            "source": f"/nephometer/{sample.source}",
            "type": SAMPLE_TYPE,
            "subject": sample.resource_id,
            "time": sample.timestamp.isoformat(),
            "datacontenttype": "application/json",
            "data": data,
        }

    def _event(self, event: Event) -> Mapping[str, object]:
        data = event_object(event)
        if not self._cloud:
            return data
        return {
            "specversion": "1.0",
            "id": event.message_id,
            "source": f"/nephometer/{event.publisher_id or 'unknown'}",
            "type": EVENT_TYPE,
            "subject": event.event_type,
            "time": event.generated.isoformat(),
            "datacontenttype": "application/json",
            "data": data,
        }

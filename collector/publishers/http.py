"""JSON over HTTP, as Ceilometer sends it or as CloudEvents."""

from collections.abc import Iterable, Mapping, Sequence

from collector.listed import encode_json
from collector.publishers.messages import event_object, message_id, sample_object
from collector.publishers.publisher import EVERYTHING
from collector.publishers.target import Target
from collector.publishers.texts import sample_texts
from collector.publishers.web import Web
from storage.event import Event
from storage.ingest.batch import SampleBatch
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

    def publish(self, samples: SampleBatch, events: Sequence[Event]) -> None:
        """Posts them; raises PublisherUnavailable and BatchRefused."""
        if self._cloud:
            self._post([self._sample(sample) for sample in samples.samples()])
        else:
            self._send(sample_texts(samples))
        if self._raw_only:
            self._post([event.raw for event in events if event.raw])
        else:
            self._post([self._event(event) for event in events])

    def close(self) -> None:
        """Ends the connection."""
        self._web.close()

    def _post(self, messages: Iterable[Mapping[str, object]]) -> None:
        self._send([encode_json(message) for message in messages])

    def _send(self, texts: Sequence[bytes]) -> None:
        if self._batch and texts:
            headers = CLOUD_EVENTS if self._cloud else JSON
            self._web.post(self._path, b"[" + b",".join(texts) + b"]", headers)
            return
        for text in texts:
            self._web.post(self._path, text, CLOUD_EVENT if self._cloud else JSON)

    def _sample(self, sample: Sample) -> Mapping[str, object]:
        return {
            "specversion": "1.0",
            "id": message_id(sample),
            "source": f"/nephometer/{sample.source}",
            "type": SAMPLE_TYPE,
            "subject": sample.resource_id,
            "time": sample.timestamp.isoformat(),
            "datacontenttype": "application/json",
            "data": sample_object(sample),
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

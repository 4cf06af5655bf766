"""Prometheus: by its push gateway, as Ceilometer, or by remote write with every sample at its own time."""

from collections.abc import Sequence
from urllib.parse import quote

from collector.publishers import protobuf
from collector.publishers.exposition import TYPES, Series, metric_name, series_of, text
from collector.publishers.publisher import SAMPLES
from collector.publishers.target import Target
from collector.publishers.web import Web
from storage.event import Event
from storage.ingest.batch import SampleBatch
from storage.sample import Sample, to_microseconds

TEXT = {"content-type": "text/plain; version=0.0.4; charset=utf-8"}
# Source: https://prometheus.io/docs/specs/prw/remote_write_spec/
REMOTE_WRITE = {
    "content-type": "application/x-protobuf",
    "content-encoding": "snappy",
    "x-prometheus-remote-write-version": "0.1.0",
}
METADATA_TYPES = {"counter": 1, "gauge": 2}
JOB_SEGMENTS = 3  # /metrics/job/NAME; more of them are grouping labels


class PushGateway:
    """prometheus://gateway:9091/metrics/job/NAME: the latest value of each series, without its time.

    The last one pushed is what is scraped, so doubles do not matter. Unless the path has grouping labels, each
    resource is a group of its own: pushing one does not replace the others.
    """

    takes = SAMPLES

    def __init__(self, target: Target) -> None:
        self.name = target.name
        self._web = Web(target, is_tls=target.options.flag("ssl", default=False))
        target.options.done()
        self._path = target.path.rstrip("/")
        self._is_grouped = len(self._path.split("/")) - 1 > JOB_SEGMENTS

    def publish(self, samples: SampleBatch, _events: Sequence[Event]) -> None:
        """Pushes them; raises PublisherUnavailable and BatchRefused."""
        if self._is_grouped and len(samples):
            self._web.post(self._path, text(samples.samples()), TEXT)
            return
        by_resource: dict[str, list[Sample]] = {}
        for sample in samples.samples():
            by_resource.setdefault(sample.resource_id, []).append(sample)
        for resource_id, members in by_resource.items():
            self._web.post(f"{self._path}/resource_id/{quote(resource_id, safe='')}", text(members), TEXT)

    def close(self) -> None:
        """Ends the connection."""
        self._web.close()


class RemoteWrite:
    """prometheus+remote://server:9090/api/v1/write: every sample at its own time; one that comes twice is one.

    Prometheus takes samples of a series only in order of time, unless it has an out_of_order_time_window: late ones
    are else refused and set aside.
    """

    takes = SAMPLES

    def __init__(self, target: Target) -> None:
        self.name = target.name
        self._web = Web(target, is_tls=target.options.flag("ssl", default=False), timeout_s=10.0)
        target.options.done()
        self._path = target.path if len(target.path) > 1 else "/api/v1/write"

    def publish(self, samples: SampleBatch, _events: Sequence[Event]) -> None:
        """Writes them; raises PublisherUnavailable and BatchRefused."""
        if len(samples):
            body = protobuf.snappy(write_request(samples.samples()))
            self._web.post(self._path, body, REMOTE_WRITE)

    def close(self) -> None:
        """Ends the connection."""
        self._web.close()


def write_request(samples: Sequence[Sample]) -> bytes:
    """The message WriteRequest 1.0: series with their samples in order of time, then what each metric is."""
    by_series: dict[Series, dict[int, float]] = {}
    for sample in samples:
        at_ms = to_microseconds(sample.timestamp) // 1000
        by_series.setdefault(series_of(sample), {})[at_ms] = float(sample.volume)
    series = [protobuf.message(1, _time_series(*one)) for one in by_series.items()]
    kinds = {metric_name(sample.meter): sample for sample in samples}
    return b"".join([*series, *(protobuf.message(3, _metadata(name, one)) for name, one in kinds.items())])


def _time_series(series: Series, values: dict[int, float]) -> bytes:
    labels = (("__name__", series.name), *series.labels)
    parts = [protobuf.message(1, protobuf.text(1, name) + protobuf.text(2, value)) for name, value in labels]
    for at_ms, value in sorted(values.items()):
        parts.append(protobuf.message(2, protobuf.double(1, value) + protobuf.integer(2, at_ms)))
    return b"".join(parts)


def _metadata(name: str, sample: Sample) -> bytes:
    kind = METADATA_TYPES.get(TYPES.get(sample.type, ""), 0)
    return protobuf.integer(1, kind) + protobuf.text(2, name) + protobuf.text(5, sample.unit)

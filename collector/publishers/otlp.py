"""OpenTelemetry over HTTP, in JSON.

Source: https://opentelemetry.io/docs/specs/otlp/ and opentelemetry-proto, metrics/v1/metrics.proto: names in
lowerCamelCase, 64-bit numbers as text, times in nanoseconds since 1970.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version

import msgspec
import structlog

from collector.listed import encode_json
from collector.publishers.exposition import metric_name
from collector.publishers.publisher import SAMPLES
from collector.publishers.target import Target
from collector.publishers.web import Web
from storage.event import Event
from storage.ingest.batch import SampleBatch
from storage.sample import Sample, to_microseconds

JSON = {"content-type": "application/json"}
PATH = "/v1/metrics"
DELTA, CUMULATIVE = 1, 2  # AggregationTemporality

log = structlog.get_logger()

Object = dict[str, object]


class OpenTelemetry:
    """opentelemetryhttp://collector:4318/v1/metrics (or otlp://): at least once; a point is known by series and time.

    Cumulative meters are monotonic sums, delta meters sums of their own interval, gauges gauges.
    """

    takes = SAMPLES

    def __init__(self, target: Target) -> None:
        self.name = target.name
        options = target.options
        options.flag("batch", default=True)  # Ceilometer's http options; one request holds a batch anyway
        self._web = Web(target, is_tls=options.flag("ssl", default=False))
        options.done()
        self._path = target.path if len(target.path) > 1 else PATH

    def publish(self, samples: SampleBatch, _events: Sequence[Event]) -> None:
        """Exports them; raises PublisherUnavailable and BatchRefused."""
        if not len(samples):
            return
        answer = self._web.post(self._path, encode_json(export_request(samples.samples())), JSON)
        said = _partial_success(answer.content)
        if said:  # to be told and never sent again, says the specification
            log.warning("points_rejected", publisher=self.name, said=said)

    def close(self) -> None:
        """Ends the connection."""
        self._web.close()


def export_request(samples: Sequence[Sample]) -> Object:
    """The message ExportMetricsServiceRequest: by resource, then by metric, points in the order of the samples."""
    resources: dict[tuple[str, str, str | None], list[Sample]] = {}
    for sample in samples:
        resources.setdefault((sample.source, sample.resource_id, sample.project_id), []).append(sample)
    scope = {"name": "nephometer", "version": version("nephometer")}
    return {
        "resourceMetrics": [
            {
                "resource": {
                    "attributes": _attributes(
                        {"service.name": source, "resource_id": resource_id, "project_id": project_id}
                    )
                },
                "scopeMetrics": [{"scope": scope, "metrics": _metrics(members)}],
            }
            for (source, resource_id, project_id), members in resources.items()
        ]
    }


def _metrics(samples: Sequence[Sample]) -> list[Object]:
    by_meter: dict[tuple[str, str, str], list[Sample]] = {}
    for sample in samples:
        by_meter.setdefault((sample.meter, sample.type, sample.unit), []).append(sample)
    return [
        {
            "name": metric_name(meter),
            "description": f"{meter} unit:{unit}",
            "unit": unit,
            **_data(kind, members),
        }
        for (meter, kind, unit), members in by_meter.items()
    ]


def _data(kind: str, samples: Sequence[Sample]) -> Object:
    points = [_point(sample) for sample in samples]
    if kind == "gauge":
        return {"gauge": {"dataPoints": points}}
    is_cumulative = kind == "cumulative"
    temporality = CUMULATIVE if is_cumulative else DELTA
    return {
        "sum": {"dataPoints": points, "aggregationTemporality": temporality, "isMonotonic": is_cumulative}
    }


def _point(sample: Sample) -> Object:
    value: Object = (
        {"asDouble": sample.volume} if isinstance(sample.volume, float) else {"asInt": str(sample.volume)}
    )
    ids = {"resource_id": sample.resource_id, "project_id": sample.project_id, "user_id": sample.user_id}
    return {
        "attributes": _attributes(ids),
        "timeUnixNano": str(to_microseconds(sample.timestamp) * 1000),
        **value,
    }


def _attributes(values: Mapping[str, str | None]) -> list[Object]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items() if value]


def _partial_success(body: bytes) -> str:
    """What the answer says of rejected points, "" when none were."""
    try:
        answer = msgspec.json.decode(body) if body else {}
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    match answer:
        case {"partialSuccess": {"rejectedDataPoints": int() | str() as count, **rest}} if str(count) != "0":
            return f"{count} points: {rest.get('errorMessage', '')}"
    return ""

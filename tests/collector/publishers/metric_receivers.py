"""Receivers of readings as Prometheus, OpenTelemetry and InfluxDB have them."""

from collections.abc import Sequence

import httpx2
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from collector.publishers.exposition import metric_name, newest
from storage.sample import Sample
from tests.collector.publishers.receivers import Ids, Web
from tests.factories import NOW
from tests.prometheus import Prometheus
from tests.web import Reply


def points_of(samples: Sequence[Sample]) -> Ids:
    """Metric, resource and second of samples, where the form has no ids."""
    return {point(metric_name(one.meter), one.resource_id, one.timestamp.timestamp()) for one in samples}


def point(metric: str, resource_id: str, second: float) -> str:
    return f"{metric}@{resource_id}@{second:.0f}"


class PushGatewayReceiver(Web):
    """Keeps what a push gateway keeps: the latest value of each series, by group."""

    def __init__(self) -> None:
        super().__init__()
        self.url = f"prometheus://127.0.0.1:{self.port}/metrics/job/telemetry"

    def ids(self) -> Ids:
        return {
            f"{one.name.removesuffix('_total')}@{one.labels['resource_id']}@{one.value:.0f}"
            for request in self.requests
            for family in text_string_to_metric_families(request.body.decode())
            for one in family.samples
        }

    def expected(self, samples: Sequence[Sample]) -> Ids:
        latest = newest(samples)
        return {f"{one.name}@{of.resource_id}@{float(of.volume):.0f}" for one, of in latest.items()}


class RemoteWriteReceiver:
    """A real Prometheus, asked for everything it has."""

    def __init__(self) -> None:
        self._server = Prometheus()
        self.url = f"prometheus+remote://127.0.0.1:{self._server.port}"
        self.start, self.kill, self.close = self._server.start, self._server.kill, self._server.close

    def values(self) -> dict[str, str]:
        """Every point with its value."""
        query = {"query": '{resource_id!=""}[30d]', "time": str(NOW.timestamp() + 86_400)}
        answer = httpx2.get(f"{self._server.url}/api/v1/query", params=query, trust_env=False).json()
        return {
            point(series["metric"]["__name__"], series["metric"]["resource_id"], float(at)): value
            for series in answer["data"]["result"]
            for at, value in series["values"]
        }

    def ids(self) -> Ids:
        return set(self.values())

    def expected(self, samples: Sequence[Sample]) -> Ids:
        return points_of(samples)


class OpenTelemetryReceiver(Web):
    """Reads what arrives by the official definitions, which refuse whatever they do not know."""

    def __init__(self) -> None:
        super().__init__(lambda _request: Reply(200, b"{}"))
        self.url = f"opentelemetryhttp://127.0.0.1:{self.port}/v1/metrics"

    def exports(self) -> list[ExportMetricsServiceRequest]:
        return [json_format.Parse(request.body, ExportMetricsServiceRequest()) for request in self.requests]

    def ids(self) -> Ids:
        return {
            point(metric.name, attribute.value.string_value, found.time_unix_nano / 1e9)
            for export in self.exports()
            for resource in export.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for found in (*metric.gauge.data_points, *metric.sum.data_points)
            for attribute in found.attributes
            if attribute.key == "resource_id"
        }

    def expected(self, samples: Sequence[Sample]) -> Ids:
        return points_of(samples)


class InfluxReceiver(Web):
    """Reads lines without escapes."""

    def __init__(self) -> None:
        super().__init__()
        self.url = f"influx://127.0.0.1:{self.port}/?org=cloud&bucket=usage&token=s3cret"

    def ids(self) -> Ids:
        found: Ids = set()
        for request in self.requests:
            for line in request.body.decode().splitlines():
                series, _value, moment = line.split(" ")
                meter, *tags = series.split(",")
                resource_id = dict(tag.split("=") for tag in tags)["resource_id"]
                found.add(point(metric_name(meter), resource_id, int(moment) / 1e9))
        return found

    def expected(self, samples: Sequence[Sample]) -> Ids:
        return points_of(samples)

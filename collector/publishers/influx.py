"""InfluxDB's line protocol. Source: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/."""

from collections.abc import Sequence
from urllib.parse import urlencode

from collector.errors import InvalidPublisher
from collector.publishers.publisher import SAMPLES
from collector.publishers.target import Target
from collector.publishers.web import Web
from storage.event import Event
from storage.ingest.batch import SampleBatch
from storage.sample import Sample, to_microseconds

NAME = str.maketrans({",": r"\,", " ": r"\ ", "\n": " "})
TAG = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\=", "\n": " "})


class Influx:
    """influx://host:8086/?db=… (1.x) or ?org=…&bucket=…&token=… (2.x, 3.x): the same point written twice is one.

    A measurement is a meter, its tags are project_id, resource_id and user_id. Its field `value` is always a float, as
    a field has one type for ever: integers beyond 2**53 are rounded.
    """

    takes = SAMPLES

    def __init__(self, target: Target) -> None:
        self.name, options = target.name, target.options
        token = options.text("token")
        query = {key: options.text(key) for key in ("db", "rp", "org", "bucket")}
        self._web = Web(target, is_tls=options.flag("ssl", default=False))
        options.done()
        if not query["db"] and not query["bucket"]:
            raise InvalidPublisher(
                f"{self.name}: say db=… (InfluxDB 1) or org=…&bucket=…&token=… (InfluxDB 2)"
            )
        default = "/api/v2/write" if query["bucket"] else "/write"
        path = target.path if len(target.path) > 1 else default
        given = {key: value for key, value in query.items() if value}
        self._path = f"{path}?{urlencode({**given, 'precision': 'ns'})}"
        self._headers = {"content-type": "text/plain; charset=utf-8"}
        if token:
            self._headers["authorization"] = f"Token {token}"

    def publish(self, samples: SampleBatch, _events: Sequence[Event]) -> None:
        """Writes them; raises PublisherUnavailable and BatchRefused."""
        if len(samples):
            self._web.post(self._path, b"".join(map(_line, samples.samples())), self._headers)

    def close(self) -> None:
        """Ends the connection."""
        self._web.close()


def _line(sample: Sample) -> bytes:
    tags = (
        ("project_id", sample.project_id),
        ("resource_id", sample.resource_id),
        ("user_id", sample.user_id),
    )
    tagged = "".join(f",{name}={_tag(value)}" for name, value in tags if value)
    moment = to_microseconds(sample.timestamp) * 1000
    line = f"{sample.meter.translate(NAME)}{tagged} value={float(sample.volume)!r} {moment}\n"
    return line.encode("utf-8", "replace")


def _tag(value: str) -> str:
    """The value escaped; a backslash at its end, which would escape what follows, becomes a slash."""
    escaped = value.translate(TAG)
    return f"{escaped[:-1]}/" if escaped.endswith("\\") else escaped

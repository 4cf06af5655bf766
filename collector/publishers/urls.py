"""From the URL of a publisher to the publisher; one line for each scheme."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from collector.errors import InvalidPublisher
from collector.publishers.file import File
from collector.publishers.gnocchi import Gnocchi
from collector.publishers.http import Http
from collector.publishers.influx import Influx
from collector.publishers.notifier import Notifier
from collector.publishers.otlp import OpenTelemetry
from collector.publishers.prometheus import PushGateway, RemoteWrite
from collector.publishers.publisher import Publisher
from collector.publishers.scrape import Scrape
from collector.publishers.sockets import Tcp, Udp
from collector.publishers.target import Target, parse_url
from collector.publishers.zaqar import Zaqar
from collector.settings import BusSettings

NAME_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class Around:
    """What publishers share: the broker of URLs without a host, and the secret samples and events are signed with."""

    bus: BusSettings
    secret: str | None = None


SCHEMES: Mapping[str, Callable[[Target, Around], Publisher]] = {
    "file": lambda target, _: File(target),
    "http": lambda target, _: Http(target),
    "https": lambda target, _: Http(target),
    "udp": lambda target, around: Udp(target, around.secret),
    "tcp": lambda target, around: Tcp(target, around.secret),
    "prometheus": lambda target, _: PushGateway(target),
    "prometheus+remote": lambda target, _: RemoteWrite(target),
    "prometheus+scrape": lambda target, _: Scrape(target),
    "opentelemetryhttp": lambda target, _: OpenTelemetry(target),
    "otlp": lambda target, _: OpenTelemetry(target),
    "gnocchi": lambda target, _: Gnocchi(target),
    "influx": lambda target, _: Influx(target),
    "zaqar": lambda target, _: Zaqar(target),
    "notifier": lambda target, around: Notifier(target, around.bus, around.secret),
}


def publisher_of(url: str, around: Around) -> Publisher:
    """The publisher of a URL, nothing opened yet; raises InvalidPublisher, which shows no secret."""
    target = parse_url(url)
    make = SCHEMES.get(target.scheme)
    if make is None:
        raise InvalidPublisher(
            f"{target.name}: there is no {target.scheme}://; there are {', '.join(SCHEMES)}"
        )
    if len(target.name) > NAME_CHARACTERS:
        raise InvalidPublisher(f"{target.name[:40]}…: longer than {NAME_CHARACTERS} characters")
    return make(target, around)


def publishers_of(urls: Sequence[str], around: Around) -> list[Publisher]:
    """The publishers of several URLs; raises InvalidPublisher also when two have the same name and so one queue."""
    publishers = [publisher_of(url, around) for url in urls]
    names = [publisher.name for publisher in publishers]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidPublisher(f"{twice} is named twice: keep one")
    return publishers

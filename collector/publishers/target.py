"""The URL of a publisher, as Ceilometer's pipelines write it: where to, how, and its name without secrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from collector.errors import InvalidPublisher
from storage.secrets import option_names_secret

Number = TypeVar("Number", int, float)

TRUE, FALSE = (
    frozenset({"1", "t", "true", "on", "y", "yes"}),
    frozenset({"0", "f", "false", "off", "n", "no"}),
)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart; `name` is the URL without user, password and secret options, `host` "" when it has none."""

    scheme: str
    user: str | None
    password: str | None
    host: str
    port: int | None
    path: str
    name: str
    options: "Options"

    @property
    def place(self) -> str:
        """Host and port as they stand in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def needs_host(self) -> str:
        """The host; raises InvalidPublisher when there is none."""
        if not self.host:
            raise InvalidPublisher(f"{self.name}: a host is missing, as in {self.scheme}://host:port/path")
        return self.host


class Options:
    """What follows the `?`; whoever has read all he knows asks whether there are others."""

    def __init__(self, name: str, given: Mapping[str, str]) -> None:
        self._name, self._left = name, dict(given)
        self._known: list[str] = []

    def text(self, key: str, default: str = "") -> str:
        """Its text; a key without a value is empty."""
        self._known.append(key)
        return self._left.pop(key, default)

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        """A whole number within bounds; raises InvalidPublisher."""
        return self._number(key, int, default, (least, most))

    def real(self, key: str, default: float, least: float, most: float) -> float:
        """A number within bounds; raises InvalidPublisher."""
        return self._number(key, float, default, (least, most))

    def flag(self, key: str, *, default: bool) -> bool:
        """Yes or no in any of the words OpenStack takes, a key alone means yes; raises InvalidPublisher."""
        text = self.text(key, str(default)).lower()
        if text in TRUE or not text:
            return True
        if text in FALSE:
            return False
        raise InvalidPublisher(f"{self._name}: {key}={text} must be true or false")

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        """One of the allowed words, the first by default; raises InvalidPublisher."""
        text = self.text(key, allowed[0])
        if text not in allowed:
            raise InvalidPublisher(f"{self._name}: {key}={text} must be one of {', '.join(allowed)}")
        return text

    def rest(self) -> Mapping[str, str]:
        """All that nobody has read, and now is."""
        left, self._left = self._left, {}
        return left

    def done(self) -> None:
        """Raises InvalidPublisher when there are options nobody has read."""
        if self._left:
            unknown, known = ", ".join(self._left), ", ".join(self._known) or "none"
            raise InvalidPublisher(f"{self._name}: unknown option {unknown}; there are: {known}")

    def _number(self, key: str, kind: type[Number], default: Number, bounds: tuple[Number, Number]) -> Number:
        text, (least, most) = self.text(key, str(default)), bounds
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not least <= number <= most:
            raise InvalidPublisher(f"{self._name}: {key}={text} must be a number from {least} to {most}")
        return number


def parse_url(url: str) -> Target:
    """The parts of a URL; raises InvalidPublisher, which never shows a secret."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        shown = url.partition("://")[0][:20]
        raise InvalidPublisher(f"the URL that begins with {shown}: is none: look at host and port") from None
    if not parts.scheme or "://" not in url:
        raise InvalidPublisher("a publisher is a URL such as https://host/path or file:///path")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    name = _name(parts.scheme, parts.netloc.rpartition("@")[2], parts.path, given)
    return Target(
        parts.scheme.lower(),
        None if parts.username is None else unquote(parts.username),
        None if parts.password is None else unquote(parts.password),
        host,
        port,
        parts.path,
        name,
        Options(name, given),
    )


def _name(scheme: str, place: str, path: str, given: Mapping[str, str]) -> str:
    shown = {key: value for key, value in given.items() if not option_names_secret(key)}
    query = f"?{urlencode(shown, safe='/:*')}" if shown else ""
    return f"{scheme.lower()}://{place}{path}{query}"

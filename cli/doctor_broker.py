"""The doctor's look at the message broker: does it answer, and are the services' exchanges there."""

from collections.abc import Callable, Sequence

from pydantic import SecretStr

from cli.finding import Finding
from collector.errors import BusUnavailable
from collector.settings import BusSettings
from collector.topology import Feed, address, exchanges, feeds

Absent = Callable[[SecretStr, BusSettings, Sequence[str]], Sequence[str]]
"""Asks one broker which of these exchanges are absent, creating none; raises BusUnavailable."""


def examine(settings: BusSettings, absent: Absent) -> list[Finding]:
    """Findings about every broker of the settings."""
    brokers = feeds(settings)
    if not brokers:
        message = "bus.url is not set: no notifications, roles of one process work without a broker"
        return [Finding("broker", "ok", message)]
    return [finding for feed in brokers for finding in _examine(settings, feed, absent)]


def _examine(settings: BusSettings, feed: Feed, absent: Absent) -> list[Finding]:
    """Findings about one broker; when it does not answer, that one alone."""
    wanted = [exchange.name for exchange in exchanges(settings, feed)]
    try:
        missing = absent(feed.url, settings, wanted)
    except BusUnavailable as error:
        advice = "check that the broker runs, that user, password and virtual host in bus.url are right"
        return [Finding("broker", "problem", f"{address(feed.url)}: {error}", advice)]
    return [Finding("broker", "ok", f"{address(feed.url)} answers"), _exchanges(settings, wanted, missing)]


def _exchanges(settings: BusSettings, wanted: Sequence[str], missing: Sequence[str]) -> Finding:
    """Our own exchange is made by the collector, a service's by whoever of it and us comes first."""
    if settings.exchange in missing:
        message = f"the exchange {settings.exchange} is absent: no collector has been here yet"
        return Finding("exchanges", "warning", message, "start a collector: it creates what is absent")
    if missing:
        message = f"absent: {', '.join(missing)}"
        advice = "services send nothing there yet; a running collector creates and binds them"
        return Finding("exchanges", "warning", message, advice)
    return Finding("exchanges", "ok", f"all {len(wanted)} are there")

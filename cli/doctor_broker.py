"""The doctor's look at the message broker: does it answer, what is missing there, what waits there."""

from collections.abc import Callable, Sequence

from cli.finding import Finding
from collector.errors import BusUnavailable
from collector.settings import BusSettings
from collector.topology import BrokerState, address

Inspect = Callable[[BusSettings], Sequence[BrokerState]]

MANY = 100_000


def examine(settings: BusSettings, inspect: Inspect) -> list[Finding]:
    """Findings about every broker of the settings; when one does not answer, that one alone."""
    if not settings.notification_sources:
        message = "bus.url is not set: no notifications; the roles of one process work without a broker"
        return [Finding("broker", "ok", message)]
    try:
        states = inspect(settings)
    except BusUnavailable as error:
        name = " or ".join(address(url) for url in settings.notification_sources)
        advice = "check that the broker runs, that user, password and virtual host in bus.url are right"
        return [Finding("broker", "problem", f"{name}: {error}", advice)]
    return [finding for state in states for finding in _look_at(settings, state)]


def _look_at(settings: BusSettings, state: BrokerState) -> list[Finding]:
    return [
        Finding("broker", "ok", f"{state.address} answers"),
        _exchanges(settings, state),
        *_queues(settings, state),
    ]


def _exchanges(settings: BusSettings, state: BrokerState) -> Finding:
    """Ours are made by the collector, a service's by whoever of it and us comes first."""
    if settings.exchange in state.missing_exchanges:
        message = f"no collector has been at {state.address} yet: our own exchange is absent"
        return Finding(
            "exchanges", "warning", message, "start a collector: it creates and binds what is absent"
        )
    if state.missing_exchanges:
        message = f"absent at {state.address}: {', '.join(state.missing_exchanges)}"
        return Finding(
            "exchanges", "warning", message, "start the collector, or take them out of bus.exchanges"
        )
    return Finding("exchanges", "ok", f"all are there at {state.address}")


def _queues(settings: BusSettings, state: BrokerState) -> list[Finding]:
    """One finding per queue of ours that the broker has."""
    findings = []
    for queue, waiting in state.waiting.items():
        message = f"{waiting} messages in {queue}"
        if queue == settings.dead_queue and waiting:
            advice = "collectors could not process them however often they tried: see the collector's log"
            findings.append(Finding("queue", "warning", message, advice))
        elif waiting > MANY:
            advice = "start more collectors, or see in their log why they do not keep up"
            findings.append(Finding("queue", "warning", message, advice))
        else:
            findings.append(Finding("queue", "ok", message))
    return findings

"""The doctor's look at the message broker: does it answer, what is missing there, what waits there."""

from collections.abc import Callable

from cli.finding import Finding
from collector.errors import BusUnavailable
from collector.settings import BusSettings
from collector.topology import BrokerState, Depth, Feed, address, feeds, how_to_change

Inspect = Callable[[BusSettings, Feed], BrokerState]

MANY = 100_000
OURS = "nephometer."
UNREAD = 10_000  # as many as the policy of the installation guide leaves in a queue nobody reads


def examine(settings: BusSettings, inspect: Inspect) -> list[Finding]:
    """Findings about every broker of the settings."""
    if not settings.notification_sources:
        message = "bus.url is not set: no notifications; the roles of one process work without a broker"
        return [Finding("broker", "ok", message)]
    findings = [] if settings.tls_verify else [_unverified()]
    for feed in feeds(settings):
        try:
            findings += _look_at(settings, inspect(settings, feed))
        except BusUnavailable as error:
            advice = "check that the broker runs, that user, password and virtual host in bus.url are right"
            findings.append(Finding("broker", "problem", f"{address(feed.url)}: {error}", advice))
    return findings


def _unverified() -> Finding:
    message = "bus.tls_verify is off: whoever is between can read and change every message"
    return Finding("broker", "warning", message, "set bus.tls_ca to the authority of the broker instead")


def _look_at(settings: BusSettings, state: BrokerState) -> list[Finding]:
    return [
        Finding("broker", "ok", f"{state.address} answers"),
        _exchanges(settings, state),
        *(_queue(settings, queue, depth) for queue, depth in state.queues.items()),
        *(Finding("queue", "warning", said, how_to_change(queue)) for queue, said in state.differing.items()),
        *(_foreign(queue, depth) for queue, depth in state.others.items() if not depth.consumers),
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


def _queue(settings: BusSettings, queue: str, depth: Depth) -> Finding:
    """About a queue of ours."""
    message = f"{depth.messages} messages in {queue}"
    if queue == settings.dead_queue:
        if not depth.messages:
            return Finding("queue", "ok", message)
        advice = (
            "they waited too long, were too many, or killed collectors (see their log): "
            "each has the reason in its header x-death"
        )
        return Finding("queue", "warning", message, advice)
    if depth.messages and not depth.consumers:
        return Finding("queue", "warning", f"{message}, and no collector reads it", "start a collector")
    if depth.messages > MANY:
        advice = "start more collectors, or see in their log why they do not keep up"
        return Finding("queue", "warning", message, advice)
    return Finding("queue", "ok", message)


def _foreign(queue: str, depth: Depth) -> Finding:
    """About a queue nobody reads that the collectors of these settings do not know."""
    message = f"{depth.messages} messages in {queue}, which nobody reads"
    if queue.startswith(OURS):
        advice = f"it is of earlier settings: read it to its end with them, then `rabbitmqctl delete_queue {queue}`"
        return Finding("queue", "warning", message, advice)
    if depth.messages <= UNREAD:
        return Finding("queue", "ok", message)
    advice = (
        f"start whoever is to read it, else limit it by a policy of the broker or `rabbitmqctl delete_queue {queue}`: "
        "it grows until the broker's disk is full, which stops every service"
    )
    return Finding("queue", "warning", message, advice)

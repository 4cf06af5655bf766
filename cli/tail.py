"""nephometer tail: notifications as they are sent, and what becomes of each."""

import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated

import structlog
import typer

from cli import heard, invocation, output
from cli.errors import WrongUsage
from cli.heard import Heard
from cli.invocation import ConfigFile
from cli.parts import now
from cli.settings import Settings
from collector.bus import Overheard, listen
from collector.errors import BusUnavailable
from collector.gathering import message_of
from collector.mappings import event_mapping, meter_mapping
from collector.settings import BusSettings
from collector.topology import Feed, address, feeds
from collector.trial import Trial

BACKLOG = 1000  # notifications between the broker and the screen
TICK_S, END_S = 0.25, 2.0

log = structlog.get_logger()

app = typer.Typer(add_completion=False)


class Form(StrEnum):
    """How to write what is heard, which has no end."""

    TEXT = "text"
    JSON = "json"


@app.command("tail")
def tail(
    context: typer.Context,
    *,
    event_type: Annotated[
        list[str] | None,
        typer.Option("-e", "--event-type", metavar="GLOB", help="only these, as compute.*; repeatable"),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="also what was sent, less its secrets")] = False,
    form: Annotated[Form, typer.Option("-f", "--format", help="json: an object a line")] = Form.TEXT,
    count: Annotated[int | None, typer.Option(min=1, help="end after so many")] = None,
    config: ConfigFile = None,
) -> None:
    """Shows live notifications and what becomes of each; collectors get theirs all the same. Stores nothing."""
    settings = invocation.read_settings(context, config).settings
    if not settings.bus.notification_sources:
        raise WrongUsage("bus.url is not set: without a broker there are no notifications to listen to")
    show = heard.as_json if form is Form.JSON else heard.as_text
    wanted = tuple(event_type or ())
    left = count
    for one in _judged(settings, _overheard(settings.bus)):
        if wanted and not any(fnmatchcase(one.event_type, pattern) for pattern in wanted):
            continue
        output.write(show(one, raw=raw) + "\n", sys.stdout)
        left = left - 1 if left is not None else None
        if left == 0:
            return


def _judged(settings: Settings, sent: Iterator[Overheard]) -> Iterator[Heard]:
    options = settings.collector
    secret = options.telemetry_secret
    trial = Trial(
        meter_mapping(options),
        event_mapping(options),
        telemetry_secret=secret.get_secret_value() if secret else None,
    )
    for one in sent:
        received_at = now()
        outcome = trial.outcome(
            message_of("notifications", one.body, received_at, options.notification_limit_bytes)
        )
        yield Heard(one, received_at, heard.read(one.body), outcome)


def _overheard(settings: BusSettings) -> Iterator[Overheard]:
    """What the services of every broker send, until one of the brokers is away: raises BusUnavailable."""
    backlog, stop = _Backlog(), threading.Event()

    def follow(feed: Feed) -> None:
        try:
            listen(settings, feed, backlog.put, stop)
        except BusUnavailable as error:
            backlog.end(BusUnavailable(f"the broker {address(feed.url)} is away: {error}"))

    listeners = [
        threading.Thread(target=follow, args=(feed,), name="listener", daemon=True)
        for feed in feeds(settings)
        if "notifications" in feed.origins
    ]
    for listener in listeners:
        listener.start()
    try:
        while True:
            yield backlog.get()
    finally:
        stop.set()
        for listener in listeners:
            listener.join(END_S)


class _Backlog:
    """What waits for the screen. When that stands still, what is more is left out: connections wait for nobody."""

    def __init__(self) -> None:
        self._arrived: queue.Queue[Overheard] = queue.Queue(BACKLOG)
        self._missed = 0
        self._error: BusUnavailable | None = None

    def put(self, one: Overheard) -> None:
        try:
            self._arrived.put_nowait(one)
        except queue.Full:
            self._missed += 1

    def end(self, error: BusUnavailable) -> None:
        self._error = error

    def get(self) -> Overheard:
        """The next one; raises the error that a connection ended with."""
        while True:
            if self._missed:
                missed, self._missed = self._missed, 0
                log.warning("notifications_missed", count=missed)
            with suppress(queue.Empty):
                return self._arrived.get(timeout=TICK_S)
            if self._error is not None:
                raise self._error

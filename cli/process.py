"""Parts that run side by side in one process, from start to a clean end."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import structlog

from cli import notify

log = structlog.get_logger()

GRACE_S = 9.0  # systemd, and people, were promised ten
LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Part:
    """Something that runs until `stop` is set, and returns soon after."""

    name: str
    run: Callable[[threading.Event], None]


def run_together(parts: Sequence[Part], stop: threading.Event) -> int:
    """Runs every part in a thread until `stop` is set, a signal comes or a part ends; returns the exit code.

    A part that ends before it was asked to takes the others with it (the service manager starts all again):
    that is exit code 1, as is a part that does not end within nine seconds. What a part raised is raised
    again once the others have ended.
    """
    ended = _Ended()
    threads = [
        threading.Thread(target=_guard, args=(part, stop, ended), name=part.name, daemon=True)
        for part in parts
    ]
    with stopped_by_signals(stop, _end_at_once):
        for thread in threads:
            thread.start()
        log.info("started", parts=[part.name for part in parts])
        notify.ready()
        while not stop.wait(LOOK_EVERY_S):
            notify.watchdog()
        notify.stopping()
        log.info("stopping")
        for thread in threads:
            thread.join(GRACE_S)
    late = [thread.name for thread in threads if thread.is_alive()]
    if late:
        log.error("stopped_late", parts=late)
    log.info("stopped")
    if ended.error is not None:
        raise ended.error
    return 1 if late or ended.early else 0


@dataclass(slots=True)
class _Ended:
    """Whether a part ended before it was asked to, and what the first that failed raised."""

    early: bool = False
    error: Exception | None = None


def _guard(part: Part, stop: threading.Event, ended: _Ended) -> None:
    try:
        part.run(stop)
    except Exception as error:  # noqa: BLE001 - raised again by run_together, where people see it
        ended.error = ended.error or error
    else:
        if not stop.is_set():
            ended.early = True
            log.error("part_ended", part=part.name)
    finally:
        stop.set()


@contextmanager
def stopped_by_signals(stop: threading.Event, again: Callable[[int], None]) -> Iterator[None]:
    """SIGTERM and Ctrl-C set `stop`; a second one calls `again` with its number."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            again(number)
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_at_once(number: int) -> None:
    os._exit(128 + number)

"""The guests of this node through libvirt, however badly one of them hangs."""

import contextlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Protocol

import structlog

from agent import deadline
from agent.errors import SourceUnavailable
from agent.instance import Domain, DomainStats
from agent.sources import qemu
from collector.backoff import Backoff

# Running, blocked, paused, suspended by the guest: its QEMU lives. For any other state libvirt gives
# the processor time of its own daemon as the domain's (measured on 9.0).
ALIVE = frozenset({1, 2, 3, 7})
REFRESH_S = 600.0
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0  # between attempts to connect
# Shares of the deadline for the attempts of one read: everything; everything, past one wedged guest; only
# what no wedged guest can hold up. So no more than three calls ever hang; the daemon has 20 workers.
PATIENCE = (0.5, 0.3, 0.15)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Row:
    """One domain of a bulk call."""

    uuid: str
    number: int
    name: str
    stats: DomainStats


class Connection(Protocol):
    """What is asked of one connection; every method may hang as long as it likes."""

    def statistics(self, *, unblockable: bool = False) -> list[Row]:
        """Every active domain, in one call; raises SourceUnavailable.

        `unblockable` asks only for what the daemon tells without its guests: states and interfaces.
        """
        ...

    def definition(self, uuid: str) -> str | None:
        """The domain's XML; None when it has left."""
        ...

    def take_changed(self) -> set[str]:
        """Uuids of domains whose definition changed since the last call."""
        ...

    def is_alive(self) -> bool:
        """Whether the other end is there."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


@dataclass(frozen=True, slots=True)
class _Definition:
    xml: str
    started: str
    fetched_s: float
    devices: frozenset[str]


_Lives = Mapping[tuple[str, int], _Definition]


@dataclass(frozen=True, slots=True)
class _Answer:
    connection: Connection
    domains: list[Domain]
    lives: _Lives


class Hypervisor:
    """Domains with their counters and definitions, from one bulk call per read.

    A call that hangs on a wedged guest is left behind and another connection asked, whose answer lacks
    only what that guest cannot tell. If that one hangs too, several guests are wedged (lost storage does
    that): until one of the calls returns, states and interfaces are all that is asked for.
    `deadline_s` is for all attempts of a read together. `clock` gives monotonic seconds.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        deadline_s: float,
        clock: Callable[[], float] = time.monotonic,
        start_ticks: Callable[[set[str]], Mapping[str, str]] = qemu.start_ticks,
    ) -> None:
        self._connect = connect
        self._deadline_s = deadline_s
        self._clock = clock
        self._start_ticks = start_ticks
        self._connection: Connection | None = None
        self._lives: _Lives = {}
        self._stuck: list[Future[_Answer]] = []
        self._backoff = Backoff(first_s=FIRST_WAIT_S, longest_s=LONGEST_WAIT_S)
        self._retry_at = 0.0
        self._reason = ""

    def read(self, _now: datetime) -> list[Domain]:
        """Every living domain, in libvirt's order; raises SourceUnavailable."""
        self._bury_finished()
        if self._connection is None and self._clock() < self._retry_at:
            raise SourceUnavailable(self._reason)
        for share in PATIENCE:
            if len(self._stuck) >= len(PATIENCE):
                break
            answer = self._ask(share * self._deadline_s)
            if answer is not None:
                self._connection, self._lives = answer.connection, answer.lives
                self._backoff.reset()
                return answer.domains
        raise SourceUnavailable(f"libvirt does not answer: {len(self._stuck)} calls are waiting for it")

    def close(self) -> None:
        """Let the connection go. Calls that hang are left to themselves."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, patience_s: float) -> _Answer | None:
        """One attempt; None when it took too long and was left behind, with its connection."""
        unblockable = len(self._stuck) == len(PATIENCE) - 1
        work = partial(self._work, self._connection, self._lives, unblockable=unblockable)
        call = deadline.start(work, "libvirt")
        try:
            return call.result(timeout=patience_s)
        except TimeoutError:
            self._stuck.append(call)
            self._connection = None
            log.warning("libvirt_call_stuck", waited_s=patience_s, stuck=len(self._stuck))
            return None
        except SourceUnavailable as error:
            self._fail(error)
            raise

    def _fail(self, error: SourceUnavailable) -> None:
        self.close()
        self._retry_at = self._clock() + self._backoff.next_s()
        self._reason = str(error)

    def _bury_finished(self) -> None:
        """Forget calls that came back late: their answers are old, their connections no longer wanted."""
        for call in [call for call in self._stuck if call.done()]:
            self._stuck.remove(call)
            log.info("libvirt_call_returned", stuck=len(self._stuck))
            with contextlib.suppress(SourceUnavailable):
                call.result().connection.close()

    def _work(self, connection: Connection | None, lives: _Lives, *, unblockable: bool) -> _Answer:
        """Runs beside the reader and may never end, so it changes nothing of `self`."""
        if connection is not None and not connection.is_alive():
            connection.close()
            connection = None
        if connection is None:
            connection = self._connect()
        found = connection.statistics(unblockable=unblockable)
        rows = [row for row in found if row.number >= 0 and row.stats.state in ALIVE]
        renewed = self._renew(connection, rows, lives)
        domains = [
            Domain(row.uuid, row.number, row.name, row.stats, life.xml, life.started)
            for row in rows
            if (life := renewed.get((row.uuid, row.number))) is not None
        ]
        return _Answer(connection, domains, renewed)

    def _renew(self, connection: Connection, rows: list[Row], lives: _Lives) -> _Lives:
        """The definitions of these domains, asked again only where they are new, changed or old."""
        now_s, changed = self._clock(), connection.take_changed()
        known = {(row.uuid, row.number): lives.get((row.uuid, row.number)) for row in rows}
        ticks = self._start_ticks({uuid for (uuid, _), life in known.items() if life is None})
        renewed: dict[tuple[str, int], _Definition] = {}
        for row in rows:
            life, devices = known[row.uuid, row.number], _devices(row.stats)
            if (
                life is None
                or row.uuid in changed
                or not devices <= life.devices
                or now_s - life.fetched_s > REFRESH_S
            ):
                started = life.started if life else ticks.get(row.uuid, "")
                life = _fetch(connection, row.uuid, life, _Definition("", started, now_s, devices))
            if life is not None:  # else it left since the bulk call
                renewed[row.uuid, row.number] = life
        return renewed


def _fetch(
    connection: Connection, uuid: str, old: _Definition | None, blank: _Definition
) -> _Definition | None:
    xml = connection.definition(uuid)
    return old if xml is None else replace(blank, xml=xml)


def _devices(stats: DomainStats) -> frozenset[str]:
    return frozenset({disk.target for disk in stats.disks} | {vnic.target for vnic in stats.vnics})

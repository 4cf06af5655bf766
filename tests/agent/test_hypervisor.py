"""Trap by trap: a hypervisor that hangs, goes, comes back and mixes the living with the dead."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from agent.errors import SourceUnavailable
from agent.sources.hypervisor import Connection, Hypervisor, Row
from tests.agent.pretend import DATABASE, NOW, SHUT_OFF, WEB, recorded_rows, recorded_xml

ROWS = recorded_rows("running")


@dataclass
class FakeConnection:
    """A connection that answers `rows`, or waits for `gate` first when it has one."""

    rows: list[Row] = field(default_factory=lambda: list(ROWS))
    gate: threading.Event | None = None
    error: str = ""
    alive: bool = True
    closed: bool = False
    changed: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    calls: int = 0
    unblockable: bool = False

    def statistics(self, *, unblockable: bool = False) -> list[Row]:
        self.calls += 1
        self.unblockable = unblockable
        if self.gate is not None:
            self.gate.wait()
        if self.error:
            raise SourceUnavailable(self.error)
        return self.rows

    def definition(self, uuid: str) -> str | None:
        self.asked.append(uuid)
        return recorded_xml(uuid) if uuid in (WEB, DATABASE) else None

    def take_changed(self) -> set[str]:
        changed, self.changed = self.changed, set()
        return changed

    def is_alive(self) -> bool:
        return self.alive

    def close(self) -> None:
        self.closed = True


class Clock:
    """Monotonic seconds that move when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def no_ticks(_uuids: set[str]) -> Mapping[str, str]:
    return {}


@contextmanager
def hypervisor(
    *connections: FakeConnection,
    clock: Clock | None = None,
    deadline_s: float = 30,
    start_ticks: Callable[[set[str]], Mapping[str, str]] = no_ticks,
) -> Iterator[Hypervisor]:
    """A hypervisor that is given these connections one after the other; hanging ones are let go at the end."""
    waiting = iter(connections)

    def connect() -> Connection:
        return next(waiting)

    try:
        yield Hypervisor(connect, deadline_s=deadline_s, clock=clock or Clock(), start_ticks=start_ticks)
    finally:
        for connection in connections:
            if connection.gate is not None:
                connection.gate.set()


def test_one_bulk_call_gives_every_domain_with_its_definition() -> None:
    connection = FakeConnection()
    with hypervisor(connection, start_ticks=lambda uuids: {WEB: "123"} if WEB in uuids else {}) as libvirt:
        domains = libvirt.read(NOW)

    assert [(d.uuid, d.number, d.started) for d in domains] == [(WEB, 1, "123"), (DATABASE, 2, "")]
    assert domains[0].xml == recorded_xml(WEB)
    assert connection.calls == 1


def test_a_shut_off_domain_is_left_out_since_its_counters_are_the_daemons() -> None:
    rows = recorded_rows("shut_off")
    assert [(row.number, row.stats.cpu.process_ns) for row in rows if row.uuid == SHUT_OFF] == [
        (-1, 280_000_000)
    ]

    with hypervisor(FakeConnection(rows)) as libvirt:
        assert SHUT_OFF not in {domain.uuid for domain in libvirt.read(NOW)}


def test_a_paused_domain_lives() -> None:
    with hypervisor(FakeConnection(recorded_rows("paused"))) as libvirt:
        assert {domain.stats.state for domain in libvirt.read(NOW)} == {1, 3}


@pytest.mark.parametrize("state", [0, 4, 5, 6, None])
def test_a_domain_with_a_number_that_does_not_run_is_left_out(state: int | None) -> None:
    row = replace(ROWS[0], stats=replace(ROWS[0].stats, state=state))

    with hypervisor(FakeConnection([row])) as libvirt:
        assert libvirt.read(NOW) == []


def test_a_wedged_guest_is_passed_on_a_second_connection() -> None:
    stuck, second = FakeConnection(gate=threading.Event()), FakeConnection(recorded_rows("wedged"))

    with hypervisor(stuck, second, deadline_s=0.2) as libvirt:
        domains = libvirt.read(NOW)

    assert {domain.uuid for domain in domains} == {WEB, DATABASE}
    assert domains[0].stats.disks[0].read_bytes is None


def test_the_second_connection_goes_on_while_the_first_call_still_hangs() -> None:
    stuck, second = FakeConnection(gate=threading.Event()), FakeConnection()

    with hypervisor(stuck, second, deadline_s=0.2) as libvirt:
        for _ in range(3):
            libvirt.read(NOW)

    assert (stuck.calls, second.calls) == (1, 3)


def test_when_several_guests_are_wedged_only_what_cannot_hang_is_asked() -> None:
    gate = threading.Event()
    stuck, stuck_too, third = FakeConnection(gate=gate), FakeConnection(gate=gate), FakeConnection()

    with hypervisor(stuck, stuck_too, third, deadline_s=0.2) as libvirt:
        assert [len(libvirt.read(NOW)) for _ in range(3)] == [2, 2, 2]
        assert third.unblockable
        assert not stuck_too.unblockable
        assert (stuck.calls, stuck_too.calls, third.calls) == (1, 1, 3)

        gate.set()
        while third.unblockable:
            libvirt.read(NOW)


def test_never_more_than_three_calls_hang() -> None:
    gate = threading.Event()
    connections = [FakeConnection(gate=gate) for _ in range(6)]

    with hypervisor(*connections, deadline_s=0.2) as libvirt:
        for _ in range(4):
            with pytest.raises(SourceUnavailable, match="3 calls are waiting"):
                libvirt.read(NOW)
        assert sum(connection.calls for connection in connections) == 3


def test_a_call_that_comes_back_late_is_closed_and_its_answer_thrown_away() -> None:
    stuck = FakeConnection(gate=threading.Event())
    second = FakeConnection([ROWS[1]])

    with hypervisor(stuck, second, deadline_s=0.2) as libvirt:
        libvirt.read(NOW)
        assert stuck.gate is not None
        stuck.gate.set()
        while not stuck.closed:
            domains = libvirt.read(NOW)

    assert [domain.uuid for domain in domains] == [DATABASE]


def test_definitions_are_asked_once_for_each_life() -> None:
    connection = FakeConnection()
    with hypervisor(connection) as libvirt:
        libvirt.read(NOW)
        libvirt.read(NOW)
        connection.rows = [replace(ROWS[0], number=7), ROWS[1]]  # stopped and started
        libvirt.read(NOW)

    assert connection.asked == [WEB, DATABASE, WEB]


def test_definitions_are_asked_again_when_an_event_device_or_time_says_so() -> None:
    connection, clock = FakeConnection(), Clock()
    with hypervisor(connection, clock=clock) as libvirt:
        libvirt.read(NOW)
        connection.asked.clear()

        connection.changed = {WEB}
        libvirt.read(NOW)
        card = replace(ROWS[1].stats.vnics[0], target="tap9")
        connection.rows = [ROWS[0], replace(ROWS[1], stats=replace(ROWS[1].stats, vnics=(card,)))]
        libvirt.read(NOW)
        assert connection.asked == [WEB, DATABASE]

        clock.now_s += 601
        libvirt.read(NOW)
        assert connection.asked == [WEB, DATABASE, WEB, DATABASE]


def test_a_domain_that_leaves_between_two_calls_is_passed_over() -> None:
    gone = replace(ROWS[0], uuid=SHUT_OFF)

    with hypervisor(FakeConnection([gone, ROWS[1]])) as libvirt:
        assert [domain.uuid for domain in libvirt.read(NOW)] == [DATABASE]


def test_a_restarted_daemon_costs_no_poll() -> None:
    before, after = FakeConnection(), FakeConnection()
    with hypervisor(before, after) as libvirt:
        libvirt.read(NOW)
        before.alive = False

        assert len(libvirt.read(NOW)) == 2

    assert before.closed


def test_an_absent_daemon_is_tried_again_with_patience() -> None:
    attempts = []
    clock = Clock()

    def refuse() -> Connection:
        attempts.append(clock.now_s)
        raise SourceUnavailable("nobody there")

    libvirt = Hypervisor(refuse, deadline_s=30, clock=clock, start_ticks=no_ticks)
    for _ in range(600):
        with pytest.raises(SourceUnavailable, match="nobody there"):
            libvirt.read(NOW)
        clock.now_s += 1

    gaps = [later - earlier for earlier, later in pairwise(attempts)]
    assert 10 < len(attempts) < 40
    assert max(gaps) <= 61


def test_a_refused_call_lets_the_connection_go_and_the_next_one_heals() -> None:
    broken, healed, clock = FakeConnection(error="internal error"), FakeConnection(), Clock()
    with hypervisor(broken, healed, clock=clock) as libvirt:
        with pytest.raises(SourceUnavailable, match="internal error"):
            libvirt.read(NOW)
        clock.now_s += 61

        assert len(libvirt.read(NOW)) == 2

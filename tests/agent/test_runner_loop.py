"""The agent's loop, on the real clock since keeping time is what it is for."""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from agent.pollsters import catalog
from agent.reading import HostReading
from agent.runner import Part
from tests.agent.house import House, host
from tests.agent.pretend import (
    HOST,
    drain,
)
from tests.running import running


class Turns:
    """A source that counts its reads and says when there were enough."""

    name = "host"

    def __init__(self, enough: int) -> None:
        self.moments: list[float] = []
        self.enough = threading.Event()
        self._wanted = enough

    def read(self, _now: datetime) -> HostReading:
        self.moments.append(time.monotonic())
        if len(self.moments) >= self._wanted:
            self.enough.set()
        return HOST


def run(house: House, until: threading.Event) -> float:
    """Run until something happens; returns how long the end took."""
    with running(house.runner.run):
        assert until.wait(20)
        began = time.monotonic()
    return time.monotonic() - began


def test_a_running_agent_polls_delivers_and_ends_when_told(build: Callable[..., House]) -> None:
    source, second = Turns(2), threading.Event()
    house = build(Part(source, [catalog.HOST[1]()]), interval=1)

    def count() -> None:
        if house.sink.bodies:
            second.set()

    house.sink.before = count

    assert run(house, second) < 5
    drain(house.outbox)

    assert len(house.sink.samples) == 3 * len(source.moments)


def test_an_agent_with_a_wedged_source_ends_when_told(build: Callable[..., House]) -> None:
    gate, reading = threading.Event(), threading.Event()

    def hang() -> object:
        reading.set()
        gate.wait()
        return HOST

    house = build(host(hang), interval=1, source_deadline=60)

    with capture_logs() as logs:
        assert run(house, reading) < 5
    gate.set()

    assert "source_down" not in {entry["event"] for entry in logs}


def test_polling_keeps_its_beat_while_the_transport_hangs(build: Callable[..., House]) -> None:
    source = Turns(3)
    house = build(Part(source, [catalog.HOST[1]()]), interval=1)
    released = threading.Event()
    house.sink.before = released.wait  # the broker takes the batch and never answers

    try:
        with running(house.runner.run):
            assert source.enough.wait(20)
            released.set()
    finally:
        released.set()

    gaps = [later - earlier for earlier, later in pairwise(source.moments)]
    assert all(0.5 < gap < 1.5 for gap in gaps)


def test_a_broken_transport_is_said_once_and_heals(build: Callable[..., House]) -> None:
    source = Turns(1)
    house = build(Part(source, [catalog.HOST[1]()]), interval=1)
    second_attempt = threading.Event()
    house.sink.is_down = True

    def heal_after_one() -> None:
        if house.value("deliveries_total", outcome="failed"):
            house.sink.is_down = False
            second_attempt.set()

    house.sink.before = heal_after_one
    with capture_logs() as logs:
        run(house, second_attempt)

    events = [entry["event"] for entry in logs if entry["event"].startswith("delivery")]
    assert events == ["delivery_down", "delivery_up"]
    assert house.sink.samples


def test_a_poll_that_fails_as_a_whole_is_said_and_counted(
    build: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Turns(1)
    house = build(Part(source, [catalog.HOST[1]()]), interval=60)

    def fail(_samples: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(house.outbox, "put", fail)
    with capture_logs() as logs:
        run(house, source.enough)

    assert [entry["exc_info"] for entry in logs if entry["event"] == "poll_failed"] == [True]
    assert house.value("failed_polls_total") == 1

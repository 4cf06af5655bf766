import math
import random
import threading
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry, Counter
from structlog.testing import capture_logs

from collector.backoff import LONGEST_S, Backoff
from collector.confirmation import Confirmation
from collector.errors import BusUnavailable, PublisherUnavailable
from collector.gathering import BYTES_LIMIT, Gathering, Limits
from collector.pipeline import Message, Origin
from collector.work import Work
from tests.collector.factories import NOW

LIMITS: dict[Origin, Limits] = {
    "notifications": Limits(3, 1000, 2**20),
    "agent": Limits(2, 1000, 2 * BYTES_LIMIT),
}


def counter(registry: CollectorRegistry | None = None) -> Counter:
    return Counter("failures", "Attempts that failed", registry=registry)


def gathering_of(*origins: Origin) -> Gathering:
    gathering = Gathering(LIMITS, 1.0)
    for tag, origin in enumerate(origins, start=1):
        gathering.add(origin, tag, b"body", NOW, now_s=10)
    return gathering


def test_a_batch_is_due_when_nothing_came_for_a_tenth_of_the_wait() -> None:
    gathering = gathering_of("notifications", "agent")

    assert not gathering.is_due(10.09)
    assert gathering.is_due(10.1)
    assert gathering.due_at_s == 10.1


def test_a_batch_to_which_more_keeps_coming_is_due_when_its_first_message_has_waited_long_enough() -> None:
    gathering = Gathering({"agent": Limits(1000, 1000, 2**20)}, 1.0)

    for tag in range(1, 16):
        gathering.add("agent", tag, b"body", NOW, now_s=10 + tag / 16)

    assert not gathering.is_due(11)
    assert gathering.is_due(11.0625)


def test_a_batch_is_due_at_once_when_one_queue_has_given_enough() -> None:
    assert not gathering_of("notifications", "notifications", "agent").is_due(10)
    assert gathering_of("notifications", "notifications", "notifications").is_due(10)
    assert gathering_of("agent", "notifications", "agent").is_due(10)


def test_the_first_batches_are_small_and_each_next_one_may_be_twice_as_large() -> None:
    limits: dict[Origin, Limits] = {"notifications": Limits(16, 1000, 2**20)}
    gathering = Gathering(limits, 1.0, first_share=1 / 4)
    sizes = []

    for tag in range(1, 45):
        gathering.add("notifications", tag, b"body", NOW, now_s=10)
        if gathering.is_due(10):
            sizes.append(len(gathering.take().messages))

    assert sizes == [4, 8, 16, 16]


def test_a_batch_is_due_at_once_when_it_is_large() -> None:
    gathering = gathering_of()

    gathering.add("agent", 1, bytes(BYTES_LIMIT), NOW, 10)

    assert gathering.is_due(10)


def test_a_taken_batch_knows_the_last_delivery_of_each_queue_and_a_new_one_begins() -> None:
    gathering = gathering_of("agent", "notifications", "agent", "notifications")

    taken = gathering.take()

    assert [message.origin for message in taken.messages] == [
        "agent",
        "notifications",
        "agent",
        "notifications",
    ]
    assert taken.last_tags == {"agent": 3, "notifications": 4}
    assert not gathering.is_due(1e9)


class Database:
    """Processes batches; away while `away`."""

    def __init__(self) -> None:
        self.away = False
        self.batches: list[Sequence[Message]] = []
        self.done = threading.Event()

    def process(self, messages: Sequence[Message]) -> None:
        if self.away:
            raise PublisherUnavailable("away")
        self.batches.append(messages)


def test_deliveries_are_acknowledged_only_after_their_batch_is_processed() -> None:
    database, acknowledged = Database(), list[tuple[Origin, int]]()
    work = Work(
        gathering_of("agent", "notifications"),
        database.process,
        lambda *tag: acknowledged.append(tag),
        database.done.set,
        counter(),
    )

    work.turn(11)
    assert database.done.wait(5)
    assert acknowledged == []
    work.turn(11)

    assert len(database.batches) == 1
    assert acknowledged == [("agent", 1), ("notifications", 2)]
    assert not work.is_going_on


def test_an_absent_database_is_asked_again_with_the_same_batch_and_nothing_is_acknowledged() -> None:
    database, acknowledged = Database(), list[tuple[Origin, int]]()
    database.away = True
    gathering = gathering_of("agent")
    work = Work(
        gathering, database.process, lambda *tag: acknowledged.append(tag), database.done.set, counter()
    )

    now_s = 11.0
    for _ in range(6):
        database.done.clear()
        work.turn(now_s)
        assert database.done.wait(5)
        work.turn(now_s)
        assert not work.is_going_on  # it waits
        now_s += 5
    gathering.add("agent", 2, b"later", NOW, now_s)
    database.away = False
    database.done.clear()
    work.turn(now_s)
    assert database.done.wait(5)
    work.turn(now_s, start=False)

    assert [[message.body for message in batch] for batch in database.batches] == [[b"body"]]
    assert acknowledged == [("agent", 1)]


def test_two_batches_are_in_work_at_once_and_are_acknowledged_in_their_order() -> None:
    may_end = [threading.Event(), threading.Event()]
    begun, acknowledged, woken = threading.Semaphore(0), list[tuple[Origin, int]](), threading.Semaphore(0)
    gathering = gathering_of("agent", "agent")

    def process(messages: Sequence[Message]) -> None:
        begun.release()
        assert may_end[0 if messages[0].body == b"body" else 1].wait(5)

    work = Work(gathering, process, lambda *tag: acknowledged.append(tag), woken.release, counter())
    work.turn(10)
    for tag in (3, 4, 5, 6):
        gathering.add("agent", tag, b"later", NOW, 10)
        work.turn(10)
    assert begun.acquire(timeout=5)
    assert begun.acquire(timeout=5)

    may_end[1].set()
    assert woken.acquire(timeout=5)
    work.turn(10, start=False)
    assert acknowledged == []
    may_end[0].set()
    assert woken.acquire(timeout=5)
    work.turn(10, start=False)

    assert acknowledged == [("agent", 2), ("agent", 4)]
    assert not begun.acquire(blocking=False)


def test_a_batch_that_failed_is_tried_again_and_keeps_its_successor_from_being_acknowledged() -> None:
    failures, acknowledged, woken = [True, False], list[tuple[Origin, int]](), threading.Semaphore(0)
    gathering = gathering_of("agent", "agent")

    def process(messages: Sequence[Message]) -> None:
        if messages[0].body == b"body" and failures.pop(0):
            raise PublisherUnavailable("away")

    work = Work(gathering, process, lambda *tag: acknowledged.append(tag), woken.release, counter())
    work.turn(10)
    for tag in (3, 4):
        gathering.add("agent", tag, b"later", NOW, 10)
    work.turn(10)
    assert woken.acquire(timeout=5)
    work.turn(10.1, start=False)
    work.turn(16)
    assert woken.acquire(timeout=5)
    work.turn(16.1)
    assert woken.acquire(timeout=5)
    work.turn(16.2)

    assert acknowledged == [("agent", 2), ("agent", 4)]


def test_a_program_error_is_said_and_counted_and_no_reason_to_acknowledge() -> None:
    registry = CollectorRegistry()
    done, acknowledged = threading.Event(), list[tuple[Origin, int]]()

    def fail(_messages: Sequence[Message]) -> None:
        raise ZeroDivisionError

    work = Work(
        gathering_of("agent"), fail, lambda *tag: acknowledged.append(tag), done.set, counter(registry)
    )
    with capture_logs() as logged:
        work.turn(11)
        assert done.wait(5)
        work.turn(11)

    assert acknowledged == []
    assert ("batch_failed", True) in [(line["event"], line.get("exc_info")) for line in logged]
    assert registry.get_sample_value("failures_total") == 1


def test_nothing_is_to_be_done_until_the_batch_is_due_or_may_be_tried_again() -> None:
    done, away = threading.Semaphore(0), [True, False]

    def process(_messages: Sequence[Message]) -> None:
        if away.pop(0):
            raise PublisherUnavailable("away")

    gathering = gathering_of()
    work = Work(gathering, process, lambda *_tag: None, done.release, counter())
    assert work.idle_s(10) == math.inf
    gathering.add("agent", 1, b"body", NOW, now_s=10)
    assert work.idle_s(10) == pytest.approx(0.1)
    assert work.idle_s(12) == 0

    work.turn(12)
    assert done.acquire(timeout=5)
    assert work.idle_s(12) == 0  # it failed, which is to be noticed
    work.turn(12)
    assert 0 < work.idle_s(12) <= LONGEST_S
    gathering.add("agent", 2, b"later", NOW, now_s=20)
    work.turn(30)
    assert done.acquire(timeout=5)
    work.turn(30, start=False)
    assert work.idle_s(30) == 0  # the next one has waited longer than it has to


def test_waiting_times_double_with_jitter_up_to_a_limit_below_5_seconds() -> None:
    backoff = Backoff(random.Random(1))

    waits = [backoff.next_s() for _ in range(10)]

    assert 0.25 <= waits[0] <= 0.5
    assert all(LONGEST_S / 2 <= wait <= LONGEST_S < 5 for wait in waits[3:])
    assert len(set(waits)) == 10
    backoff.reset()
    assert backoff.next_s() <= 0.5


def test_a_confirm_after_a_return_is_no_success() -> None:
    confirmation = Confirmation(timeout_s=0.01)

    confirmation.note_return("no queue took it: NO_ROUTE")
    confirmation.answer(taken=True)

    with pytest.raises(BusUnavailable, match="NO_ROUTE"):
        confirmation.wait()


def test_a_refusal_an_end_and_silence_are_no_success_and_a_confirm_is() -> None:
    confirmation = Confirmation(timeout_s=0.01)

    with pytest.raises(BusUnavailable, match="in time"):
        confirmation.wait()
    confirmation.expect()
    confirmation.answer(taken=False)
    with pytest.raises(BusUnavailable, match="refused"):
        confirmation.wait()
    confirmation.expect()
    confirmation.fail("connection lost")
    confirmation.answer(taken=True)
    with pytest.raises(BusUnavailable, match="connection lost"):
        confirmation.wait()
    confirmation.expect()
    confirmation.answer(taken=True)
    confirmation.wait()

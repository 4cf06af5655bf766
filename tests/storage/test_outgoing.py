from datetime import timedelta

import pytest

from storage.database import Database
from storage.outgoing import Leased, Outgoing, Owed
from storage.standings import Standings
from tests.factories import MINUTE, NOW

SECOND = timedelta(seconds=1)
A, B = "file:///a", "https://b.example/samples"


@pytest.fixture
def outgoing(database: Database) -> Outgoing:
    return Outgoing(database)


@pytest.fixture
def standings(database: Database) -> Standings:
    return Standings(database)


def owed(body: bytes = b"one", outlet: str = A, pieces: int = 1) -> Owed:
    return Owed(outlet, "samples", pieces, body)


def lease(outgoing: Outgoing, outlet: str = A, after: timedelta = SECOND, pieces: int = 100) -> list[Leased]:
    return outgoing.lease(outlet, NOW + after, MINUTE, pieces=pieces, size=1000) or []


def bodies(leased: list[Leased]) -> list[bytes]:
    return [batch.body for batch in leased]


def test_batches_come_out_oldest_first_and_each_to_one_only(outgoing: Outgoing) -> None:
    outgoing.put([owed(b"first"), owed(b"second"), owed(b"other", B)], NOW)
    outgoing.put([owed(b"third")], NOW + SECOND / 2)

    taken = [bodies(lease(outgoing, pieces=2)), bodies(lease(outgoing)), bodies(lease(outgoing))]

    assert taken == [[b"first", b"second"], [b"third"], []]
    assert bodies(lease(outgoing, B)) == [b"other"]


def test_one_delivery_holds_batches_of_one_kind_as_far_as_they_fit(outgoing: Outgoing) -> None:
    outgoing.put([owed(bytes(600)), owed(bytes(600)), Owed(A, "events", 1, b"[]"), owed(bytes(2000))], NOW)

    taken = [[len(body) for body in bodies(lease(outgoing))] for _ in range(4)]

    assert taken == [[600], [600], [2], [2000]]


def test_what_was_not_delivered_is_due_again_when_its_lease_ends(outgoing: Outgoing) -> None:
    outgoing.put([owed()], NOW)

    taken = [[batch.attempts for batch in lease(outgoing, after=SECOND * s)] for s in (1, 60, 61)]

    assert taken == [[1], [], [2]]


def test_a_delivered_batch_is_gone_also_when_another_took_it_meanwhile(outgoing: Outgoing) -> None:
    outgoing.put([owed()], NOW)
    slow = lease(outgoing)
    lease(outgoing, after=2 * MINUTE)

    outgoing.delivered(A, slow)

    assert lease(outgoing, after=5 * MINUTE) == []


def test_a_paused_worker_cannot_put_off_what_another_took_meanwhile(outgoing: Outgoing) -> None:
    outgoing.put([owed()], NOW)
    slow = lease(outgoing)
    (taken,) = lease(outgoing, after=2 * MINUTE)

    outgoing.again(A, slow, NOW + SECOND)
    outgoing.set_aside(A, slow[0], "refused", pieces=1, body=b"one")

    assert lease(outgoing, after=2 * MINUTE + SECOND) == []
    assert [batch.attempts for batch in lease(outgoing, after=4 * MINUTE)] == [taken.attempts + 1]


def test_a_batch_put_off_waits_and_those_behind_it_do_not(outgoing: Outgoing) -> None:
    outgoing.put([owed(b"first"), owed(b"second")], NOW)

    outgoing.again(A, lease(outgoing, pieces=1), NOW + MINUTE)

    assert bodies(lease(outgoing)) == [b"second"]
    assert bodies(lease(outgoing, after=MINUTE)) == [b"first"]


def test_what_was_set_aside_can_be_replayed(outgoing: Outgoing, standings: Standings) -> None:
    standings.begin(A)
    outgoing.put([owed(pieces=7), owed(b"two")], NOW)
    (bad, good) = lease(outgoing)
    outgoing.set_aside(A, bad, "HTTP 400", pieces=3, body=b"bad")
    outgoing.delivered(A, [good])

    (standing,) = standings.all()
    count = outgoing.replay(A, NOW + SECOND)

    assert (standing.aside, standing.batches, standing.oldest) == (3, 0, None)
    assert count == 1
    assert bodies(lease(outgoing, after=2 * SECOND)) == [b"bad"]


def test_batches_that_wait_too_long_are_dropped_and_counted_for_each_outlet(
    outgoing: Outgoing, standings: Standings
) -> None:
    standings.begin(A)
    outgoing.put([owed(pieces=3), owed(pieces=4, outlet=B)], NOW)
    outgoing.put([owed(b"young")], NOW + MINUTE)

    dropped = outgoing.drop_before(NOW + MINUTE)

    assert sorted(dropped.values()) == [3, 4]
    assert dropped[A] == 3
    assert [standing.dropped for standing in standings.all()] == [3]
    assert bodies(lease(outgoing, after=2 * MINUTE)) == [b"young"]


def test_the_oldest_go_when_a_queue_is_too_large(outgoing: Outgoing) -> None:
    outgoing.put([owed(bytes([number]) * 10, pieces=2) for number in range(5)], NOW)
    outgoing.put([owed(bytes(1000), B)], NOW)

    dropped = outgoing.drop_over(A, 25)

    assert dropped == 6
    assert bodies(lease(outgoing)) == [b"\x03" * 10, b"\x04" * 10]


def test_the_standing_of_an_outlet_says_what_waits_and_what_is_wrong(
    outgoing: Outgoing, standings: Standings
) -> None:
    for name in (B, A, B):
        standings.begin(name)
    outgoing.put([owed(b"12345"), owed(b"12345")], NOW)

    standings.failing(A, "connection refused", NOW)
    failing, idle = standings.all()
    standings.working(A)
    (working, _) = standings.all()

    assert (failing.name, failing.batches, failing.size, failing.oldest) == (A, 2, 10, NOW)
    assert (failing.error, failing.failing_since) == ("connection refused", NOW)
    assert (idle.name, idle.batches, idle.oldest, idle.error) == (B, 0, None, None)
    assert working.error is None
    assert working.failing_since is None


def test_an_outlet_is_forgotten_with_what_it_is_owed(outgoing: Outgoing, standings: Standings) -> None:
    standings.begin(A)
    outgoing.put([owed()], NOW)

    standings.forget(A)

    assert standings.all() == []
    assert lease(outgoing) == []

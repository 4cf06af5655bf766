from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from storage.database import Database
from storage.upkeep.leases import Leases
from tests.factories import NOW

MINUTE = timedelta(minutes=1)


def test_one_of_two_holds_a_lease_until_it_ends(database: Database) -> None:
    leases = Leases(database)

    first = leases.take("work", "a", NOW, MINUTE)
    other = leases.take("work", "b", NOW + 0.9 * MINUTE, MINUTE)
    after = leases.take("work", "b", NOW + MINUTE, MINUTE)
    late = leases.take("work", "a", NOW + MINUTE, MINUTE)

    assert (first, other, after, late) == (True, False, True, False)


def test_whoever_holds_a_lease_may_take_it_again(database: Database) -> None:
    leases = Leases(database)
    leases.take("work", "a", NOW, MINUTE)

    again = leases.take("work", "a", NOW + 0.5 * MINUTE, MINUTE)

    assert again
    assert not leases.take("work", "b", NOW + 1.4 * MINUTE, MINUTE)


def test_a_lease_taken_twice_in_one_moment_is_held(database: Database) -> None:
    leases = Leases(database)

    assert all(leases.take("work", "a", NOW, MINUTE) for _ in range(3))


def test_leases_of_different_names_do_not_know_each_other(database: Database) -> None:
    leases = Leases(database)
    leases.take("work", "a", NOW, MINUTE)

    assert leases.take("play", "b", NOW, MINUTE)


def test_a_released_lease_is_free_at_once_but_only_its_holder_releases_it(database: Database) -> None:
    leases = Leases(database)
    leases.take("work", "a", NOW, MINUTE)

    leases.release("work", "b")
    before = leases.take("work", "b", NOW, MINUTE)
    leases.release("work", "a")
    after = leases.take("work", "b", NOW, MINUTE)

    assert (before, after) == (False, True)


def test_a_lease_of_a_clock_that_is_days_ahead_does_not_hold_up_the_others(database: Database) -> None:
    leases = Leases(database)
    leases.take("work", "a", NOW + timedelta(days=3), MINUTE)

    assert leases.take("work", "b", NOW, MINUTE)


def test_of_many_that_try_at_once_one_gets_the_lease(database: Database) -> None:
    def attempt(number: int) -> bool:
        return Leases(database).take("work", str(number), NOW, MINUTE)

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(attempt, range(8)))

    assert sum(taken) == 1

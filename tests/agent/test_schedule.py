from agent.schedule import Schedule


def test_everything_is_due_at_the_start() -> None:
    schedule = Schedule({"a": 10, "b": 60}, start_s=100)

    assert schedule.take_due(99.9) == frozenset()
    assert schedule.take_due(100) == {"a", "b"}


def test_pollsters_of_one_rhythm_stay_together() -> None:
    schedule = Schedule({"a": 10, "b": 10, "c": 30}, start_s=0)
    dues = [schedule.take_due(now) for now in (0, 10, 20, 30)]

    assert dues == [{"a", "b", "c"}, {"a", "b"}, {"a", "b"}, {"a", "b", "c"}]


def test_a_late_poll_moves_no_later_one() -> None:
    schedule = Schedule({"a": 10}, start_s=0)

    schedule.take_due(0)
    schedule.take_due(17.5)

    assert schedule.next_s() == 20


def test_polls_missed_in_a_sleep_are_not_made_up_for() -> None:
    schedule = Schedule({"a": 10}, start_s=0)
    schedule.take_due(0)

    assert schedule.take_due(3605) == {"a"}
    assert schedule.take_due(3605) == frozenset()
    assert schedule.next_s() == 3610


def test_ten_thousand_polls_do_not_drift() -> None:
    schedule = Schedule({"a": 0.1}, start_s=5)

    for _ in range(10_000):
        schedule.take_due(schedule.next_s() or 0)

    assert abs((schedule.next_s() or 0) - (5 + 10_000 * 0.1)) < 1e-6


def test_without_pollsters_nothing_is_ever_due() -> None:
    schedule = Schedule({}, start_s=0)

    assert schedule.next_s() is None
    assert schedule.take_due(1e9) == frozenset()

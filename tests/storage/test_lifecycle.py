"""Chains do not depend on the order of what is learned, nor on when it is condensed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise, permutations
from random import Random

from hypothesis import given
from hypothesis import strategies as some

from storage.fact import NOTHING, Attributes, Fact, happened, seen, told
from storage.lifecycle import Segment, chain, condense
from tests.factories import NOW

HOUR = timedelta(hours=1)
SMALL = Attributes(project_id="project-a", type="m1.small", status="active", name="web")
LARGE = Attributes(project_id="project-a", type="m1.large", status="active", name="web")


def at(hours: float) -> datetime:
    return NOW + hours * HOUR


def begins(hours: float, said: Attributes = SMALL) -> Fact:
    return happened("instance", "vm-1", "begins", at(hours), said, "begins", str(hours))


def says(hours: float, said: Attributes = SMALL, message: str = "") -> Fact:
    return happened("instance", "vm-1", "is", at(hours), said, "is", str(hours), message)


def ends(hours: float, said: Attributes = NOTHING) -> Fact:
    return happened("instance", "vm-1", "ends", at(hours), said, "ends", str(hours))


def sees(hours: float, said: Attributes = SMALL) -> Fact:
    return seen("instance", "vm-1", at(hours), said)


def began(hours: float) -> Fact:
    return told("instance", "vm-1", "begins", at(hours))


def ended(hours: float) -> Fact:
    return told("instance", "vm-1", "ends", at(hours))


def segment(start: float, end: float | None, said: Attributes = SMALL) -> Segment:
    return Segment("instance", "vm-1", at(start), None if end is None else at(end), said)


def test_a_resize_ends_a_segment_and_begins_the_next() -> None:
    assert chain([begins(0), says(2, LARGE), ends(3)]) == (segment(0, 2), segment(2, 3, LARGE))


def test_nothing_known_is_no_segment() -> None:
    assert chain([]) == ()


def test_a_missing_create_is_made_good_by_what_later_messages_tell() -> None:
    assert chain([sees(5), began(0), ends(6)]) == (segment(0, 6),)


def test_without_any_word_of_the_beginning_a_resource_begins_when_it_was_first_heard_of() -> None:
    assert chain([sees(5), says(7, LARGE)]) == (segment(5, 7), segment(7, None, LARGE))


def test_a_missing_delete_is_made_good_by_what_a_later_audit_tells() -> None:
    assert chain([begins(0), ended(4), sees(5)]) == (segment(0, 4),)


def test_silence_ends_nothing() -> None:
    assert chain([begins(0), sees(1)]) == (segment(0, None),)


def test_a_told_time_is_better_than_that_of_the_message() -> None:
    assert chain([begins(0.1), began(0), ends(3.2), ended(3)]) == (segment(0, 3),)


def test_a_transfer_gives_each_project_its_time() -> None:
    theirs = Attributes(project_id="project-b")

    found = chain([begins(0), says(2, theirs), ends(4)])

    assert [(one.attributes.project_id, one.start, one.end) for one in found] == [
        ("project-a", at(0), at(2)),
        ("project-b", at(2), at(4)),
    ]


def test_what_is_said_after_the_end_is_no_segment() -> None:
    assert chain([begins(0), ends(1), sees(2, LARGE)]) == (segment(0, 1),)


def test_a_delete_before_its_create_by_skewed_clocks_leaves_a_life_of_no_time() -> None:
    assert chain([ends(0), began(1), begins(1)]) == (segment(1, 1),)


def test_what_was_said_before_the_beginning_by_a_skewed_clock_holds_from_the_beginning() -> None:
    assert chain([says(0, LARGE), began(1), says(2)]) == (segment(1, 2, LARGE), segment(2, None))


def test_a_project_known_from_the_delete_alone_holds_for_the_whole_life() -> None:
    assert chain([began(0), ends(3, SMALL)]) == (segment(0, 3),)


def test_seeing_the_same_all_day_is_one_fact() -> None:
    hourly = [sees(number / 12) for number in range(140)]

    found = condense(hourly)

    assert [(fact.at, fact.until) for fact in found] == [(at(0), at(139 / 12))]


def test_what_a_look_contradicts_is_back_when_it_was_seen_last() -> None:
    found = chain([sees(0), sees(1), sees(3), says(2, LARGE)])

    assert found == (segment(0, 2), segment(2, 3, LARGE), segment(3, None))


HISTORIES = {
    "plain": [begins(0), says(1, LARGE), says(2), ends(3)],
    "doubled times": [begins(0), says(1, LARGE), says(1, SMALL, "other"), sees(1), ends(2)],
    "only audits": [sees(0), sees(1, LARGE), sees(2), began(-1), ended(3)],
    "clock skew": [ends(0), begins(1), began(0.5), says(0.2, LARGE), sees(2)],
    "transfer": [begins(0), says(1, Attributes(project_id="project-b")), sees(2, LARGE), ends(3), ended(2.5)],
}


def test_every_order_of_a_small_history_gives_the_same_chain() -> None:
    for history in HISTORIES.values():
        assert len({chain(order) for order in permutations(history)}) == 1


def test_every_part_of_a_small_history_gives_a_chain_without_gaps() -> None:
    for history in HISTORIES.values():
        for mask in range(1, 2 ** len(history)):
            part = [fact for place, fact in enumerate(history) if mask >> place & 1]
            check(chain(part))


WORDS = some.none() | some.sampled_from(["a", "b"])
SAID = some.builds(
    Attributes,
    project_id=WORDS,
    type=WORDS,
    size=some.none() | some.integers(1, 2),
    status=WORDS,
    more=some.sampled_from([(), (("vcpus", 1),), (("vcpus", 2),)]),
)
TIMES = some.integers(0, 40).map(lambda number: number * 2.0)  # more than three days
FACTS = some.one_of(
    some.builds(begins, TIMES, SAID),
    some.builds(says, TIMES, SAID, some.sampled_from(["", "other"])),
    some.builds(ends, TIMES, SAID),
    some.builds(sees, TIMES, SAID),
    some.builds(began, TIMES),
    some.builds(ended, TIMES),
)
SETS = some.lists(FACTS, max_size=12)


@given(facts=SETS, order=some.randoms(use_true_random=False))
def test_any_order_and_any_repetition_gives_the_same_chain(facts: list[Fact], order: Random) -> None:
    shuffled = [*facts, *facts[::2]]
    order.shuffle(shuffled)

    assert chain(shuffled) == chain(facts)


@given(early=SETS, late=SETS)
def test_condensing_at_any_moment_never_changes_the_chain(early: list[Fact], late: list[Fact]) -> None:
    assert chain([*condense(early), *late]) == chain([*early, *late])
    assert chain(condense([*condense(early), *condense(late)])) == chain([*early, *late])


@given(facts=SETS)
def test_a_chain_has_no_gap_no_overlap_and_no_two_neighbours_alike(facts: list[Fact]) -> None:
    check(chain(facts))


def check(segments: Sequence[Segment]) -> None:
    for one, following in pairwise(segments):
        assert one.end == following.start
        assert one.end is not None
        assert one.start < one.end
        assert one.attributes != following.attributes
    last = segments[-1] if segments else None
    assert last is None or last.end is None or last.start <= last.end
    assert last is None or len(segments) == 1 or last.start != last.end

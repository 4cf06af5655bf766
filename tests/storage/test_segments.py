"""The lives of resources in real databases."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from storage.database import Database
from storage.fact import Attributes, Fact, happened, seen, told
from storage.lifecycle import Segment
from storage.query import EVERYTHING, Scope
from storage.segments import SegmentQuery, Segments
from storage.tables_lifecycle import fact as facts_table
from tests.factories import NOW

HOUR = timedelta(hours=1)
A, B = Scope("project-a"), Scope("project-b")
OURS = Attributes(
    "project-a", "m1.small", 10, "active", "nova", "wéb", (("memory_mb", 512), ("spot", True), ("x", 1.5))
)
THEIRS = Attributes(project_id="project-b")


def at(hours: float) -> datetime:
    return NOW + hours * HOUR


def history(resource_id: str = "vm-1", said: Attributes = OURS) -> list[Fact]:
    """A server of twelve hours that changes hands after three."""
    return [
        happened("instance", resource_id, "begins", at(0), said, "1"),
        happened("instance", resource_id, "is", at(3), THEIRS, "2"),
        *(seen("instance", resource_id, at(hour), THEIRS) for hour in range(4, 11)),
        happened("instance", resource_id, "ends", at(12.1), Attributes(), "3"),
        told("instance", resource_id, "ends", at(12)),
    ]


def spans(found: Sequence[Segment]) -> list[tuple[object, ...]]:
    return [(one.resource_id, one.attributes.project_id, one.start, one.end) for one in found]


@pytest.fixture
def segments(database: Database) -> Segments:
    return Segments(database)


def test_any_order_and_any_pieces_of_a_history_give_the_same_chain(database: Database) -> None:
    whole = Segments(database)
    whole.store(history("vm-0"))
    expected = [spans([one])[0][1:] for one in whole.of_resource(EVERYTHING, "vm-0")]
    dice = random.Random(7)

    for number in range(1, 6):
        pieces = [*history(f"vm-{number}"), *history(f"vm-{number}")[::3]]
        dice.shuffle(pieces)
        for piece in pieces:
            Segments(database).store([piece])

        found = spans(whole.of_resource(EVERYTHING, f"vm-{number}"))
        assert [one[1:] for one in found] == expected

    assert expected == [("project-a", at(0), at(3)), ("project-b", at(3), at(12))]


def test_every_attribute_comes_back_as_it_was_said(segments: Segments) -> None:
    segments.store(history())

    assert segments.of_resource(A, "vm-1")[0].attributes == OURS


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "\\",
        '\\"',
        "a\\n",
        "a\nb",
        "\t",
        "\x01",
        "\x7f",
        "null",
        "NULL",
        "{a,b}",
        "",
        " ",
        "\u2028",
        "😀",
    ],
)
def test_any_text_comes_back_as_it_was_said(segments: Segments, text: str) -> None:
    said = Attributes("project-a", type=f"x{text}", name=text, more=(("note", text), ("of", f"{text}x")))

    segments.store([happened("instance", f"vm-{text}", "begins", at(0), said, "1")])

    (found,) = segments.of_resource(A, f"vm-{text}")
    assert (found.resource_id, found.attributes) == (f"vm-{text}", said)


def test_an_event_that_comes_again_at_another_time_stays_as_it_came_first(database: Database) -> None:
    first, again = (happened("instance", "vm-1", "begins", at(hour), OURS, "1") for hour in (1, 0))

    for fact in (first, again):
        Segments(database).store([fact])

    assert spans(Segments(database).of_resource(EVERYTHING, "vm-1")) == [("vm-1", "project-a", at(1), None)]


def test_a_project_sees_the_segments_that_were_its_own(segments: Segments) -> None:
    segments.store(history())

    assert spans(segments.of_resource(A, "vm-1")) == [("vm-1", "project-a", at(0), at(3))]
    assert spans(segments.of_resource(B, "vm-1")) == [("vm-1", "project-b", at(3), at(12))]
    assert segments.of_resource(Scope("project-c"), "vm-1") == []


def test_polls_of_a_day_are_one_row(segments: Segments, database: Database) -> None:
    for minute in range(0, 300, 5):
        segments.store([seen("instance", "vm-1", NOW + timedelta(minutes=minute), OURS)])

    with database.read() as connection:
        rows = connection.execute(select(facts_table)).all()
    assert [(row.until - row.at) // 60_000_000 for row in rows] == [295]


def test_what_was_seen_is_widened_in_either_direction(database: Database) -> None:
    for hour in (3, 5, 1, 4):
        Segments(database).store([seen("instance", "vm-1", at(hour), OURS)])
    Segments(database).store([happened("instance", "vm-1", "is", at(4.5), THEIRS, "1")])

    found = Segments(database).of_resource(EVERYTHING, "vm-1")

    assert [one.start for one in found] == [at(1), at(4.5), at(5)]


def test_a_period_holds_what_has_a_part_of_it(segments: Segments) -> None:
    segments.store([fact for number in range(3) for fact in history(f"vm-{number}")])

    def found(start: float, end: float, scope: Scope = EVERYTHING) -> list[tuple[object, ...]]:
        return spans(segments.find(SegmentQuery(scope, at(start), at(end)), 10).segments)

    assert [one[1] for one in found(2, 4)] == ["project-a", "project-b"] * 3
    assert [one[1] for one in found(2, 3)] == ["project-a"] * 3
    assert found(2, 3, B) == []
    assert found(12, 20) == []
    assert found(-2, 0) == []


def test_pages_hold_each_resource_once(segments: Segments) -> None:
    segments.store([fact for number in range(5) for fact in history(f"vm-{number}")])
    segments.store([happened("volume", "vm-3", "begins", at(1), OURS, "9")])

    pages: list[list[tuple[str, str]]] = []
    after: tuple[str, str] | None = None
    while not pages or after is not None:
        page = segments.find(SegmentQuery(A, after=after), 2)
        pages.append([(one.kind, one.resource_id) for one in page.segments])
        after = page.after

    assert [one for page in pages for one in page] == [
        ("instance", "vm-0"),
        ("instance", "vm-1"),
        ("instance", "vm-2"),
        ("instance", "vm-3"),
        ("volume", "vm-3"),
        ("instance", "vm-4"),
    ]
    assert [len(page) for page in pages] == [2, 2, 2]


def test_one_kind_can_be_asked_for(segments: Segments) -> None:
    segments.store([*history(), happened("volume", "vm-1", "begins", at(1), OURS, "9")])

    assert [one.kind for one in segments.of_resource(EVERYTHING, "vm-1", "volume")] == ["volume"]
    assert [one.kind for one in segments.find(SegmentQuery(A, kind="volume"), 9).segments] == ["volume"]


def test_ids_are_compared_byte_for_byte(segments: Segments) -> None:
    for name in ("a", "A", "a ", "ä"):
        segments.store(history(name))

    assert len(segments.of_resource(EVERYTHING, "a")) == 2
    found = segments.find(SegmentQuery(A), 10).segments
    assert [one.resource_id for one in found] == ["A", "a", "a ", "ä"]


def test_storing_again_tells_nothing_new(segments: Segments, database: Database) -> None:
    first = segments.store(history())

    assert first == len(history()) - 6  # seven looks are one fact
    assert segments.store(history()) == 0
    assert Segments(database).store(history()) == 0


def test_wrong_facts_are_put_right_in_one_transaction(segments: Segments, database: Database) -> None:
    wrong, right = history(), history(said=Attributes(project_id="project-a", type="m1.large"))
    segments.store(wrong)

    segments.correct(wrong, right)

    assert segments.missing(right) == []
    assert segments.of_resource(A, "vm-1")[0].attributes.type == "m1.large"
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(facts_table)).scalar() == 5


def test_what_is_missing_is_named(segments: Segments) -> None:
    facts = history()
    segments.store(facts[:1])

    found = {fact.id for fact in segments.missing(facts)}

    assert found == {fact.id for fact in facts[1:]}


def test_many_writers_of_the_same_history_leave_one_chain(database: Database) -> None:
    names = [f"vm-{number}" for number in range(20)]
    pieces = [fact for name in names for fact in history(name)]

    def write(seed: int) -> None:
        mine, store = list(pieces), Segments(database)
        random.Random(seed).shuffle(mine)
        for first in range(0, len(mine), 40):
            store.store(mine[first : first + 40])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))

    found = Segments(database)
    expected = [("project-a", at(0), at(3)), ("project-b", at(3), at(12))]
    assert all([one[1:] for one in spans(found.of_resource(EVERYTHING, name))] == expected for name in names)
    page = found.find(SegmentQuery(A, at(0), at(1)), 100)
    assert [one.resource_id for one in page.segments] == sorted(names)

from dataclasses import dataclass, field

import pytest

from collector.event_types import REMEMBERED, ByEventType, Names


@dataclass
class Counted:
    """A pattern for everything that counts how often it is asked."""

    asked: list[str] = field(default_factory=list)

    def matches(self, event_type: str) -> bool:
        self.asked.append(event_type)
        return True


def names(*events: str, excluded: frozenset[str] = frozenset()) -> Names:
    return Names(frozenset(events), excluded)


@pytest.mark.parametrize(
    ("event_type", "expected"),
    [
        ("a.b.c", ["exact", "two", "also two", "one", "all"]),
        ("a.b.d", ["two", "also two", "one", "all"]),
        ("a.b", ["one", "all"]),
        ("a.x.y", ["all"]),
        ("ab.c", ["all"]),
        ("", ["all"]),
    ],
)
def test_things_come_in_the_order_of_how_exactly_they_name_a_type(
    event_type: str, expected: list[str]
) -> None:
    found = ByEventType(
        [
            (names("*"), "all"),
            (names("a.*", excluded=frozenset({"a.x.*"})), "one"),
            (names("a.b.*"), "two"),
            (names("a.b.*", "z"), "also two"),
            (names("a.b.c"), "exact"),
        ]
    )

    assert list(found.of(event_type)) == expected


def test_a_pattern_is_tried_once_for_each_type_however_many_notifications_there_are() -> None:
    pattern = Counted()
    found = ByEventType([(pattern, "any")])

    for _ in range(1000):
        assert found.of("a.b") == ("any",)

    assert pattern.asked == ["a.b"]


def test_types_that_senders_invent_take_a_bounded_place() -> None:
    found = ByEventType([(Counted(), "any")])

    for number in range(2 * REMEMBERED):
        found.of(f"capacity.pool.{number}")

    assert found.of.cache_info().currsize == REMEMBERED

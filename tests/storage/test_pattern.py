import random
import re
import time

import pytest

from storage.pattern import LONGEST, BadPattern, Pattern

PIECES = (
    "a", "b", "c", ".", "[ab]", "[^a]", "[a-c]", r"\d", r"\W", "^", "$", "(a|b)", "(?:ab)", "a*", "b+", "c?", "a{2}",
    "b{1,3}", "a{1,}", "(ab)*", "(a+)+", "(a|aa)+$", "|", "x", r"\.", "a*?", "[]a]", "[a-]",
)  # fmt: skip


def test_it_finds_what_pythons_own_finds() -> None:
    chance = random.Random(1)

    for _ in range(4000):
        text = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 5)))
        pattern, theirs = Pattern(text), re.compile(text)
        for _ in range(4):
            value = "".join(chance.choice("abcx1.-]") for _ in range(chance.randint(0, 7)))
            assert pattern.is_in(value) == bool(theirs.search(value)), (text, value)


@pytest.mark.parametrize(
    "text", ["(a+)+$", "(a|aa)+$", "(.*)(.*)(.*)(.*)x{1,100}y", "(a?){100}a{100}b", "^(([a-z])+.)+[A-Z]$"]
)
def test_no_pattern_takes_long(text: str) -> None:
    began = time.process_time()

    assert not Pattern(text).is_in("a" * 4096 + "!")

    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "text",
    [
        "(", ")", "a)", "(a", "[", "[a", "*", "+a", "a**", "a{2}{3}", "a{", "a{x}", "a{3,2}", "a{1000}", r"\1", r"\b",
        "(?=a)", "(?!a)", "(?<=a)", "(?P<n>a)", "(?i)a", "[z-a]", "\\", "a" * (LONGEST + 1), "(" * 40 + ")" * 40,
        "((((a{100}){100}){100}){100}){100}",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(BadPattern):
        Pattern(text)


def test_patterns_of_one_text_are_equal() -> None:
    assert {Pattern("a"), Pattern("a")} == {Pattern("a")}
    assert Pattern("a") != Pattern("b")

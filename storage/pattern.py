"""Regular expressions that take no longer than the text is long, whoever wrote them.

What most people write: `.`, `[a-z]`, `[^,]`, `\\d \\w \\s` and their opposites, `^ $`, `|`, `(...)`, `(?:...)`, `* + ?`
and `{2}`, `{2,}`, `{2,5}`. Back-references and looking around cannot be found so and are refused. A text is read once,
with every way through the pattern at the same time; which ways are open after a character is remembered.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

LONGEST: Final = 500  # characters of a pattern
MOST_STATES: Final = 2000  # of it, with what {n} repeats
MOST_KNOWN: Final = 2000  # sets of open ways that are remembered
MOST_REPEATS: Final = 100
DEEPEST: Final = 30

_BEGIN, _END = "begin", "end"
_CLASSES: Final[dict[str, Callable[[str], bool]]] = {
    "d": str.isdecimal,
    "w": lambda char: char.isalnum() or char == "_",
    "s": str.isspace,
}
_CONTROLS: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}

Test = Callable[[str], bool]


class BadPattern(ValueError):
    """It is no regular expression, or one that is not understood: say it with fewer means."""


@dataclass(slots=True)
class _State:
    """A place in a pattern: what takes a character leads to `then`; others lead on without one."""

    test: Test | None = None
    where: str | None = None  # only at the beginning or the end of the text
    then: list[int] = field(default_factory=list)


class Pattern:
    """A regular expression that is looked for anywhere in a text; raises BadPattern."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._states: list[_State] = []
        parser = _Parser(text, self._states)
        begin, end = parser.whole()
        self._begin, self._accepts = begin, end
        self._known: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def is_in(self, text: str) -> bool:
        """Whether it is found in the text."""
        fresh = self._closed([self._begin], at_begin=False, at_end=False)
        open_ways = self._closed([self._begin], at_begin=True, at_end=not text)
        last = len(text) - 1
        for at, char in enumerate(text):
            if self._accepts in open_ways:
                return True
            if at == last:
                open_ways = self._step(open_ways, char, at_end=True)
                open_ways |= self._closed([self._begin], at_begin=False, at_end=True)
            else:
                key = open_ways, char
                known = self._known.get(key)
                if known is None:
                    known = self._step(open_ways, char, at_end=False) | fresh
                    if len(self._known) >= MOST_KNOWN:
                        self._known.clear()
                    self._known[key] = known
                open_ways = known
        return self._accepts in open_ways

    def _step(self, open_ways: Iterable[int], char: str, *, at_end: bool) -> frozenset[int]:
        states = self._states
        reached = [
            then
            for number in open_ways
            if (test := states[number].test) is not None and test(char)
            for then in states[number].then
        ]
        return self._closed(reached, at_begin=False, at_end=at_end)

    def _closed(self, numbers: Iterable[int], *, at_begin: bool, at_end: bool) -> frozenset[int]:
        """These ways and those they lead on to without a character."""
        found: set[int] = set()
        waiting = list(numbers)
        while waiting:
            number = waiting.pop()
            state = self._states[number]
            is_open = state.where is None or (at_begin if state.where == _BEGIN else at_end)
            if number in found or not is_open:
                continue
            found.add(number)
            if state.test is None:
                waiting += state.then
        return frozenset(found)


class _Parser:
    """Builds the states of a pattern.

    A piece of it is the number of its first state, and of its last one, which leads nowhere yet.
    """

    def __init__(self, text: str, states: list[_State]) -> None:
        if len(text) > LONGEST:
            raise BadPattern(f"a regular expression of more than {LONGEST} characters")
        self._text, self._at, self._depth = text, 0, 0
        self._states = states

    def whole(self) -> tuple[int, int]:
        piece = self._either()
        if self._at < len(self._text):
            raise BadPattern("unbalanced parenthesis")
        return piece

    def _state(self, test: Test | None = None, where: str | None = None) -> int:
        if len(self._states) >= MOST_STATES:
            raise BadPattern("a regular expression that repeats too much")
        self._states.append(_State(test, where))
        return len(self._states) - 1

    def _lead(self, start: int, *ends: int) -> None:
        self._states[start].then += ends

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        char = self._next()
        if not char:
            raise BadPattern("a regular expression that ends too early")
        self._at += 1
        return char

    def _either(self) -> tuple[int, int]:
        pieces = [self._row()]
        while self._next() == "|":
            self._at += 1
            pieces.append(self._row())
        if len(pieces) == 1:
            return pieces[0]
        begin, end = self._state(), self._state()
        for first, last in pieces:
            self._lead(begin, first)
            self._lead(last, end)
        return begin, end

    def _row(self) -> tuple[int, int]:
        begin = end = self._state()
        while self._next() not in ("", "|", ")"):
            first, last = self._repeated()
            self._lead(end, first)
            end = last
        return begin, end

    def _repeated(self) -> tuple[int, int]:
        start = self._at
        piece = self._one()
        least, most = 1, 1
        char = self._next()
        if char and char in "*+?":
            self._at += 1
            least, most = {"*": (0, -1), "+": (1, -1), "?": (0, 1)}[char]
        elif char == "{":
            least, most = self._counts()
        else:
            return piece
        if self._next() and self._next() in "*+?{":
            if self._next() != "?":  # what follows is found or not, however much of it
                raise BadPattern("multiple repeat")
            self._at += 1
        stop = self._at
        copies = [piece]
        for _ in range(max(least, most, 1) - 1):
            self._at = start
            copies.append(self._one())
        self._at = stop
        return self._chain(copies, least, most)

    def _chain(self, copies: list[tuple[int, int]], least: int, most: int) -> tuple[int, int]:
        begin, end = self._state(), self._state()
        at = begin
        for number, (first, last) in enumerate(copies):
            if number >= least:
                self._lead(at, end)
            self._lead(at, first)
            at = last
            if most < 0 and number == len(copies) - 1:
                self._lead(last, first)
        self._lead(at, end)
        return begin, end

    def _counts(self) -> tuple[int, int]:
        close = self._text.find("}", self._at)
        inner = self._text[self._at + 1 : close] if close > 0 else ""
        least, comma, most = inner.partition(",")
        if not (least.isascii() and least.isdecimal()) or (
            most and not (most.isascii() and most.isdecimal())
        ):
            raise BadPattern("bad repeat")
        self._at = close + 1
        low = int(least[:9])
        high = (int(most[:9]) if most else -1) if comma else low
        if max(low, high) > MOST_REPEATS or high == 0 or (0 <= high < low):
            raise BadPattern(f"a repeat is between 1 and {MOST_REPEATS} times")
        return low, high

    def _one(self) -> tuple[int, int]:
        char = self._take()
        if char == "(":
            return self._group()
        if char in "*+?{":
            raise BadPattern("nothing to repeat")
        if char in "^$":
            begin, end = self._state(), self._state(where=_BEGIN if char == "^" else _END)
            self._lead(begin, end)
            return begin, end
        test = self._class() if char == "[" else self._single(char)
        begin, end = self._state(test), self._state()
        self._lead(begin, end)
        return begin, end

    def _group(self) -> tuple[int, int]:
        if self._next() == "?":
            if self._text[self._at : self._at + 2] != "?:":
                raise BadPattern("an extension that is not understood")
            self._at += 2
        self._depth += 1
        if self._depth > DEEPEST:
            raise BadPattern("nested too deeply")
        piece = self._either()
        self._depth -= 1
        if self._take() != ")":
            raise BadPattern("missing )")
        return piece

    def _single(self, char: str) -> Test:
        if char == ".":
            return lambda one: one != "\n"
        return self._escaped() if char == "\\" else char.__eq__

    def _escaped(self) -> Test:
        char = self._take()
        known = _CLASSES.get(char.lower())
        if known is not None:
            return known if char.islower() else lambda one: not known(one)
        if char.isalnum() and char not in _CONTROLS:
            raise BadPattern(f"bad escape \\{char}")
        return _CONTROLS.get(char, char).__eq__

    def _class(self) -> Test:
        is_negated = self._next() == "^"
        self._at += is_negated
        tests: list[Test] = []
        while self._next() != "]" or not tests:
            tests.append(self._range())
        self._at += 1
        return lambda one: any(test(one) for test in tests) != is_negated

    def _range(self) -> Test:
        low = self._take()
        if low == "\\":
            return self._escaped()
        if self._next() != "-" or self._text[self._at + 1 : self._at + 2] in ("]", ""):
            return low.__eq__
        self._at += 1
        high = self._take()
        if high == "\\" or high < low:
            raise BadPattern(f"bad character range {low}-{high}")
        return lambda one: low <= one <= high

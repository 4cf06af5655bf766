"""What a destination does not take of a batch, told apart from the rest of it by halves."""

from collections.abc import Callable, Sequence
from functools import partial

Takes = Callable[[Sequence[int]], bool]

HALVINGS = 64  # attempts to tell what a destination refuses of a batch from the rest of it
FRUITLESS = 12  # attempts without any success, enough to come down to one piece of 2000


def tell_apart(count: int, takes: Takes) -> list[int]:
    """Places of pieces that were refused together and are refused; at last of as many as are undecided.

    The others are delivered in their order: some destinations take no older one afterwards.
    """
    pieces = range(count)
    undecided, refused = _halves(pieces), list(pieces) if count == 1 else []
    for _ in range(HALVINGS):
        if not undecided:
            break
        part = undecided.pop()
        if not takes(part):
            undecided += _halves(part)
            if len(part) == 1:
                refused += part
    for part in reversed(undecided):
        refused += part
    return refused


class Examination:
    """Finds out whether it is a batch's own fault that it fails again and again, or the destination's.

    It is the batch's when something else arrives meanwhile: another part of it, or the next one (`next_arrives`).
    """

    def __init__(self, takes: Takes, next_arrives: Callable[[], bool]) -> None:
        self._takes, self._next_arrives = takes, next_arrives
        self._fruitless = 0
        self._arrives: Callable[[], bool] | None = None  # what arrived, once more

    def culprits(self, count: int) -> list[int] | None:
        """Places of pieces that do not arrive while others do; None when that cannot be told apart."""
        try:
            refused = tell_apart(count, self._try)
        except _Fruitless:
            return None
        if not refused:
            return []
        if self._arrives is None:
            self._ask_next()
        # A destination that came back, or went away, in the middle of it proves nothing: so they are tried between
        # two others that arrive.
        if self._arrives is None or not self._arrives():
            return None
        if self._takes(refused):
            return []
        return refused if self._arrives() else None

    def _try(self, part: Sequence[int]) -> bool:
        if self._takes(part):
            self._arrives = partial(self._takes, part)
            return True
        self._fruitless += 1
        if self._arrives is None and self._fruitless >= FRUITLESS and not self._ask_next():
            raise _Fruitless
        return False

    def _ask_next(self) -> bool:
        if self._next_arrives():
            self._arrives = self._next_arrives
            return True
        return False


class _Fruitless(Exception):
    """Nothing arrives at all."""


def _halves(pieces: Sequence[int]) -> list[Sequence[int]]:
    """The second half and the first, none of a single piece."""
    middle = len(pieces) // 2
    return [pieces[middle:], pieces[:middle]] if middle else []

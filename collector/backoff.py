"""How long to wait before the next attempt."""

import random

FIRST_S = 0.5
LONGEST_S = 4.0  # what was away is noticed within 5 s of its return


class Backoff:
    """Waiting times that double up to `longest_s`, each shortened at random so that crowds spread out."""

    def __init__(
        self,
        random_fraction: random.Random | None = None,
        *,
        first_s: float = FIRST_S,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._random = random_fraction or random.SystemRandom()
        self._first_s = self._next_s = first_s
        self._longest_s = longest_s

    def next_s(self) -> float:
        """Seconds to wait now: between a half and the whole of the present waiting time."""
        whole = self._next_s
        self._next_s = min(self._longest_s, whole * 2)
        return whole * self._random.uniform(0.5, 1)

    def reset(self) -> None:
        """Begin anew: it worked."""
        self._next_s = self._first_s

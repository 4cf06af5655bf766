"""Names chosen as in Ceilometer's sources: shell wildcards, and `!` before what is left out."""

from collections.abc import Sequence
from fnmatch import fnmatchcase


class Wildcards:
    """Chooses names: one that a `!` pattern fits never, else one that another pattern fits; with only `!`, the rest.

    Raises ValueError for a list that Ceilometer refuses: nothing in it, names beside `!` names, names beside `*`.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        if not patterns or not all(patterns):
            raise ValueError("must name something")
        self._out = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
        self._in = [pattern for pattern in patterns if not pattern.startswith("!")]
        named = [pattern for pattern in self._in if not pattern.startswith("*")]
        if named and self._out:
            raise ValueError(f"names both what is in ({named[0]}) and what is out (!{self._out[0]})")
        if named and "*" in self._in:
            raise ValueError(f"names {named[0]} beside *, which is everything already")

    def __contains__(self, name: str) -> bool:
        if any(fnmatchcase(name, pattern) for pattern in self._out):
            return False
        return not self._in or any(fnmatchcase(name, pattern) for pattern in self._in)

"""Damaged tiles, which one part of maintenance passes over so that the rest goes on."""

from collections.abc import Callable
from typing import TypeVar

from storage.errors import DamagedTile
from storage.watermarks import DAY

T = TypeVar("T")

GroupDay = tuple[int, int]  # a group, and the beginning of a day
PASSED_MAX = 200  # so many groups' days may be passed over: more are not single damages any more


class Damaged:
    """The groups' days whose tiles cannot be read, and what is the matter with the first tile of each."""

    def __init__(self) -> None:
        self.found: dict[GroupDay, DamagedTile] = {}
        self.at: GroupDay = (0, 0)  # which one is being read

    def passing(self, step: Callable[[], T]) -> T:
        """What the step returns once it passes over what is damaged; its transaction is begun anew every time.

        Raises DamagedTile where too much is damaged to go on.
        """
        while True:
            try:
                return step()
            except DamagedTile as error:
                if self.at in self.found or len(self.found) >= PASSED_MAX:
                    raise
                self.found[self.at] = error

    def others(self, time: str) -> str:
        """What is to be added to a condition so that it holds of other groups' days only; `time` is a column."""
        passed = (
            f" AND NOT (gid = {gid} AND {time} >= {day} AND {time} < {day + DAY})"
            for gid, day in sorted(self.found)
        )
        return "".join(passed)

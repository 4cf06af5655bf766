"""What the doctor finds."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `message` says how it is, `advice` what to do ("" when nothing needs doing).

    A `problem` keeps something from working, a `warning` may be meant that way.
    """

    check: str
    level: Level
    message: str
    advice: str = ""

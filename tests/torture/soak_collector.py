"""`nephometer collector` whose clock runs fast: run as a script, its settings in the environment.

    soak_collector.py BEGIN FROM SPEED

At the real time FROM (seconds since 1970) its clock shows BEGIN, and from then on it goes SPEED times as fast. Only the
two places where the role reads the clock are replaced: where messages arrive, and where maintenance looks at the time.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from unittest.mock import patch

import cli.maintenance
import collector.bus.consuming
from cli.main import main


def fast_clock(begin: float, since: float, speed: float) -> Callable[[], datetime]:
    """A clock of the simulated time."""
    return lambda: datetime.fromtimestamp(begin + (time.time() - since) * speed, UTC)


def collect(clock: Callable[[], datetime]) -> None:
    """The role, until it is told to stop."""

    class Fast:  # all of `datetime` that is asked for there
        @staticmethod
        def now(_zone: tzinfo) -> datetime:
            return clock()

    arrival = patch.object(collector.bus.consuming, "datetime", Fast)
    with arrival, patch.object(cli.maintenance, "now", clock):
        main(["collector"])


if __name__ == "__main__":
    collect(fast_clock(*map(float, sys.argv[1:4])))

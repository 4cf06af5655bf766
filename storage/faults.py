"""Places where the program can be made to die, so that tests can show that nothing is lost there."""

import os
import signal

ARMED = "NEPHOMETER_FAULT"


def reach(point: str) -> None:
    """Ends this process as SIGKILL does where the environment variable NEPHOMETER_FAULT names this point."""
    if os.environ.get(ARMED) == point:
        os.kill(os.getpid(), signal.SIGKILL)

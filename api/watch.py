"""Whether what this server needs is well: asked by /readyz and after a failure, told in the log once per change."""

import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from storage.secrets import mask_url

log = structlog.get_logger()

LOOK_EVERY_S = 2.0
END_S = 0.5  # a look that is under way may end; one that hangs is left, for its thread ends with the process


class Check(Protocol):
    """One thing that must be well before this server is ready."""

    @property
    def name(self) -> str:
        """One word: database, schema, broker, lag."""
        ...

    def check(self) -> str | None:
        """Why it is not well, for an operator (no secrets), or None."""
        ...


class Watch:
    """Looks at the checks; any thread may use it."""

    def __init__(self, checks: Sequence[Check], *, pause_s: float = LOOK_EVERY_S) -> None:
        self._checks = checks
        self._pause_s = pause_s
        self._lock = threading.Lock()
        self._unwell: frozenset[str] = frozenset()
        self._doubt = ""

    def look(self) -> Mapping[str, str | None]:
        """Why each is not well, None where it is, in the order of the checks."""
        reasons = {check.name: self._reason(check) for check in self._checks}
        unwell = frozenset(name for name, reason in reasons.items() if reason is not None)
        with self._lock:
            is_changed, self._unwell = unwell != self._unwell, unwell
        if is_changed and unwell:
            log.warning("not_ready", **{name: reasons[name] for name in reasons if name in unwell})
        elif is_changed:
            log.info("ready_again")
        return reasons

    def doubt(self, reason: str) -> None:
        """A request could not be served for this reason: `run` looks what it is."""
        with self._lock:
            self._doubt = self._doubt or reason or "no reason given"

    def run(self, stop: threading.Event) -> None:
        """Looks when it begins, soon after a doubt, and every two seconds until all is well again.

        Returns soon after `stop` is set, whatever a check waits for.
        """
        looking = threading.Thread(target=self._look_on, args=(stop,), name="looking", daemon=True)
        looking.start()
        while looking.is_alive() and not stop.wait(LOOK_EVERY_S):
            pass
        looking.join(END_S)

    def settle(self) -> None:
        """Looks once; a failure nothing is left of is told, too."""
        with self._lock:
            doubt, self._doubt, was_well = self._doubt, "", not self._unwell
        self.look()
        if doubt and was_well and not self._unwell:
            log.warning("away_for_a_moment", reason=doubt)

    def _look_on(self, stop: threading.Event) -> None:
        self.look()
        while not stop.wait(self._pause_s):
            if self._unwell or self._doubt:
                self.settle()

    def _reason(self, check: Check) -> str | None:
        """What it says; that it failed is a reason, too, and no end of the server."""
        try:
            return check.check()
        except Exception as error:
            if check.name not in self._unwell:  # the traceback once, as the change
                log.exception("check_failed", check=check.name)
            return mask_url(f"{type(error).__name__}: {error}")

"""What keeps a loop going: no turn ends it, and its failures are counted and said once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from collector.errors import PublisherUnavailable
from storage.errors import StorageError

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Words:
    """The events of one loop in the log, each written out in full where the loop is, so that a search finds it."""

    paused: str  # what it needs is away and returns by itself
    failed: str  # the program is at fault
    resumed: str


class Count(Protocol):
    """Counts turns that failed, for `/metrics`."""

    def inc(self) -> None:
        """One more."""
        ...


class Guard:
    """Does the turns of one loop; a failure is said when it begins and when it is over."""

    def __init__(self, words: Words, errors: Count) -> None:
        self._words, self._errors = words, errors
        self._said: str | None = None

    def turn(self, work: Callable[[], T]) -> T | None:
        """What the work answers; None when it failed, whatever the reason."""
        try:
            answer = work()
        except (StorageError, PublisherUnavailable) as error:
            if self._said is None:
                log.warning(self._words.paused, error=str(error))
            self._failed(error)
            return None
        except Exception as error:
            if self._said != repr(error):
                log.exception(self._words.failed)
            self._failed(error)
            return None
        if self._said is not None:
            log.info(self._words.resumed)
        self._said = None
        return answer

    def _failed(self, error: Exception) -> None:
        self._said = repr(error)
        self._errors.inc()

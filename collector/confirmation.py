"""What a publisher waits for: the broker's word that a message is in a queue."""

from concurrent.futures import Future

from collector.errors import BusUnavailable


class Confirmation:
    """One answer at a time; asked for in one thread, given in another.

    A message no queue takes is returned first and then confirmed: a confirm alone is not success.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._returned = ""
        self._answer: Future[None] = Future()

    def expect(self) -> None:
        """Begin to expect a new answer."""
        self._returned = ""
        self._answer = Future()

    def wait(self) -> None:
        """Returns when the answer is yes; raises BusUnavailable when it is no, or does not come in time."""
        try:
            self._answer.result(self._timeout_s)
        except TimeoutError as error:
            raise BusUnavailable("the broker did not answer in time") from error

    def note_return(self, reason: str) -> None:
        """The message came back; the confirm that follows means nothing."""
        self._returned = reason

    def answer(self, *, taken: bool) -> None:
        """The broker has confirmed the message, or refused it."""
        if self._returned or not taken:
            self.fail(self._returned or "the broker refused the message")
        elif not self._answer.done():
            self._answer.set_result(None)

    def fail(self, reason: str) -> None:
        """There will be no answer any more."""
        if not self._answer.done():
            self._answer.set_exception(BusUnavailable(reason))

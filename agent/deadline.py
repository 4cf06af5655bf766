"""Work that may hang, done beside the one who waits for it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def start(work: Callable[[], T], name: str) -> Future[T]:
    """Begin `work` in a thread of its own; `result(timeout)` waits for it, as long as one wants.

    The thread is a daemon: work that never ends cannot keep the process from ending, which is why this
    is no ThreadPoolExecutor.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - not handled here: it is raised where the result is awaited
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future

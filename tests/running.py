"""Loops at work in a thread."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

END_S = 10


@contextmanager
def running(run: Callable[[threading.Event], object]) -> Iterator[None]:
    """The loop runs in a thread; told to end after the block, it must."""
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(END_S)
    assert not thread.is_alive()

"""How a command's libraries are imported in less time."""

import gc
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import cast


@contextmanager
def without_collecting() -> Iterator[None]:
    """Python does not look for circles of objects in this block, nor later among those made in it.

    What is imported stays: looking through it again and again took a tenth of a collector's start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def as_if_absent(name: str) -> Iterator[None]:
    """In this block `import name` fails as if it were not installed, unless it is imported already.

    structlog loads rich when it is there, to draw tracebacks that our log lines never hold.
    """
    modules = cast("MutableMapping[str, object]", sys.modules)  # None is what Python has for "there is none"
    if name in modules:
        yield
        return
    modules[name] = None
    try:
        yield
    finally:
        del modules[name]

"""Memory for questions: arrays of megabytes that live for milliseconds."""

import ctypes
from contextlib import suppress
from typing import Final

KEPT_BYTES: Final = 128 << 20
LONGEST_BYTES: Final = 32 << 20  # the most glibc takes

# https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3


def keep_freed_memory() -> None:
    """Lets this process keep what it frees, up to 128 MiB of each heap, for the next question.

    glibc gives it back else, and asks for it again page by page: a third of the time of a long question. Does nothing
    where there is another C library.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, LONGEST_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)

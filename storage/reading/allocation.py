"""Keeps the memory of large arrays between questions."""

import numpy as np

KEPT_BYTES = 16 << 20


def keep_freed_memory() -> None:
    """Makes glibc hand out memory it was given back instead of asking the kernel for it, up to twice `KEPT_BYTES`.

    Without, every array of more than 128 KiB is mapped anew, and each page of it costs a fault: 13 of 32 ms of a month
    of a project (2026-11). It learns that large blocks come and go from the first one that does:
    https://man7.org/linux/man-pages/man3/mallopt.3.html, M_MMAP_THRESHOLD. Other C libraries take no notice.
    """
    np.empty(KEPT_BYTES, np.uint8)

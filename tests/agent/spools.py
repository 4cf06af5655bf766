"""Spools that tests open, fill and empty."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from agent.spool import Spool

PAYLOADS = [f'{{"number": {number}}}'.encode() * 5 for number in range(12)]


@contextmanager
def opened(folder: Path, segment_bytes: int = 2**20) -> Iterator[Spool]:
    with closing(Spool(folder, segment_bytes=segment_bytes)) as spool:
        yield spool


def take_all(spool: Spool) -> list[bytes]:
    taken = []
    while (record := spool.oldest()) is not None:
        taken.append(record.payload)
        spool.forget(record)
    return taken


def segments(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.seg"), *folder.glob("*.thin")])


def written(folder: Path, payloads: Sequence[bytes] = PAYLOADS, segment_bytes: int = 2**20) -> Path:
    """A folder some earlier agent left behind; returns its oldest segment."""
    with opened(folder, segment_bytes) as spool:
        for payload in payloads:
            spool.append([payload])
    return segments(folder)[0]

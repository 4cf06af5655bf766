"""Where samples wait, on disk, until the transport has taken them."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

import structlog

from agent.errors import SpoolUnavailable
from agent.metrics import AgentMetrics
from agent.spool import Record, Spool
from agent.thinning import thin
from collector.envelope import decode_batch, encode_batch
from collector.errors import InvalidMessage
from collector.frame import is_columnar, samples_in
from storage.sample import Sample

BATCH_SAMPLES = 5_000
BATCH_BYTES = 2**19  # collectors refuse to read what is twice as large
MEMORY_BYTES = 32 * 2**20

log = structlog.get_logger()


class Transport(Protocol):
    """The way out: the broker, or the collector in the same process."""

    def send(self, body: bytes) -> None:
        """Deliver one batch; returns only when it will not be lost any more, raises otherwise."""
        ...


class Outbox:
    """Samples in, batches out, oldest first; nothing is forgotten before the transport returned.

    Written by the polling thread (`put`), emptied by the delivering one (`deliver`). Full: gauges go first,
    then all but the ends of each counter, then whole batches, oldest first (`thinning`). Disk full or broken:
    the newest 32 MiB are held in memory until it takes them.
    """

    def __init__(
        self, spool: Spool, transport: Transport, metrics: AgentMetrics, *, limit_bytes: int
    ) -> None:
        self._spool = spool
        self._transport = transport
        self._metrics = metrics
        self._limit_bytes = limit_bytes
        self._memory: deque[bytes] = deque()
        self._memory_guard = threading.Lock()
        self._arrived = threading.Event()
        self._is_full = False
        self._is_broken = False

    def put(self, samples: Sequence[Sample]) -> None:
        """Keep samples, in batches of at most 5 000; on return they survive a power cut, if the disk allows."""
        bodies = list(_batches(samples))
        with self._memory_guard:
            self._memory.extend(bodies)
            self._write_down()
            self._bound_memory()
        self._make_room()
        self._arrived.set()

    def deliver(self) -> bool:
        """Hand the oldest batch to the transport; False when there is none. Raises what the transport raises."""
        record = self._oldest()
        if record is None:
            return self._deliver_from_memory()
        self._send(record.payload)
        self._spool.forget(record)
        self._report()
        return True

    def wait(self, timeout_s: float) -> None:
        """Wait for something to deliver, at most so long."""
        self._arrived.wait(timeout_s)
        self._arrived.clear()

    def close(self) -> None:
        """Leave the spool to others; what it holds stays."""
        self._spool.close()

    def _oldest(self) -> Record | None:
        record = self._spool.oldest()
        self._report()
        return record

    def _deliver_from_memory(self) -> bool:
        with self._memory_guard:
            body = self._memory[0] if self._memory else None
        if body is None:
            return False
        self._send(body)
        with self._memory_guard:
            if self._memory and self._memory[0] is body:  # else written down meanwhile, and sent twice
                self._memory.popleft()
        return True

    def _send(self, body: bytes) -> None:
        outcome = "failed"
        try:
            self._transport.send(body)
            outcome = "delivered"
        finally:
            self._metrics.deliveries.labels(outcome=outcome).inc()

    def _write_down(self) -> None:
        """Move everything from memory to the spool, in order, with one sync."""
        if not self._memory:
            return
        try:
            self._spool.append(list(self._memory))
        except SpoolUnavailable as error:
            if not self._is_broken:
                log.error("spool_unavailable", error=str(error), held_bytes=_size(self._memory))
            self._is_broken = True
            return
        self._memory.clear()
        if self._is_broken:
            log.info("spool_available")
        self._is_broken = False

    def _bound_memory(self) -> None:
        while _size(self._memory) > MEMORY_BYTES:
            self._metrics.dropped.labels(how="memory").inc(_count([self._memory.popleft()]))

    def _make_room(self) -> None:
        """Shrink the spool to its limit, saying so when it begins and when it is over."""
        before = self._is_full
        try:
            self._is_full = self._is_full and self._spool.waiting_bytes > self._limit_bytes // 2
            while self._spool.waiting_bytes > self._limit_bytes:
                self._is_full = True
                dropped = self._spool.shrink(self._thin)
                if dropped is None:
                    break
                self._metrics.dropped.labels(how="dropped").inc(_count(dropped))
        except SpoolUnavailable as error:
            log.error("spool_not_shrunk", error=str(error))
        if self._is_full != before:
            said = log.error if self._is_full else log.info
            said("spool_full" if self._is_full else "spool_has_room", limit_bytes=self._limit_bytes)
        self._report()

    def _thin(self, bodies: Iterable[bytes]) -> list[bytes]:
        samples: list[Sample] = []
        unread: list[bytes] = []  # of another version, perhaps: who receives it may judge it
        for body in bodies:
            try:
                samples.extend(decode_batch(body))
            except InvalidMessage:
                unread.append(body)
        kept = thin(samples)
        self._metrics.dropped.labels(how="thinned").inc(len(samples) - len(kept))
        return [*unread, *_batches(kept)]

    def _report(self) -> None:
        self._metrics.spool_bytes.set(self._spool.waiting_bytes)
        self._metrics.spool_lost_bytes.set(self._spool.lost_bytes)


def _batches(samples: Iterable[Sample]) -> Iterator[bytes]:
    rest = iter(samples)
    while batch := list(islice(rest, BATCH_SAMPLES)):
        yield from _encode(batch)


def _encode(batch: Sequence[Sample]) -> Iterator[bytes]:
    """One batch, or several where its metadata is large."""
    body = encode_batch(batch)
    if len(body) <= BATCH_BYTES or len(batch) == 1:
        yield body
        return
    middle = len(batch) // 2
    yield from _encode(batch[:middle])
    yield from _encode(batch[middle:])


def _size(bodies: Iterable[bytes]) -> int:
    return sum(len(body) for body in bodies)


def _count(bodies: Iterable[bytes]) -> int:
    """Samples in batches; one we cannot read counts as one."""
    count = 0
    for body in bodies:
        try:
            count += samples_in(body) if is_columnar(body) else len(decode_batch(body))
        except InvalidMessage:
            count += 1
    return count

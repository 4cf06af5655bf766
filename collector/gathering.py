"""Deliveries gathered into batches."""

import hashlib
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime

from collector.frame import samples_in
from collector.message import HEAD_BYTES, Message, Origin

BYTES_LIMIT = 16 * 2**20  # of one batch, so that memory stays small whatever arrives
PAUSE = 0.1  # of the longest wait: when nothing came for so long, nothing else is waited for


@dataclass(frozen=True, slots=True)
class Limits:
    """When the deliveries of one queue, or the samples in them, are enough for a batch; how large one may be."""

    deliveries: int
    samples: int
    body_bytes: int


@dataclass(slots=True)
class Gathered:
    """Messages in the order they came, and the last delivery tag of each queue they came from."""

    messages: list[Message] = field(default_factory=list)
    last_tags: dict[Origin, int] = field(default_factory=dict)
    nbytes: int = 0


class Gathering:
    """The batch that is being gathered. Times are monotonic seconds.

    Its first message waits for others at most `wait_s`, and a tenth of it after the last one that came. For the first
    batch this share of the limits is enough, for each next one twice as much, until it is all: whoever dies soon after
    its start has by then stored something.
    """

    def __init__(self, limits: dict[Origin, Limits], wait_s: float, *, first_share: float = 1.0) -> None:
        self._limits, self._share = limits, first_share
        self._wait_s, self._pause_s = wait_s, wait_s * PAUSE
        self._start_anew()

    def add(
        self,
        origin: Origin,
        tag: int,
        body: bytes,
        received_at: datetime,
        now_s: float,
        *,
        refused: str | None = None,
    ) -> None:
        """Take in one delivery; one that is `refused`, with the reason, is kept whole for quarantine."""
        if not self._gathered.messages:
            self._since_s = now_s
        self._last_s = now_s
        message = message_of(origin, body, received_at, self._limits[origin].body_bytes)
        self._gathered.messages.append(replace(message, refused=refused) if refused else message)
        self._gathered.last_tags[origin] = tag
        self._counts[origin] += 1
        self._samples[origin] += samples_in(body)
        self._gathered.nbytes += len(self._gathered.messages[-1].body)

    def is_due(self, now_s: float) -> bool:
        """Whether there is a batch that is large enough or has waited long enough."""
        return now_s >= self.due_at_s

    @property
    def due_at_s(self) -> float:
        """From when on the batch is due if nothing else comes; infinity when there is none."""
        if not self._gathered.messages:
            return math.inf
        is_full = self._gathered.nbytes >= BYTES_LIMIT or any(
            count >= self._share * self._limits[origin].deliveries
            or self._samples[origin] >= self._share * self._limits[origin].samples
            for origin, count in self._counts.items()
        )
        return self._since_s if is_full else min(self._since_s + self._wait_s, self._last_s + self._pause_s)

    @property
    def nbytes(self) -> int:
        """Bytes of the messages in the batch."""
        return self._gathered.nbytes

    def take(self) -> Gathered:
        """The batch; gathering begins anew."""
        gathered = self._gathered
        self._share = min(1.0, 2 * self._share)
        self._start_anew()
        return gathered

    def _start_anew(self) -> None:
        self._gathered = Gathered()
        self._counts: Counter[Origin] = Counter()
        self._samples: Counter[Origin] = Counter()
        self._since_s = self._last_s = 0.0


def message_of(origin: Origin, body: bytes, received_at: datetime, limit_bytes: int) -> Message:
    """A body as a message, refused when it is larger than the limit."""
    if len(body) <= limit_bytes:
        return Message(body, origin, received_at)
    digest = hashlib.sha256(body).hexdigest()
    reason = f"larger than {limit_bytes} bytes: {len(body)} bytes, SHA-256 {digest}"
    return Message(body[:HEAD_BYTES], origin, received_at, refused=reason)

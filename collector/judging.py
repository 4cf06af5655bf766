"""The readings of one message judged one by one, however many a hostile sender puts into it.

A few refused readings go to quarantine each on its own; where there are more, the message itself goes there once. And
metadata that a message lists once but gives to thousands of versions is written out for as many as are affordable.
"""

from collections.abc import Callable, Iterable

from collector.draft import Draft
from collector.message import Message, refusal
from collector.normalize import Unfit, normalize
from collector.pending import Pending
from collector.text import remembering_metadata
from storage.ingest.arrangement import canonical
from storage.sample import Refused, Sample

REFUSED_ALONE = 100  # readings of one message
VERSIONS_BYTES = 16 * 2**20  # of metadata, written out for each version of one message

_TOO_MUCH = Unfit(f"its message gives more than {VERSIONS_BYTES} bytes of metadata to its versions")


class Judging:
    """What becomes of the readings of one message; good as long as the message is kept."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self._tidy = remembering_metadata()
        self._left_bytes = VERSIONS_BYTES
        self._versions: set[tuple[str | None, str, str | None, int]] = set()
        self._sizes: dict[int, int] = {}  # of metadata, by object
        self._refused = 0
        self._reason = ""

    def judged(self, draft: Draft) -> Sample | Unfit:
        """The sample a draft stands for, or why it stands for none."""
        sample = normalize(draft, self._message.received_at, self._tidy)
        return sample if isinstance(sample, Unfit) or self._affords(sample) else _TOO_MUCH

    def refused(self, unfit: Unfit, draft: Draft) -> list[Refused]:
        """What to quarantine of a reading at once, if anything."""
        self._refused += 1
        if self._refused > REFUSED_ALONE:
            self._reason = unfit.reason
            return []
        return [refusal(self._message, unfit.reason, draft)]

    def rest(self) -> list[Refused]:
        """What to quarantine for all others."""
        more = self._refused - REFUSED_ALONE
        if more <= 0:
            return []
        return [
            refusal(self._message, f"{more} more of its readings are refused, the last one: {self._reason}")
        ]

    def _affords(self, sample: Sample) -> bool:
        """Whether the version of a sample is known or not too large; it is then paid for."""
        place = id(sample.metadata)  # readings that share their metadata share the object
        about = (sample.user_id, sample.source, sample.generation, place)
        if about in self._versions:
            return True
        if place not in self._sizes:
            self._sizes[place] = len(canonical(sample.metadata))
        if self._sizes[place] > self._left_bytes:
            return False
        self._left_bytes -= self._sizes[place]
        self._versions.add(about)
        return True


def add_judged(
    batch: Pending, message: Message, drafts: Iterable[Draft], relieve: Callable[[Pending], None]
) -> None:
    """Adds the readings of one message; `relieve` is called after each, for the batch may have grown large."""
    judging = Judging(message)
    for draft in drafts:
        sample = judging.judged(draft)
        if isinstance(sample, Unfit):
            batch.refused += judging.refused(sample, draft)
        else:
            batch.add(sample, message, draft)
        relieve(batch)
    batch.refused += judging.rest()

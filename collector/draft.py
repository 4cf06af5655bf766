"""What somebody claims to be a sample, before anything about it has been checked."""

import dataclasses
from datetime import datetime
from typing import cast

import msgspec

from collector.errors import InvalidMessage
from storage.sample import Sample, SampleType


class Draft(msgspec.Struct, frozen=True, gc=False):  # made for every reading, in a fifth of a dataclass' time
    """The fields of a `storage.sample.Sample`, each of any type: `collector.normalize` makes a sample of it.

    A `timestamp` may be a datetime or text; `id` may be 16 bytes or None. `flaw` is what
    its reader already found wrong with it.
    """

    meter: object
    type: object
    unit: object
    volume: object
    resource_id: object
    project_id: object
    timestamp: object
    user_id: object = None
    source: object = None
    metadata: object = None
    generation: object = None
    id: object = None
    flaw: str | None = None


def as_draft(sample: Sample) -> Draft:
    """What a sample claims."""
    return Draft(**{entry.name: getattr(sample, entry.name) for entry in dataclasses.fields(sample)})


def as_sample(draft: Draft) -> Sample:
    """A sample of fields that a faithful sender wrote: only their outer types are looked at. Raises InvalidMessage."""
    if draft.flaw is not None:
        raise InvalidMessage(draft.flaw)
    texts = (draft.meter, draft.type, draft.unit, draft.resource_id, draft.source)
    if not all(isinstance(text, str) for text in texts) or not isinstance(draft.timestamp, datetime):
        raise InvalidMessage("a reading of the batch has a field of the wrong type")
    if type(draft.volume) not in (int, float) or not isinstance(draft.metadata, dict):
        raise InvalidMessage("a reading of the batch has a field of the wrong type")
    return Sample(
        meter=cast("str", draft.meter),  # checked above, as are the following
        type=cast("SampleType", draft.type),
        unit=cast("str", draft.unit),
        volume=cast("int | float", draft.volume),
        resource_id=cast("str", draft.resource_id),
        project_id=cast("str | None", draft.project_id),
        timestamp=draft.timestamp,
        user_id=cast("str | None", draft.user_id),
        source=cast("str", draft.source),
        metadata=draft.metadata,
        generation=cast("str | None", draft.generation),
        id=cast("bytes | None", draft.id),
    )


def unreadable(flaw: str) -> Draft:
    """The draft of something in which no fields could be made out."""
    return Draft(None, None, None, None, None, None, None, flaw=flaw)


# Of one reading: meter, type, unit and volume, of any type; and the id of a delta reading.
Reading = tuple[object, object, object, object, bytes | None]


class Told(msgspec.Struct, frozen=True, gc=False):
    """What a notification says of one resource at one time: what all `readings` share, and these.

    The fields are those of drafts.
    """

    resource_id: object
    project_id: object
    timestamp: object
    user_id: object
    metadata: object
    readings: list[Reading]

    def drafts(self) -> list[Draft]:
        """Each reading by itself."""
        return [
            Draft(
                meter=meter,
                type=kind,
                unit=unit,
                volume=volume,
                resource_id=self.resource_id,
                project_id=self.project_id,
                timestamp=self.timestamp,
                user_id=self.user_id,
                metadata=self.metadata,
                id=identity,
            )
            for meter, kind, unit, volume, identity in self.readings
        ]

"""What somebody claims to be a sample, before anything about it has been checked."""

import msgspec


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


def unreadable(flaw: str) -> Draft:
    """The draft of something in which no fields could be made out."""
    return Draft(None, None, None, None, None, None, None, flaw=flaw)

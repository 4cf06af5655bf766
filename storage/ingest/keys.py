"""What samples are known by, as they name it; and readings as 64 bits. It needs nothing but the standard library."""

import hashlib
import struct
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from typing import NamedTuple

ID_BYTES = 16

_FLOAT = struct.Struct("<d")


class ResourceKey(NamedTuple):
    """A resource as a sample names it; "" is the project of what nobody owns."""

    project_id: str
    resource_id: str


class MeterKey(NamedTuple):
    """A meter as it is counted: unlike types, units or number kinds never meet in one sum."""

    name: str
    type: str
    unit: str
    real: bool


@dataclass(frozen=True, slots=True)
class VersionKey:
    """What a sample says beside its number; `body` is the JSON text of its metadata, keys sorted.

    With `counters_only` the generation is that of cumulative meters; others of this version have none. `digest` is 16
    bytes of all of it.
    """

    user_id: str | None
    source: str
    generation: str | None
    body: str
    counters_only: bool = False
    digest: bytes = field(init=False, compare=False)

    def __post_init__(self) -> None:
        # As json.dumps writes a list of them, in a third of the time.
        texts = (self.user_id, self.source, self.generation, self.body)
        written = ["null" if text is None else encode_basestring_ascii(text) for text in texts]
        content = f"[{', '.join(written)}, {'true' if self.counters_only else 'false'}]"
        digest = hashlib.blake2b(content.encode(), digest_size=ID_BYTES).digest()
        object.__setattr__(self, "digest", digest)


def bits_of(volume: int | float) -> int:
    """A reading as an int64: itself, or the bits of a float64."""
    return (
        int(volume) if isinstance(volume, int) else int.from_bytes(_FLOAT.pack(volume), "little", signed=True)
    )


def volume_of(bits: int, *, real: bool) -> int | float:
    """The number that `bits_of` made bits of."""
    value: int | float = _FLOAT.unpack(bits.to_bytes(8, "little", signed=True))[0] if real else bits
    return value

"""What came in, and what of it goes to quarantine."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec
import structlog

from collector.draft import Draft
from collector.masking import masked
from collector.text import clean
from storage.sample import Refused

log = structlog.get_logger()

Origin = Literal["notifications", "agent", "api"]


HEAD_BYTES = 4 * 2**10  # what quarantine keeps of what is too large
WHOLE_EVIDENCE_BYTES = 16 * 2**10  # of one reading: many of a message may share large metadata


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it came. `refused` is set when it was refused unread; `body` of a large one is its beginning."""

    body: bytes
    origin: Origin
    received_at: datetime
    refused: str | None = None


def refusal(message: Message, reason: str, draft: Draft | None = None) -> Refused:
    """What to quarantine: one reading of a message, or without a draft the message itself; without its secrets."""
    body = message.body if draft is None else _evidence(draft)
    return Refused(clean(reason), _without_secrets(body), message.origin, message.received_at)


def _without_secrets(body: bytes) -> bytes:
    """The body as quarantine keeps it. Nothing that somebody sent may keep it from being refused."""
    try:
        return masked(body)
    except Exception:
        log.exception("body_not_masked", nbytes=len(body))
        return (
            f"not kept: its secrets could not be masked; SHA-256 {hashlib.sha256(body).hexdigest()}".encode()
        )


def _evidence(draft: Draft) -> bytes:
    """A reading as JSON, for those who look into quarantine; of a large one its beginning."""
    evidence = _as_json(draft)
    return evidence if len(evidence) <= WHOLE_EVIDENCE_BYTES else evidence[:HEAD_BYTES]


def _as_json(draft: Draft) -> bytes:
    fields = msgspec.structs.asdict(draft)
    try:
        return msgspec.json.encode(fields, enc_hook=repr)
    except (ValueError, OverflowError):  # a lone surrogate, an endless number
        return _as_any_json(fields)
    except RecursionError:
        return b"nested too deeply to be shown"


def _as_any_json(fields: Mapping[str, object]) -> bytes:
    """The same of what the fast writer can not say."""
    try:
        return json.dumps(fields, default=repr, skipkeys=True).encode()
    except (ValueError, RecursionError):
        return b"not to be shown: a number with too many digits, or nested too deeply"

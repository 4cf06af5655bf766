"""The outer shape of messages: oslo.messaging notifications, and the batches agents send.

A batch of version 2, which agents write, is described in `collector.frame`. One of version 1, which may still wait in
a queue or spool, is a JSON array: ["nephometer.samples", 1, [metadata, …], [reading, …]] (`collector.listed`).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from collector import frame, framing
from collector.draft import Draft, as_sample
from collector.errors import InvalidMessage
from collector.listed import draft_of, parse_json
from collector.strict_json import parse, parse_text
from storage.sample import Sample

BATCH_FORMAT = "nephometer.samples"
WRAPPINGS = 4  # envelope 2 is two JSON texts in one another; some relays add one more
EVENT_TYPE_LIMIT = 255  # characters
CONTEXT_PREFIX = "_context_"
# What envelope 2 is as oslo.messaging writes it: if between these is one string, no key is repeated.
_HEAD, _TAIL = b'{"oslo.version": "2.0", "oslo.message": "', b'"}'


@dataclass(frozen=True, slots=True)
class Notification:
    """One notification of a service, unwrapped.

    `timestamp` is the sender's text. `context` holds the request context without its `_context_` prefix.
    `priority` is lower case. A sender that gave no `message_id` gets one made from the bytes it sent.
    """

    message_id: str
    publisher_id: str
    event_type: str
    priority: str
    payload: object
    timestamp: object
    context: Mapping[str, object] = field(default_factory=dict, hash=False)


def decode_notification(body: bytes) -> Notification:
    """The notification in an oslo.messaging body of envelope version 1 or 2; raises InvalidMessage.

    Source: oslo.messaging `common.py` (envelope) and `notify/notifier.py` (fields).
    """
    message = _unwrap(body)
    event_type = message.get("event_type")
    if not isinstance(event_type, str) or not event_type:
        raise InvalidMessage("a notification needs an event_type")
    if len(event_type) > EVENT_TYPE_LIMIT:
        raise InvalidMessage(f"an event_type longer than {EVENT_TYPE_LIMIT} characters")
    if "payload" not in message:
        raise InvalidMessage("a notification needs a payload")
    message_id = message.get("message_id")
    return Notification(
        message_id=message_id
        if isinstance(message_id, str) and message_id
        else hashlib.sha256(body).hexdigest(),
        publisher_id=_text(message.get("publisher_id")),
        event_type=event_type,
        priority=_text(message.get("priority")).lower(),
        payload=message["payload"],
        timestamp=message.get("timestamp"),
        context={
            key[len(CONTEXT_PREFIX) :]: value
            for key, value in message.items()
            if key.startswith(CONTEXT_PREFIX)
        },
    )


def encode_batch(samples: Sequence[Sample]) -> bytes:
    """One agent batch: numbers exact, equal names and metadata written once, the same bytes for the same samples.

    Gauges and counters lose an id they may have; readings of one resource and instant come to stand together.
    """
    return framing.encode(samples)


def decode_batch(body: bytes) -> list[Sample]:
    """The samples of an agent batch that `encode_batch` made; raises InvalidMessage.

    The values are the sender's: `collector.normalize` decides whether they may be stored.
    """
    return [as_sample(draft) for draft in decode_drafts(body)]


def decode_drafts(body: bytes) -> Iterator[Draft]:
    """What an agent batch claims, reading by reading, so that one bad reading stands alone.

    Raises InvalidMessage, here or at the first reading, when the batch as a whole cannot be read.
    """
    if frame.is_columnar(body):
        return frame.drafts(body)
    match parse_json(body):
        case [str(name), int(version), list(metadata), list(rows)] if (name, version) == (BATCH_FORMAT, 1):
            return (draft_of(row, metadata) for row in rows)
    raise InvalidMessage(f"not a {BATCH_FORMAT} batch of version 1 or 2")


def _unwrap(body: bytes) -> Mapping[str, object]:
    value: object = None
    if body.startswith(_HEAD) and body.endswith(_TAIL):
        value = parse_text(body[len(_HEAD) - 1 : -len(_TAIL) + 1])
    if value is None:
        value = parse(body)
    for _ in range(WRAPPINGS):
        if isinstance(value, str):
            value = parse(value)
        elif isinstance(value, dict) and "oslo.message" in value:
            value = value["oslo.message"]
        elif isinstance(value, dict):
            return value
        else:
            raise InvalidMessage("a notification is a JSON object")
    raise InvalidMessage("wrapped too often")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

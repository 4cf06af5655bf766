"""The signature Ceilometer puts on each of its samples and events."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping

SIGNATURE = "message_signature"


def is_signed(message: Mapping[str, object], secret: str) -> bool:
    """Whether a message carries the signature of this secret; takes the same time either way."""
    claimed = message.get(SIGNATURE)
    if not isinstance(claimed, str):
        return False
    return hmac.compare_digest(claimed.encode("utf-8", "replace"), sign(message, secret).encode())


def sign(message: Mapping[str, object], secret: str) -> str:
    """Hex HMAC-SHA256 over names and values in sorted order, without the signature itself.

    Source: ceilometer/publisher/utils.py: nested objects are flattened with `:`, every value is written as
    Python's `str` writes it, text inside lists as byte strings and objects there in the order of their names.
    """
    digest = hmac.new(secret.encode(), digestmod=hashlib.sha256)
    for name, value in _pairs(message):
        if name != SIGNATURE:
            digest.update(name.encode("utf-8", "replace"))
            digest.update(str(value).encode("utf-8", "replace"))
    return digest.hexdigest()


def _pairs(message: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in sorted(message.items(), key=lambda pair: pair[0]):
        if isinstance(value, Mapping):
            for nested, inner in _pairs(value):
                yield f"{name}:{nested}", inner
        else:
            yield name, _encoded(value) if isinstance(value, list) else value


def _encoded(value: object) -> object:
    if isinstance(value, list):
        return [_encoded(item) for item in value]
    if isinstance(value, dict):
        pairs = sorted(value.items(), key=lambda pair: str(pair[0]))  # `str` shows an object in its order
        return {_encoded(key): _encoded(item) for key, item in pairs}
    return value.encode("utf-8", "replace") if isinstance(value, str) else value

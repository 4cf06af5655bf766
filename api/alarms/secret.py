"""The text form of a webhook's signing secret, as Standard Webhooks has it."""

import base64
import binascii

PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """The bytes of a `whsec_` secret; raises ValueError unless they are 24 to 64, as Standard Webhooks demands."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not (secret.startswith(PREFIX) and 24 <= len(key) <= 64):
        raise ValueError("a signing secret is whsec_ and the base64 of 24 to 64 bytes")
    return key


def text_of(key: bytes) -> str:
    """The `whsec_` text of a key."""
    return PREFIX + base64.b64encode(key).decode()

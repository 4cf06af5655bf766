"""What must never be kept in metadata, traits and raw notifications: values whose key names a secret, and the passwords
and signatures in addresses."""

import re
from functools import lru_cache

_SECRET = re.compile(
    "token|passw|pass.?phrase|admin.?pass|secret|authorization|credential|psk|private.?key|pre.?shared.?key|api.?key"
    "|access.?key|cookie|user.?data|^pass$|^params$"  # params: those of SQL statements in OSProfiler's traces
)
_JOINTS = re.compile(r"[.|\s\"'\[\]()=]+")
_USUAL_LENGTH = 255
# Each looks at a character a bounded number of times, whatever a sender writes.
_PASSWORD = re.compile(r"://[^/\s@:]*:[^/\s@]*@")
_PARAMETER = re.compile(
    r"([?&][\w.-]{0,40}(?:token|passw|secret|sig|credential)[\w.-]{0,40}=)[^&#\s\"']+", re.IGNORECASE
)


def names_secret(key: str) -> bool:
    """Whether a key says that its value is a secret, however it is spelt: `auth_token`, `X-Auth-Token`, `adminPass`."""
    return _remembered(key) if len(key) <= _USUAL_LENGTH else _is_found(key)


def path_names_secret(path: str) -> bool:
    """Whether one of the keys a path steps through does."""
    return any(names_secret(key) for key in _JOINTS.split(path))


def without_secrets(text: str) -> str:
    """The text, with the passwords, tokens and signatures in the addresses it holds made `***`."""
    if "://" not in text and "?" not in text:
        return text
    return _PARAMETER.sub(r"\1***", _PASSWORD.sub("://***@", text))


def _is_found(key: str) -> bool:
    return _SECRET.search(key.lower()) is not None


_remembered = lru_cache(4096)(_is_found)  # keys are few and come with every message

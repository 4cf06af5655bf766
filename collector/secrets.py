"""What must never be kept: values whose key names a secret, in metadata, traits and raw notifications alike."""

import re
from functools import lru_cache

_SECRET = re.compile(
    "token|passw|pass.?phrase|admin.?pass|secret|authorization|credential|psk|private.?key|pre.?shared.?key|api.?key"
    "|access.?key|cookie|user.?data|^pass$|^params$"  # params: those of SQL statements in OSProfiler's traces
)
_JOINTS = re.compile(r"[.|\s\"'\[\]()=]+")
_USUAL_LENGTH = 255


def names_secret(key: str) -> bool:
    """Whether a key says that its value is a secret, however it is spelt: `auth_token`, `X-Auth-Token`, `adminPass`."""
    return _remembered(key) if len(key) <= _USUAL_LENGTH else _is_found(key)


def path_names_secret(path: str) -> bool:
    """Whether one of the keys a path steps through does."""
    return any(names_secret(key) for key in _JOINTS.split(path))


def _is_found(key: str) -> bool:
    return _SECRET.search(key.lower()) is not None


_remembered = lru_cache(4096)(_is_found)  # keys are few and come with every message

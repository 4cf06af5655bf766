"""What must never be kept in metadata, traits and raw notifications: values whose key names a secret, and the passwords
and signatures in addresses."""

import re

from storage.secrets import mask_parameters, names_secret

_JOINTS = re.compile(r"[.|\s\"'\[\]()=]+")
# Looks at a character a bounded number of times, whatever a sender writes.
_PASSWORD = re.compile(r"://[^/\s@:]*:[^/\s@]*@")


def path_names_secret(path: str) -> bool:
    """Whether one of the keys a path steps through does."""
    return any(names_secret(key) for key in _JOINTS.split(path))


def without_secrets(text: str) -> str:
    """The text, with the passwords, tokens and signatures in the addresses it holds made `***`."""
    if "://" not in text and "?" not in text:
        return text
    return mask_parameters(_PASSWORD.sub("://***@", text))

"""What names a secret, and text with the secrets of the addresses in it made `***`: the one rule for what is shown
(settings, log, error messages) and what is kept."""

import re
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote

MASK = "***"
SECRET_OPTIONS = frozenset({"p", "pw", "pwd"})  # of publishers' URLs, besides all that name a secret

_SECRET = re.compile(
    "token|passw|pass.?phrase|admin.?pass|secret|authorization|credential|psk|private.?key|pre.?shared.?key|api.?key"
    "|access.?key|cookie|user.?data|^pass$|^params$"  # params: those of SQL statements in OSProfiler's traces
)
_USUAL_LENGTH = 255
# Look at a character a bounded number of times, whatever a sender writes.
_PASSWORD = re.compile(r"(://[^/\s:]*):[^/\s]*@")
# As SQLAlchemy reads it: all up to an @, slashes and spaces, too. What still looks like a password is one, as above.
_DATABASE_PASSWORD = re.compile(
    r"((?<![\w+])(?:(?:postgres|mysql|mariadb)[\w+]{0,30}|\w{1,30}\+\w{1,30})://[^:/\n]{0,255}+)"
    r":[^@\n]{0,1000}+@(?:[^?\s]*@)?",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"([?&]([^?&=#\s\"']{1,80})=)[^&\s]+")


def names_secret(key: str) -> bool:
    """Whether a key says that its value is a secret, however it is spelt: `auth_token`, `X-Auth-Token`, `adminPass`."""
    return _remembered(key) if len(key) <= _USUAL_LENGTH else _is_found(key)


def parameter_names_secret(key: str) -> bool:
    """The same of a parameter of a URL, which may also be a signature."""
    return "sig" in key.lower() or names_secret(key)


def option_names_secret(key: str) -> bool:
    """The same of a parameter of an address in the settings, such as a publisher's."""
    return key.lower() in SECRET_OPTIONS or parameter_names_secret(key)


def mask_url(text: str) -> str:
    """The text with the passwords of all URLs in it, and what their parameters hold of secrets, replaced by ***."""
    if "://" in text:
        text = _DATABASE_PASSWORD.sub(rf"\1:{MASK}@", text)
        text = _PASSWORD.sub(rf"\1:{MASK}@", text)
    return mask_parameters(text, option_names_secret)


def mask_parameters(text: str, is_secret: Callable[[str], bool] = parameter_names_secret) -> str:
    """The text with the values of the parameters whose names are secret, however escaped, replaced by ***.

    A value ends at & or white space: quotes and # may be a part of it.
    """
    if "=" not in text:
        return text
    return _PARAMETER.sub(lambda found: found[1] + MASK if is_secret(unquote(found[2])) else found[0], text)


def _is_found(key: str) -> bool:
    return _SECRET.search(key.lower()) is not None


_remembered = lru_cache(4096)(_is_found)  # keys are few and come with every message

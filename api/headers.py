"""Headers of a request. Starlette's own look through all of them for each one that is asked for."""

from collections.abc import Mapping
from typing import Final

from starlette.types import Scope

_KEPT: Final = "nephometer.headers"


def headers_of(scope: Scope) -> Mapping[bytes, bytes]:
    """The headers by their names in lower case; of several the first, as everywhere in Starlette."""
    known: Mapping[bytes, bytes] | None = scope.get(_KEPT)
    if known is None:
        known = scope[_KEPT] = dict(reversed(scope["headers"]))
    return known


def header(scope: Scope, name: bytes) -> str | None:
    """The value of one of them, None if it is absent."""
    value = headers_of(scope).get(name)
    return None if value is None else value.decode("latin-1")


def has_no_body(scope: Scope) -> bool:
    """Whether a request says of no body that it has one."""
    known = headers_of(scope)
    return b"content-length" not in known and b"transfer-encoding" not in known

"""Who is calling: a token becomes an identity. Headers that claim an identity are never read."""

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from typing import ClassVar, Protocol

from api.errors import StartRefused, Unauthenticated
from api.settings import ApiSettings, AuthSettings, Role


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller: its user, the project it acts in (both may be None), and its roles."""

    user_id: str | None
    project_id: str | None
    roles: frozenset[str]

    @property
    def is_admin(self) -> bool:
        """Whether the caller sees every project."""
        return "admin" in self.roles


class Authenticator(Protocol):
    """Turns the token of a request into who is calling.

    `waits`: `identify` may ask somebody else, so that it must not be called where requests arrive.
    """

    waits: ClassVar[bool]

    def identify(self, token: str | None, /) -> Identity:
        """Raises Unauthenticated for no token or an unknown one, Unavailable if nobody can tell now."""
        ...


_ANYBODY = Identity(user_id=None, project_id=None, roles=frozenset({"admin"}))


class Everybody:
    """Mode `none`: every caller is an administrator without a project."""

    waits: ClassVar[bool] = False

    def identify(self, _token: str | None) -> Identity:
        """The one identity of this mode."""
        return _ANYBODY


class StaticTokens:
    """Mode `token`: tokens from the settings, kept and compared only as their SHA-256."""

    waits: ClassVar[bool] = False

    def __init__(self, settings: AuthSettings) -> None:
        self._identities = tuple(
            (_digest(entry.token.get_secret_value()), _identity(entry.user_id, entry.project_id, entry.roles))
            for entry in settings.tokens
        )

    def identify(self, token: str | None) -> Identity:
        """Who the token is bound to; compares every known token, so timing tells nothing."""
        if not token:
            raise Unauthenticated
        digest = _digest(token)
        found = [identity for known, identity in self._identities if hmac.compare_digest(known, digest)]
        if not found:
            raise Unauthenticated
        return found[0]


def authenticator(settings: AuthSettings) -> Authenticator:
    """The authenticator of the set mode."""
    return StaticTokens(settings) if settings.mode == "token" else Everybody()


def check_exposure(api: ApiSettings, auth: AuthSettings) -> None:
    """Raises StartRefused if anybody but this machine could call an API that asks for no token."""
    if auth.mode == "none" and not is_loopback(api.host):
        raise StartRefused(
            f"auth.mode is none, so api.host must be a loopback address such as 127.0.0.1, not {api.host}; "
            "to listen there set auth.mode to token and give auth.tokens"
        )


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this very machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _identity(user_id: str | None, project_id: str | None, roles: tuple[Role, ...]) -> Identity:
    return Identity(user_id, project_id, frozenset(roles))

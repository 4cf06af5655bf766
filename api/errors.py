"""Errors of `api`: what a request is refused with, and what stops the server from starting.

ApiError                 a status and a sentence for the caller
├── BadRequest           400
├── Unauthenticated      401  no token, or one nobody knows
├── NotAuthorized        401  another project was asked for (Ceilometer answered 401 here, not 403)
├── Forbidden            403  the caller's roles do not allow this
├── UnknownHost          403  the request was sent to a name that is not ours
├── NotFound             404
├── NotAcceptable        406
├── Conflict             409
├── TooLarge             413
├── UnsupportedType      415
└── Unavailable          503  try again after `retry_after_s`
StartRefused             the settings would expose the API: change them
CannotListen             the address is taken or not of this machine
"""

from collections.abc import Collection


class ApiError(Exception):
    """A request is refused with `status`; `faultstring` is one sentence for the caller.

    `is_text` renders the plain form `{"error_message": "<text>"}`, which Ceilometer used for what its
    web framework refused (403, 404 of unknown paths, 405, 406, 415).
    """

    is_text = False

    def __init__(self, status: int, faultstring: str) -> None:
        super().__init__(faultstring)
        self.status = status
        self.faultstring = faultstring

    @property
    def headers(self) -> dict[str, str]:
        """Headers the answer needs besides the ordinary ones."""
        return {}


class BadRequest(ApiError):
    """The request is wrong; the same request will always be refused."""

    def __init__(self, faultstring: str) -> None:
        super().__init__(400, faultstring)


class InvalidInput(BadRequest):
    """One value of the request is wrong; worded as WSME did, which clients show to people."""

    def __init__(self, name: str, value: object, reason: str) -> None:
        super().__init__(f"Invalid input for field/attribute {name}. Value: '{value}'. {reason}")


class UnknownArgument(BadRequest):
    """A parameter or query field nobody knows; worded as WSME did."""

    def __init__(self, name: str, reason: str = "") -> None:
        super().__init__(f'Unknown argument: "{name}"' + (f": {reason}" if reason else ""))


class Unauthenticated(ApiError):
    """No token, or one nobody knows."""

    def __init__(self) -> None:
        super().__init__(401, "Authentication required")

    @property
    def headers(self) -> dict[str, str]:
        """The challenge HTTP demands with 401."""
        return {"WWW-Authenticate": 'Token realm="nephometer"'}


class NotAuthorized(ApiError):
    """The caller asked for a project that is not its own."""

    def __init__(self, project_id: str) -> None:
        super().__init__(401, f"Not Authorized to access project {project_id}")


class Forbidden(ApiError):
    """The caller's roles do not allow this; any of `roles` would, if that is known."""

    is_text = True

    def __init__(self, roles: Collection[str] = ()) -> None:
        super().__init__(
            403, "403 Forbidden\n\nAccess was denied to this resource.\n\n RBAC Authorization Failed"
        )
        self.roles = roles

    @property
    def headers(self) -> dict[str, str]:
        """The roles any of which would do, where the words are Ceilometer's and cannot say it."""
        return {"X-Required-Roles": ", ".join(sorted(self.roles))} if self.roles else {}


class UnknownHost(ApiError):
    """The API asks for no token, and the request names a host that is not this machine."""

    def __init__(self) -> None:
        super().__init__(
            403,
            "Without authentication the API only answers requests for a loopback host: use http://127.0.0.1, "
            "set api.public_url, or set auth.mode to token",
        )


class NotFound(ApiError):
    """The thing does not exist, or not for this caller; the two look the same."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(404, f"{what} {name} Not Found")


class NotAcceptable(ApiError):
    """The caller accepts no JSON."""

    is_text = True

    def __init__(self) -> None:
        super().__init__(406, "406 Not Acceptable\n\nThis API answers application/json.")


class Conflict(ApiError):
    """The thing exists already, or was changed by somebody else first."""

    def __init__(self, faultstring: str) -> None:
        super().__init__(409, faultstring)


class TooLarge(ApiError):
    """The body is larger than the API reads."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(413, f"Request body is larger than {limit_bytes} bytes")


class UnsupportedType(ApiError):
    """The body is not JSON by its Content-Type."""

    is_text = True

    def __init__(self) -> None:
        super().__init__(415, "415 Unsupported Media Type\n\nThe body must be application/json.")


class Unavailable(ApiError):
    """Something the answer needs is away; the same request may succeed later."""

    def __init__(self, faultstring: str, retry_after_s: int = 5) -> None:
        super().__init__(503, faultstring)
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """When to try again."""
        return {"Retry-After": str(self.retry_after_s)}


class StartRefused(Exception):
    """These settings would open the API to strangers: set auth.mode, or listen on loopback."""


class CannotListen(Exception):
    """Something else listens there, or the address is not of this machine: end that, or set api.host, api.port."""

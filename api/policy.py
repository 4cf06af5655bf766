"""Which role may do what. Every route names a policy (or says it is public); a test walks the router.

Roles are those of OpenStack's secure RBAC: a reader reads its project, a member also writes there,
an admin does everything in every project, a service posts samples for any project.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import Request, params
from starlette.concurrency import run_in_threadpool

from api.auth import Authenticator, Identity
from api.errors import Forbidden
from api.headers import header

_ADMIN = frozenset({"admin"})
_READ = frozenset({"reader", "member", "admin"})
_WRITE = frozenset({"member", "admin"})
_POST = frozenset({"member", "admin", "service"})

POLICIES = {
    "telemetry:get_meters": _READ,
    "telemetry:get_samples": _READ,
    "telemetry:get_sample": _READ,
    "telemetry:query_sample": _READ,
    "telemetry:create_samples": _POST,
    "telemetry:compute_statistics": _READ,
    "telemetry:get_resources": _READ,
    "telemetry:get_resource": _READ,
    "telemetry:get_capabilities": _READ | {"service"},
    "telemetry:get_alarms": _READ,
    "telemetry:get_alarm": _READ,
    "telemetry:get_alarm_state": _READ,
    "telemetry:alarm_history": _READ,
    "telemetry:query_alarm": _READ,
    "telemetry:query_alarm_history": _READ,
    "telemetry:create_alarm": _WRITE,
    "telemetry:change_alarm": _WRITE,
    "telemetry:change_alarm_state": _WRITE,
    "telemetry:delete_alarm": _WRITE,
    "events:index": _READ,
    "events:show": _READ,
    "events:types": _ADMIN,
}


_CALLER = "nephometer.caller"  # in the scope of a request


async def caller(request: Request) -> Identity:
    """Who sent this request, from its X-Auth-Token alone; raises Unauthenticated.

    Found once a request. Rules and scopes call it instead of depending on it: FastAPI walks every dependency anew.
    """
    known: Identity | None = request.scope.get(_CALLER)
    if known is None:
        auth: Authenticator = request.app.state.services.auth
        token = header(request.scope, b"x-auth-token")
        known = await run_in_threadpool(auth.identify, token) if auth.waits else auth.identify(token)
        request.scope[_CALLER] = known
    return known


@dataclass(frozen=True, slots=True)
class Policy:
    """A route's rule: only these roles pass, everybody else is Forbidden."""

    name: str
    roles: frozenset[str]

    async def __call__(self, request: Request) -> None:
        """Raises Forbidden unless one of the caller's roles is allowed."""
        identity = await caller(request)
        if not self.roles & identity.roles:
            raise Forbidden(self.roles)


async def public() -> None:
    """The rule of a route that tells nothing about any tenant: everybody passes."""


def may(name: str) -> params.Depends:
    """The dependency a route puts in `dependencies=[...]`; `name` is a key of POLICIES."""
    return _depends(Policy(name, POLICIES[name]))


def anybody() -> params.Depends:
    """The dependency of a public route."""
    return _depends(public)


def _depends(rule: Any) -> params.Depends:  # Any: FastAPI types Depends() as Any
    return params.Depends(rule)

"""An OpenStack service: at the host of the URL, or where a cloud's Keystone says, with its token."""

from collections.abc import Mapping
from typing import Any

import httpx2

from collector.errors import PublisherUnavailable
from collector.publishers.target import Target
from collector.publishers.web import Web

JSON = {"content-type": "application/json", "accept": "application/json"}
UNAUTHORIZED = 401


class Service:
    """Requests in JSON. The options cloud (a name in clouds.yaml) and ssl are read here, and those of `Web`.

    A URL without a host or with `cloud` takes tokens from Keystone: without `cloud` from the one the environment names
    (OS_CLOUD, OS_AUTH_URL …). With a host alone, user and password are HTTP basic authentication.
    """

    def __init__(
        self, target: Target, kind: str, timeout_s: float, headers: Mapping[str, str] | None = None
    ) -> None:
        cloud = target.options.text("cloud")
        is_tls = target.options.flag("ssl", default=False)
        self._headers = {**JSON, **(headers or {})}
        is_tls = is_tls or not target.host
        self._web = Web(target, is_tls=is_tls, timeout_s=timeout_s, is_somewhere_else=not target.host)
        self._catalog = _Catalog(cloud, kind) if cloud or not target.host else None
        self._path = target.path.rstrip("/")

    def ask(self, method: str, path: str, body: bytes) -> httpx2.Response:
        """Any answer; raises PublisherUnavailable when there is none, or no token."""
        if self._catalog is None:
            return self._web.ask(method, self._path + path, body, self._headers)
        answer = self._asked(self._catalog, method, path, body)
        if answer.status_code == UNAUTHORIZED:
            self._catalog.forget()
            answer = self._asked(self._catalog, method, path, body)
        return answer

    def close(self) -> None:
        """Ends the connections."""
        self._web.close()

    def _asked(self, catalog: "_Catalog", method: str, path: str, body: bytes) -> httpx2.Response:
        base = self._path if self._web.has_host else catalog.endpoint()
        return self._web.ask(method, base + path, body, {**self._headers, **catalog.headers()})


class _Catalog:
    """What Keystone says of one service."""

    def __init__(self, cloud: str, kind: str) -> None:
        self._cloud, self._kind = cloud, kind
        self._session: Any = None  # of keystoneauth, which has no types

    def endpoint(self) -> str:
        """The address of the service; raises PublisherUnavailable."""
        found = self._asked("get_endpoint", service_type=self._kind)
        if not isinstance(found, str):
            raise PublisherUnavailable(f"Keystone's catalog has no service {self._kind}")
        return found.rstrip("/")

    def headers(self) -> dict[str, str]:
        """Those that hold the token; raises PublisherUnavailable."""
        found = self._asked("get_auth_headers")
        return {str(name): str(value) for name, value in (found or {}).items()}

    def forget(self) -> None:
        """Whatever token there is, it is worth nothing any more."""
        if self._session is not None:
            self._session.invalidate()

    def _asked(self, question: str, **options: str) -> Any:  # Any: as keystoneauth answers
        import openstack  # noqa: PLC0415 - takes a second, and few use it
        from keystoneauth1.exceptions import ClientException  # noqa: PLC0415
        from openstack.exceptions import SDKException  # noqa: PLC0415

        try:
            if self._session is None:
                self._session = openstack.connect(cloud=self._cloud or None).session
            return getattr(self._session, question)(**options)
        except (ClientException, SDKException, OSError) as error:
            advice = "name a host, ?cloud=… of clouds.yaml, or set OS_CLOUD"
            raise PublisherUnavailable(f"no token ({advice}): {error}") from error

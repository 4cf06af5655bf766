"""How publishers speak HTTP: options they share, and which answers mean again, never, or done.

Redirects are not followed and no proxy of the environment is used: credentials go where the URL says, or nowhere.
"""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from collector.errors import BatchRefused, InvalidPublisher, PublisherUnavailable
from collector.publishers.target import Options, Target
from collector.retry_after import asked_wait

# Answers that are about what was sent. All others, 401 and 404 too, are about the destination or how it is
# addressed: somebody can mend that, so nothing is given up.
REFUSALS = frozenset({400, 406, 409, 411, 413, 414, 415, 416, 417, 422, 431})
REASON_CHARACTERS = 200


class Web:
    """Requests to one server; the options timeout, max_retries, verify_ssl, clientcert and clientkey are read here.

    User and password of the URL are sent as HTTP basic authentication. Of a server that is somewhere else than the
    URL says, paths are whole addresses.
    """

    def __init__(
        self, target: Target, *, is_tls: bool, timeout_s: float = 5.0, is_somewhere_else: bool = False
    ) -> None:
        options = target.options
        self._timeout_s = options.real("timeout", timeout_s, 0.1, 60.0)
        self._tries = 1 + options.whole("max_retries", 2, 0, 100)
        options.whole("poolsize", 1, 1, 10_000)  # Ceilometer's; a batch at a time needs one connection
        self._context = _tls(target.name, options) if is_tls else None
        self._auth = None if target.user is None else (target.user, target.password or "")
        self.has_host = not is_somewhere_else
        if self.has_host:
            target.needs_host()
        self._base = f"{'https' if is_tls else 'http'}://{target.place}" if self.has_host else ""
        self._client: httpx2.Client | None = None

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        """The answer to a POST, if it is a good one; raises PublisherUnavailable and BatchRefused."""
        return checked(self.ask("POST", path, body, headers))

    def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        """Any answer; raises PublisherUnavailable when none came after all tries."""
        for left in range(self._tries - 1, -1, -1):
            try:
                return self._opened().request(method, self._base + path, content=body, headers=dict(headers))
            except (httpx2.TransportError, OSError) as error:
                self.close()
                if not left:
                    raise PublisherUnavailable(_reason(error)) from error
            except (httpx2.InvalidURL, httpx2.HTTPError) as error:
                raise PublisherUnavailable(_reason(error)) from error
        raise AssertionError("there is at least one try")

    def close(self) -> None:
        """Ends the connections."""
        if self._client is not None:
            self._client.close()
        self._client = None

    def _opened(self) -> httpx2.Client:
        if self._client is None:
            self._client = httpx2.Client(
                verify=self._context or False,  # without TLS nothing is verified
                auth=self._auth,
                timeout=self._timeout_s,
                trust_env=False,
                follow_redirects=False,
                headers={"user-agent": "nephometer"},
            )
        return self._client


def checked(answer: httpx2.Response) -> httpx2.Response:
    """The answer when it is a success; raises PublisherUnavailable, or BatchRefused for what can never succeed."""
    if answer.is_success:
        return answer
    said = " ".join(answer.text.split())[:REASON_CHARACTERS]
    reason = f"HTTP {answer.status_code}" + (f": {said}" if said else "")
    if answer.status_code in REFUSALS:
        raise BatchRefused(reason)
    if answer.is_redirect:
        reason += f"; redirects are not followed, it points to {answer.headers.get('location', 'nowhere')}"
    asked = answer.headers.get("retry-after", "")
    raise PublisherUnavailable(reason, wait=asked_wait(asked, datetime.now(UTC)))


def _tls(name: str, options: Options) -> ssl.SSLContext:
    """What is verified: verify_ssl is true, false, or the path of the authorities' certificates."""
    verify, certificate, key = (
        options.text("verify_ssl"),
        options.text("clientcert"),
        options.text("clientkey"),
    )
    context = ssl.create_default_context()
    try:
        if verify.lower() in ("false", "0", "no", "off"):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif verify.lower() not in ("", "true", "1", "yes", "on"):
            context.load_verify_locations(
                cafile=None if Path(verify).is_dir() else verify,
                capath=verify if Path(verify).is_dir() else None,
            )
        if certificate:
            context.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as error:
        raise InvalidPublisher(
            f"{name}: verify_ssl, clientcert or clientkey cannot be used: {error}"
        ) from error
    return context


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error.__context__
    words = str(error) or type(error).__name__
    return words if cause is None or str(cause) in words else f"{words} ({cause})"

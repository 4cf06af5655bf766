"""The API over HTTP, as the command line asks it."""

import json
import ssl
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote

import httpx2

from cli.errors import ServerRefused, ServerUnreachable, WrongUsage
from storage.secrets import mask_url

Document = Mapping[str, object]
"""One JSON object, as the API wrote it or is to read it."""

Parameters = Sequence[tuple[str, str]]

NOT_READY = frozenset({502, 503, 504})


def path(*parts: str) -> str:
    """An absolute URL path of these parts, each escaped: an identifier with a slash stays one part."""
    return "".join("/" + quote(part, safe="") for part in parts)


class Client:
    """Asks one Nephometer API server; a context manager that closes its connection.

    Proxies of the environment are not used: metering servers live inside the cloud's own network, and a
    proxy would see the token. Redirects are refused for the same reason.

    Every method raises ServerUnreachable when nobody answers (or 502, 503, 504 comes back) and
    ServerRefused with the server's own words when the answer is an error or not JSON.
    """

    def __init__(
        self, url: str, token: str | None, *, cacert: str | None = None, timeout_s: float = 60.0
    ) -> None:
        self._url = url.rstrip("/")
        self._name = mask_url(self._url)  # as people are shown it
        headers = {"Accept": "application/json", "User-Agent": "nephometer"}
        if token:
            headers["X-Auth-Token"] = token
        self._http = httpx2.Client(
            headers=_ascii(headers), timeout=timeout_s, verify=_trust(self._url, cacert), trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def many(self, path: str, parameters: Parameters = ()) -> list[Document]:
        """The objects of a listing, in the server's order."""
        answer = self._ask("GET", path, parameters)
        if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
            raise ServerRefused(f"{self._name}{path} did not answer with a list: is this a Nephometer API?")
        return answer

    def texts(self, path: str) -> list[str]:
        """The names of a listing of names, in the server's order."""
        answer = self._ask("GET", path)
        if not isinstance(answer, list):
            raise ServerRefused(f"{self._name}{path} did not answer with a list: is this a Nephometer API?")
        return [str(item) for item in answer]

    def one(self, path: str) -> Document:
        """The object at `path`."""
        return self._object(path, self._ask("GET", path))

    def text(self, path: str) -> str:
        """The bare JSON string at `path` (an alarm's state)."""
        return str(self._ask("GET", path))

    def add(self, path: str, document: Document | Sequence[Document]) -> list[Document]:
        """Posts one object or a list of them; what the server made of it, always as a list."""
        answer = self._ask("POST", path, body=document)
        return [self._object(path, item) for item in (answer if isinstance(answer, list) else [answer])]

    def replace(self, path: str, document: Document) -> Document:
        """Puts the whole object; the object as it now is."""
        return self._object(path, self._ask("PUT", path, body=document))

    def replace_text(self, path: str, text: str) -> str:
        """Puts a bare JSON string; the string as it now is."""
        return str(self._ask("PUT", path, body=text))

    def remove(self, path: str) -> None:
        """Deletes the object at `path`."""
        self._ask("DELETE", path)

    def _object(self, path: str, answer: object) -> Document:
        if not isinstance(answer, dict):
            raise ServerRefused(
                f"{self._name}{path} did not answer with an object: is this a Nephometer API?"
            )
        return answer

    def _ask(
        self,
        method: Literal["GET", "POST", "PUT", "DELETE"],
        path: str,
        parameters: Parameters = (),
        body: Document | Sequence[Document] | str | None = None,
    ) -> object:
        content = None if body is None else _encode(body)
        headers = {"Content-Type": "application/json"} if content is not None else {}
        try:
            answer = self._http.request(
                method, self._url + path, params=list(parameters) or None, content=content, headers=headers
            )
        except httpx2.TransportError as error:
            raise ServerUnreachable(
                f"no answer from {self._name}: {error or type(error).__name__}"
            ) from error
        except httpx2.InvalidURL as error:
            raise WrongUsage(f"--url {self._name}: {error}") from error
        return self._read(answer)

    def _read(self, answer: httpx2.Response) -> object:
        if answer.is_success and not answer.content:
            return None
        try:
            document: object = json.loads(answer.content)
        except ValueError:
            document = None
            if answer.is_success:
                raise ServerRefused(
                    f"{self._name} did not answer with JSON: is this a Nephometer API?"
                ) from None
        if answer.is_success:
            return document
        reason = f"{_fault(document) or answer.reason_phrase or 'error'} (HTTP {answer.status_code})"
        reason += _advice(answer)
        if answer.status_code in NOT_READY:
            raise ServerUnreachable(f"{self._name} is not ready: {reason}")
        raise ServerRefused(reason)


def _advice(answer: httpx2.Response) -> str:
    """What the person can do about a refusal that concerns who is asking; "" where that is not known."""
    if "www-authenticate" in answer.headers:
        is_sent = "x-auth-token" in answer.request.headers
        wrong = "the server does not know this token: give another" if is_sent else "give a token"
        return f": {wrong} by --token or NEPHOMETER_TOKEN"
    roles = answer.headers.get("x-required-roles")
    return "" if roles is None else f": the token needs one of the roles {roles}"


def _encode(body: object) -> bytes:
    try:
        return json.dumps(body, allow_nan=False).encode()
    except ValueError as error:
        raise WrongUsage("NaN and infinities are no numbers the API takes") from error


def _fault(document: object) -> str:
    """The words of an error body: v2's faultstring, a plain error_message, or problem+json's detail."""
    if not isinstance(document, dict):
        return ""
    message = document.get("error_message")
    if isinstance(message, dict):
        message = message.get("faultstring")
    return " ".join(str(message or document.get("detail") or document.get("title") or "").split())


def _trust(url: str, cacert: str | None) -> ssl.SSLContext | bool:
    """The system's certificate authorities, or those of the file `cacert`."""
    if not url.startswith(("http://", "https://")):
        raise WrongUsage(f"--url {mask_url(url)!r} does not begin with http:// or https://")
    if url.startswith("http://"):
        return False
    try:
        return ssl.create_default_context(cafile=cacert)
    except OSError as error:
        raise WrongUsage(f"--cacert {cacert}: {error.strerror or error}") from error


def _ascii(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise WrongUsage(f"the value for {name} holds characters that cannot be sent")
    return dict(headers)

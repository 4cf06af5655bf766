"""One attempt to deliver a webhook: at most ten seconds in all, only to addresses that were checked.

httpcore2 is used below httpx2's client because it follows no redirect, reads no environment and no .netrc,
unpacks nothing, and lets us open the connection ourselves.
"""

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import httpcore2
import psutil
import structlog

from api.alarms.address import LOCAL_SCHEMES, Policy, Refused, target
from collector.retry_after import asked_wait
from storage.alarm import Delivery

CONNECT_S = 3.0
READ_BYTES = 16 * 1024

SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
Resolve = Callable[[str, int], Sequence[str]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt ended: the HTTP status if one came, `error` "" when delivered, and what Retry-After asks."""

    status: int | None
    error: str
    retry_after: timedelta | None = None


class Sender(Protocol):
    """Sends one delivery."""

    def send(self, delivery: Delivery, headers: Mapping[str, str]) -> Result:
        """How it ended; raises nothing on purpose."""
        ...


class WebhookSender:
    """Posts deliveries over HTTP, and writes those of `log:` and `test:` actions to the log.

    `resolve` gives the addresses of a name; it is asked once an attempt, and the connection goes to the
    addresses it gave.
    """

    def __init__(
        self,
        policy: Policy,
        timeout_s: float,
        resolve: Resolve | None = None,
        *,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._timeout_s = timeout_s
        self._resolve = resolve or addresses_of
        self._context = context or ssl.create_default_context()

    def send(self, delivery: Delivery, headers: Mapping[str, str]) -> Result:
        """How the attempt ended; every failure is a `Result`."""
        if delivery.url.partition(":")[0].lower() in LOCAL_SCHEMES:
            log.info("alarm_notified", delivery_id=delivery.delivery_id, body=delivery.body.decode())
            return Result(None, "")
        deadline = _Deadline(self._timeout_s)
        try:
            to = target(delivery.url)
            addresses = _within(deadline, lambda: self._resolve(to.host, to.port))
            self._policy.check(addresses, to.port, own_addresses())
            return self._post(delivery, headers, _Connector(addresses, deadline))
        except Refused as error:
            return Result(None, str(error))
        except (httpcore2.TimeoutException, TimeoutError):
            return Result(None, f"no answer within {self._timeout_s:g} s (connecting: {CONNECT_S:g} s)")
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as error:
            return Result(None, _reason(error))

    def _post(self, delivery: Delivery, headers: Mapping[str, str], connector: "_Connector") -> Result:
        sent = {"user-agent": "nephometer", "content-length": str(len(delivery.body)), **headers}
        with (
            httpcore2.ConnectionPool(ssl_context=self._context, network_backend=connector) as pool,
            pool.stream("POST", delivery.url, headers=[*sent.items()], content=delivery.body) as response,
        ):
            if 200 <= response.status < 300:
                _read_some(response)
                return Result(response.status, "")
            return Result(response.status, _refusal(response.status), _retry_after(response.headers))


def addresses_of(host: str, port: int) -> list[str]:
    """Every address of a host, as the system resolves it; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def own_addresses() -> list[str]:
    """The addresses of this machine's interfaces."""
    families = (socket.AF_INET, socket.AF_INET6)
    return [
        one.address.partition("%")[0]
        for interface in psutil.net_if_addrs().values()
        for one in interface
        if one.family in families
    ]


def _within(deadline: "_Deadline", work: Callable[[], Sequence[str]]) -> Sequence[str]:
    """What `work` returns; raises TimeoutError at the deadline, because resolvers know none."""
    answers: queue.Queue[Sequence[str] | Exception] = queue.Queue()

    def run() -> None:
        try:
            answers.put(work())
        except (OSError, ValueError) as error:  # ValueError: a name no resolver can encode
            answers.put(error)

    threading.Thread(target=run, daemon=True, name="resolve").start()
    try:
        answer = answers.get(timeout=deadline.left(None))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise Refused("the receiver's name was not found") from answer
    return answer


def _read_some(response: httpcore2.Response) -> None:
    """Lets a polite receiver finish its answer: its status has been decided, so nothing here can fail."""
    read = 0
    try:
        for chunk in response.iter_stream():
            read += len(chunk)
            if read >= READ_BYTES:
                return
    except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError):
        return


def _refusal(status: int) -> str:
    if 300 <= status < 400:
        return f"the receiver answered {status}; redirects are not followed"
    return f"the receiver answered {status}"


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> timedelta | None:
    """What Retry-After asks for; None when absent or unreadable."""
    text = next((value for name, value in headers if name.lower() == b"retry-after"), b"").decode("latin-1")
    return asked_wait(text, datetime.now(UTC))


def _reason(error: Exception) -> str:
    """The failure in a few words: neither addresses nor what a stranger sent belong in the log of attempts."""
    if isinstance(error, httpcore2.ConnectError | OSError):
        cause = error.__cause__ or error.__context__ or error
        is_tls = isinstance(cause, ssl.SSLError) or "SSL" in str(error) or "certificate" in str(error)
        return "the TLS certificate or handshake is not valid" if is_tls else "the connection failed"
    if isinstance(error, httpcore2.ProtocolError):
        return "the answer is not HTTP"
    return "the connection broke"


class _Deadline:
    """Seconds that are left of an attempt, by the monotonic clock."""

    def __init__(self, timeout_s: float) -> None:
        self._end = time.monotonic() + timeout_s

    def left(self, at_most: float | None) -> float:
        """Seconds a step may take; raises TimeoutError when none are left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left if at_most is None else min(left, at_most)


class _Connector(httpcore2.NetworkBackend):
    """Connects to the checked addresses only, whatever it is asked for."""

    def __init__(self, addresses: Sequence[str], deadline: _Deadline) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the address was checked, the name may mean another by now
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline counts
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.NetworkStream:
        """A connection to the first address that takes one, within three seconds for all of them."""
        share = CONNECT_S / len(self._addresses)
        failure: Exception = httpcore2.ConnectTimeout()
        for address in self._addresses:
            limit = self._deadline.left(share)
            try:
                stream = self._sockets.connect_tcp(address, port, limit, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(stream, self._deadline)
        raise failure


class _Stream(httpcore2.NetworkStream):
    """A connection whose every step ends at the deadline."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = self._left(timeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)

    def _left(self, timeout: float | None) -> float:
        try:
            return self._deadline.left(timeout)
        except TimeoutError as error:
            raise httpcore2.ReadTimeout("the attempt took too long") from error

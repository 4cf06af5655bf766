"""A receiver of webhooks on this machine, to see what an alarm sends and to try its signature."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer

from api.alarms.secret import key_of
from cli.output import printable

TOLERANCE_S = 300
BODY_BYTES = 1 << 20


def verify(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> str | None:
    """What is wrong with the signature of a webhook, or None.

    Source: https://github.com/standard-webhooks/standard-webhooks, "Verifying webhook authenticity".
    """
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(now_s - int(timestamp)) > TOLERANCE_S:
        return "its time is missing or more than five minutes off"
    signed = f"{headers.get('webhook-id', '')}.{timestamp}.".encode() + body
    digest = hmac.digest(key_of(secret), signed, hashlib.sha256)
    expected = "v1," + base64.b64encode(digest).decode()
    given = headers.get("webhook-signature", "").split()
    if not any(hmac.compare_digest(expected, one) for one in given):
        return "the signature is not by this project's secret"
    return None


def receive(port: int, secret: str, count: int | None, tell: Callable[[str], None]) -> None:
    """Answers webhooks on 127.0.0.1 and tells each, until `count` came; good ones get 204, others 400.

    Raises OSError when the port is taken.
    """
    left = count

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            nonlocal left
            body = self.rfile.read(min(int(self.headers.get("content-length", 0)), BODY_BYTES))
            headers = {name.lower(): value for name, value in self.headers.items()}
            wrong = verify(secret, headers, body, time.time())
            text = printable(body.decode(errors="replace"))  # tenants choose what is in it
            tell(f"refused, {wrong}" if wrong else f"signature verified: {text}")
            self.send_response(400 if wrong else 204)
            self.end_headers()
            if left is not None:
                left -= 1

        def log_message(self, *_: object) -> None:
            """Nothing: what matters was told."""

    with HTTPServer(("127.0.0.1", port), Handler) as server:
        while left is None or left > 0:
            server.handle_request()

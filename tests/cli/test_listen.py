import json
import threading
from datetime import UTC, datetime

import httpx2
import pytest
from standardwebhooks import Webhook

from cli.listen import receive, verify
from tests.servers import free_port

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = json.dumps({"alarm_name": "busy"}).encode()
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def signed(moment: datetime) -> dict[str, str]:
    signature = Webhook(SECRET).sign("msg_1", moment, BODY.decode())
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": f"v1,AAAA {signature}",
    }


def test_a_signature_by_the_reference_library_is_verified() -> None:
    assert verify(SECRET, signed(NOW), BODY, NOW.timestamp()) is None


@pytest.mark.parametrize(("body", "seconds_later"), [(BODY + b" ", 0), (BODY, 301), (BODY, -301)])
def test_a_changed_body_or_an_old_message_is_refused(body: bytes, seconds_later: int) -> None:
    assert verify(SECRET, signed(NOW), body, NOW.timestamp() + seconds_later)


def test_a_receiver_tells_what_came_and_ends_after_the_count() -> None:
    told: list[str] = []
    port = free_port()
    listening = threading.Thread(target=receive, args=(port, SECRET, 2, told.append), daemon=True)
    listening.start()

    with httpx2.Client(
        base_url=f"http://127.0.0.1:{port}", transport=httpx2.HTTPTransport(retries=5), trust_env=False
    ) as client:
        good = client.post("/", content=BODY, headers=signed(datetime.now(UTC)))
        bad = client.post("/", content=BODY, headers={})
    listening.join(10)

    assert (good.status_code, bad.status_code) == (204, 400)
    assert not listening.is_alive()
    assert told[0].endswith(BODY.decode())
    assert told[1].startswith("refused")

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError

from api.alarms import webhook
from api.alarms.decision import Decision
from storage.deliveries import Deliveries
from tests.api.alarms.factories import alarm, delivery
from tests.api.world import empty_database

MASTER = "whsec_" + base64.b64encode(bytes(range(32))).decode()
FIRED = Decision("alarm", "too hot", {"type": "threshold", "most_recent": 81.4})


def now() -> datetime:
    return datetime.now(UTC)  # the verifying library compares with the real clock


@pytest.fixture
def deliveries(tmp_path: Path) -> Deliveries:
    return Deliveries(empty_database(tmp_path))


@pytest.fixture
def signer(deliveries: Deliveries) -> webhook.Signer:
    return webhook.Signer(deliveries, SecretStr(MASTER), now)


def test_the_body_is_what_receivers_of_ceilometer_know() -> None:
    one = alarm(alarm_id="a-1", name='h"öt\r\n', severity="critical")

    body = webhook.body(one, "ok", FIRED)

    assert body.isascii()
    assert json.loads(body) == {
        "alarm_name": 'h"öt\r\n',
        "alarm_id": "a-1",
        "severity": "critical",
        "previous": "ok",
        "current": "alarm",
        "reason": "too hot",
        "reason_data": {"type": "threshold", "most_recent": 81.4},
    }


def test_every_action_of_the_state_is_owed_one_delivery_with_an_id_of_its_own() -> None:
    urls = ("https://A.example:8443/x?y=1", "log://")
    fired = alarm(state="alarm", alarm_actions=urls, ok_actions=("http://never.example/",))

    owed = webhook.deliveries(fired, "ok", FIRED, now())

    assert [(one.url, one.host) for one in owed] == [(urls[0], "a.example:8443"), ("log://", "")]
    assert len({one.delivery_id for one in owed}) == 2


def test_the_reference_library_verifies_what_we_sign(signer: webhook.Signer) -> None:
    owed = delivery()

    headers = signer.headers(owed, now())

    assert Webhook(signer.secret("project-a")).verify(owed.body, headers) == {"alarm_name": "hot"}
    assert headers["content-type"] == "application/json"
    assert headers["x-openstack-request-id"].startswith("req-")


@pytest.mark.parametrize("change", ["body", "id", "timestamp", "project", "old"])
def test_a_changed_or_old_message_is_not_verified(signer: webhook.Signer, change: str) -> None:
    owed = delivery()
    age = timedelta(minutes=6) if change == "old" else timedelta()
    headers: dict[str, Any] = dict(signer.headers(owed, now() - age))  # Any: as the library types it
    body = owed.body + b" " if change == "body" else owed.body
    if change == "id":
        headers["webhook-id"] = "msg_other"
    if change == "timestamp":
        headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + 1)
    secret = signer.secret("project-b" if change == "project" else "project-a")

    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers)


def test_a_retry_keeps_its_ids_and_gets_a_new_timestamp(signer: webhook.Signer) -> None:
    owed, when = delivery(), now()

    def ids(headers: Mapping[str, str]) -> tuple[str, str]:
        return headers["webhook-id"], headers["x-openstack-request-id"]

    first, second = signer.headers(owed, when), signer.headers(owed, when + timedelta(seconds=5))

    assert ids(first) == ids(second)
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 5
    assert first["webhook-signature"] != second["webhook-signature"]


def test_without_a_setting_the_secret_is_made_once_and_shared(deliveries: Deliveries) -> None:
    one, two = (webhook.Signer(deliveries, None, now) for _ in range(2))

    assert one.secret("project-a") == two.secret("project-a")
    assert one.secret("project-a") != one.secret("project-b")
    assert one.secret(None) == one.secret("")


@pytest.mark.parametrize(
    "wrong", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_***", MASTER.removeprefix("whsec_"), MASTER + "=="]
)
def test_a_setting_that_is_no_secret_is_refused(deliveries: Deliveries, wrong: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        webhook.Signer(deliveries, SecretStr(wrong), now)


def test_the_project_of_a_delivery_chooses_the_secret(signer: webhook.Signer) -> None:
    owed = replace(delivery(), project_id=None)

    assert Webhook(signer.secret(None)).verify(owed.body, signer.headers(owed, now()))

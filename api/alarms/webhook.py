"""What a receiver gets: Ceilometer's body under Standard Webhooks' signature."""

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from pydantic import SecretStr

from api.alarms.decision import Decision
from api.alarms.secret import key_of, text_of
from storage.alarm import Alarm, Delivery, State
from storage.deliveries import Deliveries

KEY_BYTES = 32


def body(alarm: Alarm, previous: State, decision: Decision) -> bytes:
    """The JSON text receivers of Ceilometer's and Aodh's webhooks know; ASCII only."""
    return json.dumps(
        {
            "alarm_name": alarm.name,
            "alarm_id": alarm.alarm_id,
            "severity": alarm.severity,
            "previous": previous,
            "current": decision.state,
            "reason": decision.reason,
            "reason_data": dict(decision.reason_data),
        }
    ).encode()


def deliveries(alarm: Alarm, previous: State, decision: Decision, now: datetime) -> tuple[Delivery, ...]:
    """One delivery, due now, for every action of the state the alarm is in."""
    content = body(alarm, previous, decision)
    return tuple(
        Delivery(
            delivery_id=f"msg_{uuid.uuid4().hex}",
            alarm_id=alarm.alarm_id,
            project_id=alarm.project_id,
            host=urlsplit(url).netloc.lower()[:255],
            url=url,
            body=content,
            created_at=now,
            next_attempt_at=now,
        )
        for url in alarm.actions()
    )


def request_id(delivery: Delivery) -> str:
    """The id OpenStack services log for a request; the same at every attempt."""
    return f"req-{uuid.UUID(delivery.delivery_id.removeprefix('msg_'))}"


class Signer:
    """Signs webhooks with a secret of the project that owns the alarm, derived from one master key.

    The master key is `alarms.signing_secret`, or made once and kept in the database, so that every process
    signs alike. Raises ValueError for a setting that is no such secret.
    """

    def __init__(
        self, deliveries: Deliveries, configured: SecretStr | None, clock: Callable[[], datetime]
    ) -> None:
        self._deliveries = deliveries
        self._clock = clock
        self._master = None if configured is None else key_of(configured.get_secret_value())

    def secret(self, project_id: str | None) -> str:
        """The `whsec_` text with which receivers of this project verify; raises DatabaseUnavailable."""
        return text_of(self._key(project_id))

    def headers(self, delivery: Delivery, now: datetime) -> dict[str, str]:
        """Content type and signature for an attempt made now; raises DatabaseUnavailable.

        Source: https://github.com/standard-webhooks/standard-webhooks, "Verifying webhook authenticity".
        """
        timestamp = int(now.timestamp())
        signed = f"{delivery.delivery_id}.{timestamp}.".encode() + delivery.body
        digest = hmac.digest(self._key(delivery.project_id), signed, hashlib.sha256)
        return {
            "content-type": "application/json",
            "x-openstack-request-id": request_id(delivery),
            "webhook-id": delivery.delivery_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": "v1," + base64.b64encode(digest).decode(),
        }

    def _key(self, project_id: str | None) -> bytes:
        if self._master is None:
            self._master = self._deliveries.signing_key(secrets.token_bytes(KEY_BYTES), self._clock())
        return hmac.digest(
            self._master, b"nephometer webhook 1:" + (project_id or "").encode(), hashlib.sha256
        )

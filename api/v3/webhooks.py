"""/v3/webhooks: what a project needs to receive its alarms' webhooks."""

from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from api.dependencies import Caller, InScope, Parts
from api.errors import NotFound
from api.policy import may
from api.v2 import times
from storage.alarm import Attempt, Delivery

router = APIRouter(tags=["webhooks"])


class Secret(BaseModel):
    """The secret with which a receiver verifies signatures, as Standard Webhooks libraries take it."""

    secret: str


class DeliveryAnswer(BaseModel):
    """A webhook owed or delivered."""

    id: str
    alarm_id: str
    project_id: str | None
    url: str
    state: str
    attempts: int
    created_at: str
    next_attempt_at: str | None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryAnswer":
        """The shape of a stored delivery; `next_attempt_at` is null when there will be none."""
        is_pending = delivery.state == "pending"
        return cls(
            id=delivery.delivery_id,
            alarm_id=delivery.alarm_id,
            project_id=delivery.project_id,
            url=delivery.url,
            state=delivery.state,
            attempts=delivery.attempts,
            created_at=times.text(delivery.created_at),
            next_attempt_at=times.text(delivery.next_attempt_at) if is_pending else None,
        )


class AttemptAnswer(BaseModel):
    """One attempt to deliver; `error` is empty when the receiver took it."""

    number: int
    at: str
    status: int | None
    error: str
    duration_ms: int

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptAnswer":
        """The shape of a logged attempt."""
        return cls(
            number=attempt.number,
            at=times.text(attempt.at),
            status=attempt.status,
            error=attempt.error,
            duration_ms=attempt.duration_ms,
        )


@router.get("/v3/webhooks/secret", dependencies=[may("telemetry:create_alarm")])
def get_secret(caller: Caller, _: InScope, parts: Parts) -> Secret:
    """The signing secret of the caller's project; whoever may write alarms may read it."""
    return Secret(secret=parts.signer.secret(caller.project_id))


@router.get("/v3/webhooks/deliveries", dependencies=[may("telemetry:alarm_history")])
def list_deliveries(
    scope: InScope,
    parts: Parts,
    alarm_id: str | None = None,
    state: Literal["pending", "delivered", "failed"] | None = None,
) -> list[DeliveryAnswer]:
    """The newest webhooks of the caller's alarms."""
    found = parts.deliveries.find(scope, parts.settings.default_limit, alarm_id=alarm_id, state=state)
    return [DeliveryAnswer.of(delivery) for delivery in found]


@router.get("/v3/webhooks/deliveries/{delivery_id}/attempts", dependencies=[may("telemetry:alarm_history")])
def list_attempts(delivery_id: str, scope: InScope, parts: Parts) -> list[AttemptAnswer]:
    """Every attempt to deliver a webhook, oldest first."""
    return [AttemptAnswer.of(attempt) for attempt in parts.deliveries.attempts(scope, delivery_id)]


@router.post(
    "/v3/webhooks/deliveries/{delivery_id}/replay",
    status_code=202,
    dependencies=[may("telemetry:change_alarm")],
)
def replay(delivery_id: str, scope: InScope, parts: Parts) -> None:
    """Sends a delivered or failed webhook again, under its old id."""
    if not parts.deliveries.replay(scope, delivery_id, datetime.now(UTC)):
        raise NotFound("Finished delivery", delivery_id)

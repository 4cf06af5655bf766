from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from api.alarms.webhook import Signer
from storage.alarm import Attempt, Transition
from storage.alarms import Alarms
from storage.deliveries import Deliveries, Limits
from storage.query import EVERYTHING, Scope
from tests.api.alarms.bodies import BODY, RULE, create, stored
from tests.api.alarms.factories import alarm, change, delivery
from tests.api.world import World, conditions, fault
from tests.factories import NOW


def test_what_others_own_looks_as_if_it_were_not_there(world: World, member: TestClient) -> None:
    path = f"/v2/alarms/{create(member)['alarm_id']}"
    other = world.client("member-b")

    statuses = [
        other.get(path).status_code,
        other.put(path, json=BODY).status_code,
        other.delete(path).status_code,
        other.get(f"{path}/state").status_code,
        other.put(f"{path}/state", json="ok").status_code,
    ]

    assert statuses == [404] * 5
    assert other.get(f"{path}/history").json() == []
    assert other.get("/v2/alarms").json() == []
    for field in ("project", "project_id"):
        assert other.get("/v2/alarms", params=conditions((field, "eq", "project-a"))).status_code == 401
    assert member.get(path).json()["name"] == "hot"


@pytest.mark.parametrize("aspect", ["project", "user"])
def test_a_member_cannot_make_an_alarm_somebody_elses(member: TestClient, aspect: str) -> None:
    path = f"/v2/alarms/{create(member)['alarm_id']}"

    answers = [
        member.post("/v2/alarms", json=BODY | {f"{aspect}_id": "other"}),
        member.put(path, json=BODY | {f"{aspect}_id": "other"}),
    ]

    assert [(one.status_code, fault(one)) for one in answers] == [
        (401, f"Not Authorized to access {aspect} other")
    ] * 2


def test_a_members_rule_cannot_name_another_project(world: World, member: TestClient) -> None:
    foreign = RULE | {"query": [{"field": "project_id", "op": "eq", "value": "project-b"}]}

    answer = member.post("/v2/alarms", json=BODY | {"threshold_rule": foreign})

    assert (answer.status_code, fault(answer)) == (401, "Not Authorized to access project project-b")


def test_what_a_rule_sees_is_decided_by_who_writes_it(world: World, member: TestClient) -> None:
    admin = world.client("admin")
    own, everything, for_b = create(member), create(admin), create(admin, project_id="project-b")

    scopes = [stored(world, one["alarm_id"]).scope for one in (own, everything, for_b)]

    assert scopes == [Scope("project-a"), EVERYTHING, Scope("project-b")]
    assert world.client("member-b").get(f"/v2/alarms/{for_b['alarm_id']}").status_code == 200


def test_an_update_keeps_what_an_administrators_rule_sees_but_lends_it_to_nobody(world: World) -> None:
    admin = world.client("admin")
    mine = create(admin)
    path = f"/v2/alarms/{mine['alarm_id']}"

    admin.put(path, json=mine)
    kept = stored(world, mine["alarm_id"]).scope
    admin.put(path, json=mine | {"project_id": "project-a"})
    given = stored(world, mine["alarm_id"]).scope

    assert (kept, given) == (EVERYTHING, Scope("project-a"))


def test_a_member_that_changes_an_administrators_alarm_sees_its_own_project_only(world: World) -> None:
    created = create(world.client("admin"))

    answer = world.client("member-admin").put(
        f"/v2/alarms/{created['alarm_id']}", json=created | {"user_id": "user-x"}
    )

    assert answer.status_code == 200
    assert stored(world, created["alarm_id"]).scope == Scope("project-admin")


@pytest.mark.parametrize(
    ("token", "status"), [("reader-a", 403), ("service", 403), (None, 401), ("nobody", 401)]
)
def test_only_members_and_administrators_write(world: World, token: str | None, status: int) -> None:
    path = f"/v2/alarms/{create(world.client('member-a'))['alarm_id']}"
    client = world.client(token)

    statuses = {
        client.post("/v2/alarms", json=BODY).status_code,
        client.put(path, json=BODY).status_code,
        client.delete(path).status_code,
        client.put(f"{path}/state", json="ok").status_code,
        client.get("/v3/webhooks/secret").status_code,
    }

    assert statuses == {status}
    assert (world.client("reader-a").get(path).status_code) == 200


def test_every_project_has_a_secret_of_its_own(world: World) -> None:
    secrets = [
        world.client(token).get("/v3/webhooks/secret").json()["secret"] for token in ("member-a", "member-b")
    ]

    assert all(secret.startswith("whsec_") for secret in secrets)
    assert len(set(secrets)) == 2
    assert secrets[0] == Signer(Deliveries(world.database), None, lambda: NOW).secret("project-a")


def test_deliveries_and_their_attempts_are_listed_and_replayed_in_their_project(world: World) -> None:
    one, deliveries = alarm(), Deliveries(world.database)
    Alarms(world.database).create(one, change(one))
    Alarms(world.database).record(Transition(one, None, (delivery(),)))
    (leased,) = deliveries.lease(NOW, [], Limits())
    gone = Attempt(leased.delivery_id, 1, NOW, 410, "the receiver answered 410", 5)
    deliveries.record(replace(leased, state="failed"), gone)
    member, other = world.client("member-a"), world.client("member-b")

    (owed,) = member.get("/v3/webhooks/deliveries").json()

    assert other.get("/v3/webhooks/deliveries").json() == []
    path = f"/v3/webhooks/deliveries/{owed['id']}"
    assert member.get(f"{path}/attempts").json()[0]["error"] == "the receiver answered 410"
    assert other.get(f"{path}/attempts").json() == []
    assert [client.post(f"{path}/replay").status_code for client in (other, member, member)] == [
        404,
        202,
        404,
    ]
    assert member.get("/v3/webhooks/deliveries", params={"state": "pending"}).json()[0]["id"] == owed["id"]

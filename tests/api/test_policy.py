from collections.abc import Iterator

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute, iter_route_contexts

from api.policy import POLICIES, Policy, public
from tests.api.world import World

PUBLIC = {"/", "/healthz", "/healthcheck", "/readyz", "/metrics", "/docs", "/docs/{name}", "/openapi.json"}


def routes(app: APIRouter) -> Iterator[APIRoute]:
    for context in iter_route_contexts(app.routes):
        assert isinstance(context.original_route, APIRoute), f"{context.path} cannot carry a policy"
        yield context.original_route


def rules(route: APIRoute) -> list[object]:
    return [dependency.dependency for dependency in route.dependencies]


def test_every_route_declares_one_policy_and_only_known_ones_are_public(world: World) -> None:
    found = list(routes(world.app.router))

    declared = {
        route.path: [rule for rule in rules(route) if rule is public or isinstance(rule, Policy)]
        for route in found
    }
    assert len(found) > 15
    assert [path for path, policies in declared.items() if len(policies) != 1] == []
    assert {path for path, policies in declared.items() if public in policies} == PUBLIC


def test_a_public_route_says_nothing_about_tenants(world: World) -> None:
    private = [route.path for route in routes(world.app.router) if public not in rules(route)]

    assert private
    assert all(path.startswith(("/v2/", "/v3/")) for path in private)


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("reader", "get_meters get_samples get_sample compute_statistics get_resources get_resource get_capabilities "
                   "get_alarms get_alarm get_alarm_state alarm_history "
                   "query_sample query_alarm query_alarm_history events:index events:show"),
        ("member", "get_meters get_samples get_sample compute_statistics get_resources get_resource get_capabilities "
                   "get_alarms get_alarm get_alarm_state alarm_history create_samples create_alarm change_alarm "
                   "change_alarm_state delete_alarm query_sample query_alarm query_alarm_history events:index "
                   "events:show"),
        ("service", "create_samples get_capabilities"),
        ("unheard-of", ""),
    ],
)  # fmt: skip
def test_each_role_may_do_what_openstack_expects_of_it(role: str, allowed: str) -> None:
    granted = {name for name, roles in POLICIES.items() if role in roles}

    assert granted == {name if ":" in name else f"telemetry:{name}" for name in allowed.split()}


def test_an_administrator_may_do_everything() -> None:
    assert all("admin" in roles for roles in POLICIES.values())


@pytest.mark.parametrize(
    ("token", "status"),
    [(None, 401), ("nobody", 401), ("reader-a", 403), ("member-a", 400), ("service", 400)],
)
def test_a_post_is_refused_before_its_body_is_looked_at(world: World, token: str | None, status: int) -> None:
    answer = world.client(token).post(
        "/v2/meters/cpu", content=b"[", headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == status


def test_a_role_without_the_right_gets_ceilometers_words(world: World) -> None:
    answer = world.client("service").get("/v2/meters")

    assert answer.status_code == 403
    assert answer.json() == {
        "error_message": "403 Forbidden\n\nAccess was denied to this resource.\n\n RBAC Authorization Failed"
    }

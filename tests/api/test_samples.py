"""GET /v2/samples, /v2/samples/{id} and /v2/meters/{name}."""

from datetime import timedelta

import pytest

from tests.api.world import World, conditions, fault
from tests.factories import CPU, CPU_UTIL, NOW, sample, series


def test_samples_come_newest_first_in_the_shape_of_v2_samples(world: World) -> None:
    world.keep(series(2))

    answer = world.client().get("/v2/samples")

    newer, older = answer.json()
    assert older["timestamp"] == "2026-11-23T12:00:00"
    assert newer == {
        "id": newer["id"],
        "meter": "cpu",
        "type": "cumulative",
        "unit": "ns",
        "volume": 2_000_000_000.0,
        "user_id": "user-1",
        "project_id": "project-a",
        "resource_id": "instance-1",
        "source": "openstack",
        "timestamp": "2026-11-23T12:01:00",
        "recorded_at": "2026-11-23T12:00:00",
        "metadata": {"display_name": "web", "instance_type": "m1.small", "flavor.vcpus": "2"},
    }
    assert list(newer) == [
        "id", "meter", "type", "unit", "volume", "user_id", "project_id", "resource_id", "source", "timestamp",
        "recorded_at", "metadata",
    ]  # fmt: skip


def test_samples_of_a_meter_come_in_the_old_shape(world: World) -> None:
    world.keep([CPU, CPU_UTIL])

    (old,) = world.client().get("/v2/meters/cpu").json()

    assert old == {
        "source": "openstack",
        "counter_name": "cpu",
        "counter_type": "cumulative",
        "counter_unit": "ns",
        "counter_volume": 1_000_000_000.0,
        "user_id": "user-1",
        "project_id": "project-a",
        "resource_id": "instance-1",
        "timestamp": "2026-11-23T12:00:00",
        "recorded_at": "2026-11-23T12:00:00",
        "resource_metadata": {"display_name": "web", "instance_type": "m1.small", "flavor.vcpus": "2"},
        "message_id": old["message_id"],
    }


@pytest.mark.parametrize(
    ("volume", "printed"),
    [
        (5, "5.0"),
        (0, "0.0"),
        (12.5, "12.5"),
        (0.1, "0.1"),
        (1e16, "1e+16"),
        (1e-7, "1e-07"),
        (-1.0, "-1.0"),
        (1e300, "1e+300"),
    ],
)
def test_volumes_are_printed_as_pythons_floats(world: World, volume: float, printed: str) -> None:
    world.keep([sample(meter="m", type="gauge", unit="x", volume=float(volume))])

    assert f'"volume": {printed},' in world.client().get("/v2/samples").text


def test_whole_numbers_of_integer_meters_are_printed_as_floats_too(world: World) -> None:
    world.keep([sample(volume=5)])

    assert '"volume": 5.0,' in world.client().get("/v2/samples").text


def test_fractions_of_a_second_are_printed_when_there_are_any(world: World) -> None:
    world.keep([sample(timestamp=NOW + timedelta(microseconds=1500))])

    assert world.client().get("/v2/samples").json()[0]["timestamp"] == "2026-11-23T12:00:00.001500"


def test_text_that_is_not_ascii_is_escaped_and_comes_back_whole(world: World) -> None:
    world.keep([sample(resource_id="instance-ü-😀", metadata={"name": "Ü"})])

    answer = world.client().get("/v2/samples")

    assert answer.text.isascii()
    assert answer.json()[0]["resource_id"] == "instance-ü-😀"


def test_metadata_is_flattened_to_texts(world: World) -> None:
    world.keep(
        [sample(metadata={"a": {"b": {"c": 1}}, "on": True, "none": None, "list": [1, "x"], "f": 1.5})]
    )

    assert world.client().get("/v2/samples").json()[0]["metadata"] == {
        "a.b:c": "1", "on": "True", "none": "None", "list": "[1, 'x']", "f": "1.5",
    }  # fmt: skip


def test_a_sample_without_an_owner_has_nulls(world: World) -> None:
    world.keep([sample(project_id=None, user_id=None, metadata={})])

    (found,) = world.client().get("/v2/samples").json()

    assert (found["project_id"], found["user_id"], found["metadata"]) == (None, None, {})


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (("resource_id", "eq", "instance-1"), 2),
        (("resource", "", "instance-2"), 1),
        (("user_id", "eq", "user-1"), 3),
        (("user", "eq", "USER-1"), 0),
        (("project", "eq", "project-a"), 3),
        (("source", "eq", "openstack"), 3),
        (("meter", "eq", "cpu_util"), 1),
        (("metadata.flavor.vcpus", "eq", "2"), 2),
        (("metadata.flavor.vcpus", "eq", "2", "integer"), 2),
        (("resource_metadata.display_name", "eq", "web", "string"), 2),
        (("metadata.nothing", "eq", "x"), 0),
        (("timestamp", "gt", "2026-11-23T12:00:00"), 1),
        (("timestamp", "ge", "2026-11-23T12:01:00"), 1),
        (("timestamp", "lt", "2026-11-23T12:01:00"), 2),
        (("timestamp", "le", "2026-11-23T12:01:00Z"), 3),
    ],
)
def test_conditions_choose_samples(world: World, condition: tuple[str, str, str], found: int) -> None:
    world.keep(
        [
            *series(2),
            sample(
                meter="cpu_util", type="gauge", unit="%", volume=1.0, resource_id="instance-2", metadata={}
            ),
        ]
    )

    answer = world.client().get("/v2/samples", params=conditions(condition))

    assert len(answer.json()) == found


def test_all_conditions_must_hold(world: World) -> None:
    world.keep([*series(3), *series(3, resource_id="instance-2")])
    asked = conditions(("resource", "eq", "instance-2"), ("timestamp", "gt", "2026-11-23T12:00:00"))

    found = world.client().get("/v2/meters/cpu", params=[*asked, ("limit", "1")]).json()

    assert [(one["resource_id"], one["timestamp"]) for one in found] == [
        ("instance-2", "2026-11-23T12:02:00")
    ]


def test_two_different_values_of_one_field_match_nothing(world: World) -> None:
    world.keep([sample(), sample(resource_id="instance-2")])
    asked = conditions(("resource", "eq", "instance-1"), ("resource_id", "eq", "instance-2"))

    assert world.client().get("/v2/samples", params=asked).json() == []


def test_a_search_offset_shows_what_lies_around_the_range(world: World) -> None:
    world.keep(series(5))
    narrow = [("timestamp", "ge", "2026-11-23T12:02:00"), ("timestamp", "le", "2026-11-23T12:02:00")]
    wide = conditions(*narrow, ("search_offset", "eq", "1"))

    assert len(world.client().get("/v2/samples", params=wide).json()) == 3
    assert len(world.client().get("/v2/samples", params=conditions(*narrow)).json()) == 1


def test_a_meter_nobody_knows_has_no_samples(world: World) -> None:
    assert world.client().get("/v2/meters/nothing").json() == []


def test_the_meter_of_the_path_wins_over_one_in_the_query(world: World) -> None:
    world.keep([CPU, CPU_UTIL])

    found = world.client().get("/v2/meters/cpu", params=conditions(("meter", "eq", "cpu_util"))).json()

    assert [one["counter_name"] for one in found] == ["cpu"]


def test_a_sample_is_found_by_its_id(world: World) -> None:
    world.keep(series(3))
    listed = world.client().get("/v2/samples").json()[1]

    assert world.client().get(f"/v2/samples/{listed['id']}").json() == listed
    assert world.client().get(
        "/v2/samples", params=conditions(("message_id", "eq", listed["id"]))
    ).json() == [listed]


@pytest.mark.parametrize(
    "message_id", ["nothing", "00000000-0000-0000-0000-000000000000", "%00", "'%20OR%201=1"]
)
def test_an_unknown_sample_is_404(world: World, message_id: str) -> None:
    answer = world.client().get(f"/v2/samples/{message_id}")

    assert answer.status_code == 404
    assert fault(answer).startswith("Sample ")
    assert fault(answer).endswith(" Not Found")

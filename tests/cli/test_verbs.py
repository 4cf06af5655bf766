"""What the read verbs and `samples create` ask the API, and how they show its answers."""

import json

from tests.cli.conftest import Nephometer
from tests.cli.stub_api import StubApi

METER = {
    "name": "cpu",
    "type": "cumulative",
    "unit": "ns",
    "resource_id": "instance-1",
    "project_id": "project-a",
    "user_id": "user-1",
    "source": "openstack",
    "meter_id": "aW5zdGFuY2UtMStjcHU=",
}
SAMPLE = {
    "id": "5b0d6a2c-c9bb-11f0-9c5c-525400a1b2c3",
    "meter": "cpu",
    "type": "cumulative",
    "unit": "ns",
    "volume": 1_000_000_000.0,
    "user_id": "user-1",
    "project_id": "project-a",
    "resource_id": "instance-1",
    "source": "openstack",
    "timestamp": "2026-11-23T12:00:00",
    "recorded_at": "2026-11-23T12:00:01.500000",
    "metadata": {"display_name": "web", "flavor.vcpus": "2"},
}
RESOURCE = {
    "resource_id": "node/disk 1",
    "project_id": None,
    "user_id": None,
    "source": "openstack",
    "first_sample_timestamp": "2026-11-23T11:00:00",
    "last_sample_timestamp": "2026-11-23T12:00:00.250000",
    "metadata": {"host": "node"},
    "links": [
        {"href": "http://x/v2/resources/node%2Fdisk%201", "rel": "self"},
        {"href": "http://x/v2/meters/b", "rel": "b"},
        {"href": "http://x/v2/meters/a", "rel": "a"},
    ],
}
ROW = {
    "groupby": {"project_id": "project-a"},
    "unit": "%",
    "period": 60,
    "period_start": "2026-11-23T12:00:00",
    "period_end": "2026-11-23T12:01:00",
    "duration": 50.0,
    "duration_start": "2026-11-23T12:00:05",
    "duration_end": "2026-11-23T12:00:55",
    "count": 6,
    "min": 1.0,
    "max": 9.5,
    "sum": 30.0,
    "avg": 5.0,
    "aggregate": None,
}


def test_meters_are_listed_by_resource(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/meters", [METER])

    ended = nephometer("meters", "list", "-q", "resource_id=instance-1", "-l", "10", "-f", "csv")

    assert ended.out == "name,type,unit,resource_id,project_id\ncpu,cumulative,ns,instance-1,project-a\n"
    assert api.asked[0].parameters == [
        ("q.field", "resource_id"), ("q.op", "eq"), ("q.type", ""), ("q.value", "instance-1"), ("limit", "10"),
    ]  # fmt: skip


def test_meters_may_be_listed_once_each(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/meters", [METER | {"resource_id": None}])

    ended = nephometer("meters", "list", "--unique", "-f", "value")

    assert ended.out == "cpu cumulative ns\n"
    assert api.asked[0].parameters == [("unique", "True")]


def test_url_and_token_may_be_options(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/meters", [METER])

    nephometer("meters", "list", "--url", api.url, "--token", "t-1")

    assert api.asked[0].headers["x-auth-token"] == "t-1"


def test_samples_of_a_meter_are_listed(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/samples", [SAMPLE])

    ended = nephometer("samples", "list", "-m", "cpu", "-q", "timestamp>2026-01-01T00:00:00")

    assert ended.out == (
        "+-------------+-------+------------+------------+------+----------------------+\n"
        "| resource_id | meter | type       | volume     | unit | timestamp            |\n"
        "+-------------+-------+------------+------------+------+----------------------+\n"
        "| instance-1  | cpu   | cumulative | 1000000000 | ns   | 2026-11-23 12:00:00Z |\n"
        "+-------------+-------+------------+------------+------+----------------------+\n"
    )
    assert [value for name, value in api.asked[0].parameters if name == "q.field"] == ["meter", "timestamp"]


def test_nothing_found_is_said_to_the_person_not_to_the_program(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/samples", [])

    table, data = nephometer("samples", "list"), nephometer("samples", "list", "-f", "json")

    assert (table.code, table.out, table.err) == (0, "", "Nothing found.\n")
    assert (data.code, data.out, data.err) == (0, "[]\n", "")


def test_a_listing_that_may_be_cut_says_so(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/samples", [SAMPLE] * 100)

    unasked = nephometer("samples", "list", "-f", "value", "-c", "meter")
    asked = nephometer("samples", "list", "--limit", "100", "-f", "value", "-c", "meter")

    assert unasked.out == asked.out == "cpu\n" * 100
    assert "there may be more" in unasked.err
    assert asked.err == ""


def test_one_sample_is_shown_with_its_metadata(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", f"/v2/samples/{SAMPLE['id']}", SAMPLE)

    ended = nephometer("samples", "show", str(SAMPLE["id"]), "-f", "json")

    shown = json.loads(ended.out)
    assert shown["metadata"] == {"display_name": "web", "flavor.vcpus": "2"}
    assert shown["recorded_at"] == "2026-11-23T12:00:01.500000Z"


def test_a_sample_is_posted_with_an_exact_number(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("POST", "/v2/meters/bytes.sent", [{"message_id": "m-1", "counter_name": "bytes.sent"}], 201)

    ended = nephometer(
        "samples", "create", "bytes.sent", "-r", "r-1", "-v", "9223372036854775807", "-u", "B",
        "-t", "delta", "--project", "p-1", "--metadata", "host=a=b", "-f", "value", "-c", "message_id",
        "--timestamp", "2026-11-01",
    )  # fmt: skip

    assert (ended.code, ended.out) == (0, "m-1\n")
    assert api.asked[0].body == [
        {
            "counter_name": "bytes.sent",
            "counter_type": "delta",
            "counter_unit": "B",
            "counter_volume": 9223372036854775807,
            "resource_id": "r-1",
            "project_id": "p-1",
            "resource_metadata": {"host": "a=b"},
            "timestamp": "2026-11-01T00:00:00+00:00",
        }
    ]


def test_what_is_no_sample_is_never_sent(nephometer: Nephometer, api: StubApi) -> None:
    create = ("samples", "create", "m", "-r", "r", "-u", "B")

    endings = [
        nephometer(*create, "-v", "many"),
        nephometer(*create, "-v", "nan"),
        nephometer(*create, "-v", "1e999"),
        nephometer(*create, "-v", "1", "--metadata", "host"),
        nephometer(*create, "-v", "1", "-t", "sum"),
        nephometer(*create, "-v", "1", "--timestamp", "1960-01-01"),
        nephometer(*create),
    ]

    assert [ended.code for ended in endings] == [2, 2, 2, 2, 2, 2, 2]
    assert api.asked == []


def test_resources_are_listed_without_their_links(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/resources", [RESOURCE])

    ended = nephometer("resources", "list", "-f", "csv", "-c", "resource_id", "-c", "last_sample_timestamp")

    assert ended.out == "resource_id,last_sample_timestamp\nnode/disk 1,2026-11-23T12:00:00.250000Z\n"
    assert api.asked[0].parameters == [("meter_links", "0")]


def test_a_resource_with_a_slash_is_shown_with_its_meters(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/resources/node%2Fdisk%201", RESOURCE)

    ended = nephometer("resources", "show", "node/disk 1", "-f", "json")

    assert json.loads(ended.out)["meters"] == ["a", "b"]


def test_what_does_not_exist_is_told_in_one_line(nephometer: Nephometer, api: StubApi) -> None:
    ended = nephometer("resources", "show", "r9")

    assert (ended.code, ended.out, ended.err) == (1, "", "nephometer: Resource r9 Not Found (HTTP 404)\n")


def test_statistics_come_by_period_and_group(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/meters/cpu_util/statistics", [ROW])

    ended = nephometer("statistics", "cpu_util", "-p", "60", "-g", "project_id", "-f", "csv")

    assert ended.out == (
        "period_start,period_end,project_id,count,min,max,sum,avg,unit\n"
        "2026-11-23T12:00:00Z,2026-11-23T12:01:00Z,project-a,6,1.0,9.5,30.0,5.0,%\n"
    )
    assert api.asked[0].parameters == [("period", "60"), ("groupby", "project_id")]


def test_chosen_aggregates_are_asked_for_as_the_api_pairs_them(nephometer: Nephometer, api: StubApi) -> None:
    aggregate = {"avg": 5.0, "cardinality/resource_id": 2.0}
    api.answer("GET", "/v2/meters/cpu_util/statistics", [ROW | {"groupby": None, "aggregate": aggregate}])

    ended = nephometer("statistics", "cpu_util", "-a", "avg", "-a", "cardinality<-resource_id", "-f", "csv")

    assert ended.out == "avg,cardinality/resource_id,unit\n5.0,2.0,%\n"
    assert api.asked[0].parameters == [
        ("aggregate.func", "cardinality"), ("aggregate.func", "avg"), ("aggregate.param", "resource_id"),
    ]  # fmt: skip


def test_a_wrong_condition_ends_before_anything_is_asked(nephometer: Nephometer, api: StubApi) -> None:
    ended = nephometer("statistics", "cpu_util", "-q", "project")

    assert (ended.code, api.asked) == (2, [])
    assert ended.err.startswith("nephometer: -q 'project' is not field<op>value")


def test_the_life_of_a_resource_is_shown_segment_by_segment(api: StubApi, nephometer: Nephometer) -> None:
    segment = {
        "kind": "instance",
        "start": "2026-11-23T12:00:00Z",
        "end": None,
        "type": "m1.small",
        "size": None,
    }
    api.answer("GET", "/v3/resources/vm%2F1/segments", [segment])

    ended = nephometer("resources", "segments", "vm/1", "--kind", "instance", "-f", "json")

    assert (ended.code, json.loads(ended.out)[0]["type"]) == (0, "m1.small")
    assert api.asked[0].parameters == [("kind", "instance")]


def test_a_resource_without_a_life_is_said_to_have_none(api: StubApi, nephometer: Nephometer) -> None:
    api.answer("GET", "/v3/resources/vm/segments", [])

    ended = nephometer("resources", "segments", "vm")

    assert (ended.code, ended.out) == (0, "")
    assert "It has no segments: nothing that came tells of the life of vm." in ended.err


EVENT = {
    "message_id": "m/1",
    "event_type": "image.create",
    "generated": "2026-11-23T12:00:00.250000",
    "traits": [{"name": "size", "type": "integer", "value": "5"}],
    "raw": {"id": "i"},
}


def test_events_of_a_type_the_newest_first(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/events", [EVENT])

    done = nephometer(
        "events", "list", "-e", "image.create", "-q", "size>=integer::5", "--newest", "--all-tenants",
        "--after", "m0", "-l", "3", "-f", "json",
    )  # fmt: skip

    (row,) = json.loads(done.out)
    assert row["traits"] == {"size": "5"}
    assert api.asked[0].parameters == [
        ("q.field", "size"), ("q.field", "event_type"), ("q.field", "all_tenants"),
        ("q.op", "ge"), ("q.op", "eq"), ("q.op", "eq"),
        ("q.type", "integer"), ("q.type", ""), ("q.type", ""),
        ("q.value", "5"), ("q.value", "image.create"), ("q.value", "true"),
        ("limit", "3"), ("sort", "generated:desc"), ("marker", "m0"),
    ]  # fmt: skip


def test_an_event_is_shown_with_its_notification(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/events/m%2F1", EVENT)

    shown = json.loads(nephometer("events", "show", "m/1", "-f", "json").out)

    assert (shown["traits"], shown["raw"]) == ({"size": "5"}, {"id": "i"})


def test_event_types_and_their_traits(nephometer: Nephometer, api: StubApi) -> None:
    api.answer("GET", "/v2/event_types", ["a", "b"])
    api.answer("GET", "/v2/event_types/a/traits", [{"name": "size", "type": "integer"}])
    api.answer("GET", "/v2/event_types/a/traits/size", [{"name": "size", "type": "integer", "value": "5"}])

    assert nephometer("events", "types", "-f", "value").out.split() == ["a", "b"]
    assert nephometer("events", "traits", "a", "-f", "value").out.split() == ["size", "integer"]
    assert nephometer("events", "traits", "a", "size", "-f", "value").out.split() == ["size", "integer", "5"]

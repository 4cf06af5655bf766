"""What Ceilometer 9 and we are both asked about the history: some hundred requests, as each of three callers."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote, urlencode

from tests.peers.api_history import START

PEOPLE = ("admin", "alice", "bob")

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request; `name` is what its answer is kept under."""

    who: str
    method: str
    path: str
    body: object = None

    @property
    def name(self) -> str:
        """Who asked what."""
        shown = f"{self.who} {self.method} {self.path}"
        return shown if self.body is None else f"{shown} {json.dumps(self.body)}"


def _query(*conditions: tuple[str, str, str] | tuple[str, str, str, str]) -> Pairs:
    rows = [(*one, "")[:4] for one in conditions]
    return [
        *(("q.field", row[0]) for row in rows),
        *(("q.op", row[1]) for row in rows),
        *(("q.type", row[3]) for row in rows),
        *(("q.value", row[2]) for row in rows),
    ]


def _at(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).replace(tzinfo=None).isoformat()


LATE = ("timestamp", "ge", _at(4))
SOON = ("timestamp", "lt", _at(9))
FILTERS: Sequence[Pairs] = [
    [],
    _query(("resource_id", "eq", "i-1")),
    _query(("resource", "eq", "v/1 ?")),
    _query(("resource_id", "", "i-3")),
    _query(("user_id", "eq", "anna")),
    _query(("user", "eq", "bob")),
    _query(("source", "eq", "openstack")),
    _query(("source", "eq", "elsewhere")),
    _query(("project_id", "eq", "project-a")),
    _query(("project", "eq", "project-b")),
    _query(("project_id", "eq", "nobody's")),
    _query(("metadata.display_name", "eq", "web")),
    _query(("resource_metadata.instance_type", "eq", "m1.large")),
    _query(("metadata.flavor.name", "eq", "m1.small")),
    _query(("metadata.flavor.vcpus", "eq", "8", "integer")),
    _query(("metadata.flavor.vcpus", "eq", "2")),
    _query(("metadata.ratio", "eq", "1.5", "float")),
    _query(("metadata.is_public", "eq", "True", "boolean")),
    _query(("metadata.is_public", "eq", "False")),
    _query(("metadata.nothing", "eq", "x", "string")),
    _query(("metadata.size", "eq", "20", "integer")),
    _query(("resource_id", "eq", "i-1"), ("metadata.host", "eq", "node-1", "string")),
    _query(("metadata.ratio", "eq", "abc", "float")),
    _query(("metadata.ratio", "eq", "1.5", "decimal")),
    _query(("nonsense", "eq", "1")),
    _query(("resource_id", "ne", "i-1")),
    _query(("resource_id", "like", "i-1")),
]
TIMES: Sequence[Pairs] = [
    _query(LATE),
    _query(("timestamp", "gt", _at(4))),
    _query(SOON),
    _query(("timestamp", "le", _at(9))),
    _query(LATE, SOON),
    _query(("resource_id", "eq", "i-1"), ("timestamp", "gt", _at(4)), ("timestamp", "le", _at(9))),
    _query(LATE, SOON, ("search_offset", "eq", "2")),
    _query(("timestamp", "ge", "2024-03-01T10:04:00Z")),
    _query(("timestamp", "ge", "2024-03-01 10:04:00.500000")),
    _query(("timestamp", "ge", _at(2000))),
    _query(("timestamp", "eq", _at(4))),
    _query(("timestamp", "ne", _at(4))),
    _query(("timestamp", "ge", "yesterday")),
    _query(("search_offset", "eq", "2")),
    _query(("search_offset", "gt", "2"), LATE),
]
SIZES: Sequence[Pairs] = [
    [("limit", "1")], [("limit", "7")], [("limit", "1000")], [("limit", "0")], [("limit", "-3")], [("limit", "NaN")],
    [("limit", "1"), ("limit", "2")], [("nonsense", "1")],
]  # fmt: skip
PERIODS: Sequence[Pairs] = [
    [],
    [("period", "60")],
    [("period", "240")],
    [("period", "7200")],
    [("period", "0")],
    [("period", "-1")],
    [("period", "x")],
]
GROUPS: Sequence[Pairs] = [
    [("groupby", "resource_id")],
    [("groupby", "user_id")],
    [("groupby", "project_id")],
    [("groupby", "resource_metadata.instance_type")],
    [("groupby", "resource_id"), ("groupby", "user_id")],
    [("groupby", "wishful")],
]


def _functions(*pairs: tuple[str, str]) -> Pairs:
    return [
        *(("aggregate.func", name) for name, _ in pairs),
        *(("aggregate.param", of) for _, of in pairs if of),
    ]


AGGREGATES: Sequence[Pairs] = [
    _functions(("avg", "")),
    _functions(("max", ""), ("min", "")),
    _functions(("count", ""), ("sum", "")),
    _functions(("stddev", "")),
    _functions(("cardinality", "resource_id"), ("max", "")),
    _functions(("cardinality", "project_id"), ("cardinality", "user_id"), ("avg", ""), ("stddev", "")),
    _functions(("avg", ""), ("avg", "")),
    _functions(("median", "")),
    _functions(("cardinality", "flavor")),
]


def _get(path: str, *parameters: Pairs) -> Iterator[Asked]:
    text = urlencode([pair for pairs in parameters for pair in pairs])
    for who in PEOPLE:
        yield Asked(who, "GET", f"{path}?{text}" if text else path)


def _lists() -> Iterator[Asked]:
    for path in ("/v2/meters", "/v2/meters/cpu_util", "/v2/samples", "/v2/resources"):
        few: Pairs = [("limit", "5")] if path in {"/v2/meters/cpu_util", "/v2/samples"} else []
        for found in (*FILTERS, *TIMES):
            yield from _get(path, found, few)
        for found in SIZES:
            yield from _get(path, found)
    yield from _get("/v2/samples", _query(("meter", "eq", "cpu")))
    yield from _get("/v2/samples", _query(("meter", "eq", "cpu")), [("limit", "3")])
    yield from _get("/v2/meters", [("unique", "True")])
    yield from _get("/v2/meters", _query(("resource_id", "eq", "i-1")), [("unique", "true")])
    yield from _get("/v2/resources", [("meter_links", "0")])
    yield from _get("/v2/resources", [("meter_links", "1"), ("limit", "2")])
    for name in ("i-1", "i-3", "v-2", quote("v/1 ?", safe=""), "nobody"):
        yield from _get(f"/v2/resources/{name}")
    for number in (0, 3, 48, 59):
        yield from _get(f"/v2/samples/{{sample-{number}}}")
    yield from _get("/v2/samples/nobody")
    yield from _get("/v2/meters/nobody")
    yield from _get("/v2/nonsense")


def _statistics() -> Iterator[Asked]:
    for meter in ("cpu", "cpu_util", "disk.size", "bytes", "nobody"):
        path = f"/v2/meters/{meter}/statistics"
        for period in PERIODS:
            yield from _get(path, period)
            yield from _get(path, _query(LATE, SOON), period)
        for group in GROUPS:
            yield from _get(path, group)
            yield from _get(path, _query(LATE, SOON), [("period", "120")], group)
        for aggregate in AGGREGATES:
            yield from _get(path, aggregate)
    path = "/v2/meters/cpu_util/statistics"
    for found in (*FILTERS, *TIMES):
        yield from _get(path, found)
    yield from _get(path, [("nonsense", "1")])


SIMPLE: Sequence[tuple[str, object]] = [
    (operator, value)
    for operator in ("=", "!=", "<", "<=", "=<", ">", ">=", "=>")
    for value in (
        {"counter_volume": 11.0},
        {"timestamp": _at(4)},
        {"resource_id": "i-2"},
        {"meter": "cpu_util"},
    )
]
MATCHES: Sequence[object] = [
    *({operator: value} for operator, value in SIMPLE),
    {"=": {"metadata.display_name": "web"}},
    {"=": {"metadata.flavor.vcpus": 2}},
    {">": {"metadata.flavor.vcpus": 2}},
    {"=": {"metadata.is_public": True}},
    {">=": {"metadata.ratio": 1.75}},
    {"!=": {"metadata.display_name": "web"}},
    {"=": {"metadata.nothing": "x"}},
    {"=~": {"resource_id": "^i-[12]$"}},
    {"=~": {"meter": "util|size"}},
    {"=~": {"metadata.display_name": "^d.*e"}},
    {"in": {"resource_id": ["i-2", "v-2"]}},
    {"in": {"counter_volume": [20, 11.0]}},
    {"in": {"resource_id": []}},
    {"in": {"metadata.display_name": ["web"]}},
    {"and": [{"=": {"meter": "cpu"}}, {">": {"volume": 5e9}}]},
    {"or": [{"=": {"resource": "i-1"}}, {"=": {"unit": "MB"}}]},
    {"AND": [{"=": {"type": "gauge"}}, {"NOT": {"=": {"unit": "%"}}}]},
    {"not": {"=": {"metadata.display_name": "web"}}},
    {"or": [{"and": [{"=": {"meter": "cpu"}}, {"<": {"volume": 3e9}}]}, {"not": {"in": {"user": ["alice", "bob"]}}}]},
    {"=": {"project_id": "project-a"}},
    {"=": {"project": "project-b"}},
    {"!=": {"project_id": "project-a"}},
    {"=": {"user": "bob"}},
    {"=": {"source": "openstack"}},
    {"=": {"message_id": "nobody"}},
    {"<": {"recorded_at": "2001-01-01T00:00:00"}},
    {"and": [{"=": {"meter": "cpu"}}]},
    {"=": {"nonsense": 1}},
    {"=": {"meter": ["cpu"]}},
    {"=": {"meter": "cpu", "unit": "ns"}},
    {"=": {"timestamp": "yesterday"}},
    {"like": {"meter": "cpu"}},
    {"=": {}},
    {},
    [],
    7,
]  # fmt: skip
ORDERS: Sequence[object] = [
    [{"timestamp": "asc"}],
    [{"counter_volume": "DESC"}, {"timestamp": "asc"}],
    [{"resource_id": "asc"}, {"timestamp": "desc"}],
    [{"meter": "asc"}, {"timestamp": "asc"}],
    [{"timestamp": "up"}],
    [{"nonsense": "asc"}],
    {"timestamp": "asc"},
]


def _complex() -> Iterator[Asked]:
    bodies: list[object] = [{"filter": json.dumps(one), "limit": 6} for one in MATCHES]
    bodies += [{"orderby": json.dumps(one), "limit": 9} for one in ORDERS]
    bodies += [
        {}, {"limit": 3}, {"limit": "5"}, {"limit": 0}, {"limit": -1}, {"limit": "x"}, {"filter": "{"},
        {"orderby": "x"}, {"filter": ""}, {"nonsense": 1}, {"filter": json.dumps({"=": {"meter": "cpu"}}), "limit": 2},
    ]  # fmt: skip
    for body in bodies:
        for who in PEOPLE:
            yield Asked(who, "POST", "/v2/query/samples", body)


def _posts() -> Iterator[Asked]:
    """Last, for they change what is there."""
    good: dict[str, object] = {
        "counter_name": "posted", "counter_type": "gauge", "counter_unit": "x", "counter_volume": 1.5,
        "resource_id": "r", "timestamp": "2024-03-01T12:00:00",
    }  # fmt: skip
    changed: Sequence[dict[str, object]] = (
        {},
        {"counter_volume": "2.5"},
        {"resource_metadata": {"a.b": "c", "d": "e"}},
        {"source": "mine"},
        {"user_id": "somebody"},
        {"project_id": "project-a"},
        {"project_id": "project-b"},
        {"counter_name": "other"},
        {"counter_type": "odd"},
        {"message_id": "x"},
        {"counter_volume": "many"},
        {"timestamp": "yesterday"},
        {"nonsense": 1},
        {"resource_metadata": {"a": {"b": "c"}}},
    )
    for number, changes in enumerate(changed):
        when = {"timestamp": f"2024-03-01T12:{number:02}:00"}  # each another reading
        for who in PEOPLE:
            sample = good | when | changes | {"resource_id": who}
            yield Asked(who, "POST", "/v2/meters/posted?direct=True", [sample])
    for missing in ("counter_name", "counter_type", "counter_unit", "counter_volume", "resource_id"):
        without = {key: value for key, value in good.items() if key != missing}
        yield Asked("alice", "POST", "/v2/meters/posted?direct=True", [without])
    yield Asked("alice", "POST", "/v2/meters/posted?direct=True", [])
    yield from _get("/v2/samples", _query(("meter", "eq", "posted"), ("source", "eq", "project-a:mine")))


def questions() -> list[Asked]:
    """Every request, in the order they are put."""
    return [*_lists(), *_statistics(), *_complex(), *_posts()]

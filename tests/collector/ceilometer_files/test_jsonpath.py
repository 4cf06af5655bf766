import pytest

from collector.ceilometer_files.jsonpath import read_jsonpath
from collector.ceilometer_files.steps import Match

DOCUMENT = {
    "ctxt": {"user_id": "u", "user": "v"},
    "payload": {
        "a": 10, "b": 3, "c": 2, "half": 0.5, "text": "x#y#z", "none": None, "yes": True, "d.e": 5, "a-b": 6,
        "list": [{"k": 1, "v": "one"}, {"k": 2, "v": "two"}, {"k": 3}],
        "deep": {"x": {"v": [1, [2, 3]]}}, "held": [{"w": [1]}],
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.payload.a", [10]),
        ("payload.a", [10]),
        ("$.payload.none", [None]),
        ("$.payload.nothing", []),
        ("$.payload.text.deeper", []),
        ("$.payload.a-b", [6]),
        ("$.payload.'d.e'", [5]),
        ('$.payload."d.e"', [5]),
        ("$.payload['d.e']", [5]),
        ("$.payload.a,b", [10, 3]),
        ("payload.deep.*", [{"v": [1, [2, 3]]}]),
        ("$.payload.list[0].v", ["one"]),
        ("$.payload.list[-1].k", [3]),
        ("$.payload.list[7].k", []),
        ("$.payload.list[1:].k", [2, 3]),
        ("$.payload.list[*].v", ["one", "two"]),
        ("$.payload.list.[*].v", ["one", "two"]),
        ("$.payload.deep.[*].x.v[0]", [1]),
        ("$.payload.none[*]", []),
        ("$.payload.list[?(@.v='two')].k", [2]),
        ("$.payload.list[?(@.v = 'two')].k", [2]),
        ("$.payload.list[?v=two].k", [2]),
        ("$.payload.list[?k>=2].k", [2, 3]),
        ("$.payload.list[?(@.k > 1)&(@.v != one)].k", [2]),
        ("$.payload.list[?v].k", [1, 2]),
        ("$.payload.list[?v~'t.*'].k", [2]),
        ("$.payload.list[?v<1].k", []),
        ("$.payload.a[?v=1]", []),
        ("$.payload.held[?(@.w != 1)]", []),  # a list is compared with no number
        ("$..v", ["one", "two", [1, [2, 3]]]),
        ("(ctxt.nobody)|(ctxt.user)", ["v"]),
        ("ctxt.user_id|ctxt.user", []),  # | binds more tightly than the dot, as in jsonpath-rw
        ("$.payload where a", [DOCUMENT["payload"]]),
        ("$.payload where z", []),
        ("$.payload.text + '_' + $.ctxt.user", ["x#y#z_v"]),
        ('$.payload.text + "_" + $.ctxt.nobody', []),
        ("$.payload.half * 100", [50.0]),
        ("100 * $.payload.half", [50.0]),
        ("$.payload.a - $.payload.b - $.payload.c", [9]),  # from the right, as in jsonpath-rw-ext
        ("$.payload.a * 2 + 3", [50]),
        ("($.payload.a * 2) + 3", [23]),
        ("$.payload.a / 4", [2.5]),
        ("$.payload.a / 0", []),
        ("$.payload.text * 1000000000", []),
        ("$.payload.list[*].k * 2", [2, 4, 6]),
        ("$.payload.list[*].k + $.payload.list[*].v", []),
        ("$.payload.text.`split(#, 1, 1)`", ["y#z"]),
        ("$.payload.text.`split(#, 2, -1)`", ["z"]),
        ("$.payload.text.`split(#, 5, -1)`", []),
        ("$.payload.a.`split(#, 0, 1)`", []),
        ("$.payload.text.`sub(/x(.)/, \\1)`", ["1y#z"]),
        ("$.payload.text.`sub(/#/, -)`", ["x-y-z"]),
        ("$.payload.text.`sub(/q/, -)`", []),
        ("$.payload.text.`sub(/.*/, )` + 'auth.' + $.payload.text", ["auth.x#y#z"]),
        ("$.payload.list.`len`", [3]),
        ("$.payload.list[*].k.`this`", [1, 2, 3]),
    ],
)  # fmt: skip
def test_a_path_finds_what_the_library_of_ceilometer_finds(path: str, expected: list[object]) -> None:
    assert [match.value for match in read_jsonpath(path).matches(Match(DOCUMENT))] == expected


@pytest.mark.parametrize(
    "path",
    [
        "", " ", "$.", "$.payload.", "$.payload..", "$.payload[", "$.payload[0", "$.payload[?]", "$.payload[?a=]",
        "$.payload[?a~'(']", "$.'open", "%", "5", "$.a +", "$.a & $.b", "$.a.$", "$.a.5", "$.a.`parent`",
        "$.a.`sub(/(/, x)`", "$.a.`split(##, 0, 1)`", "$.a[/k]", "$.a b", "($.a", "__import__('os').system('true')",
        "$.a,", "$.a[1:2:3]",
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_and_named(path: str) -> None:
    with pytest.raises(ValueError, match=r"is no path|not understood|no regular expression") as caught:
        read_jsonpath(path)

    assert repr(path) in str(caught.value) or "`" in str(caught.value) or "'('" in str(caught.value)


def test_a_match_tells_the_way_to_it() -> None:
    (first, second) = read_jsonpath("payload.list[*].v").matches(Match(DOCUMENT))

    assert first.path == ("payload", "list", "[0]", "v")
    assert second.path == ("payload", "list", "[1]", "v")


def test_nothing_is_too_deep_to_be_searched() -> None:
    value: object = {"v": 1}
    for _ in range(2_000):
        value = [value]

    assert [match.value for match in read_jsonpath("$..v").matches(Match(value))] == [1]

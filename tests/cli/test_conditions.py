import pytest

from cli import conditions
from cli.conditions import Condition
from cli.errors import WrongUsage


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("resource_id=r1", Condition("resource_id", "eq", "", "r1")),
        ("timestamp>2026-01-01T00:00:00", Condition("timestamp", "gt", "", "2026-01-01T00:00:00")),
        ("timestamp>=x", Condition("timestamp", "ge", "", "x")),
        ("a<=1", Condition("a", "le", "", "1")),
        ("a<1", Condition("a", "lt", "", "1")),
        ("a!=1", Condition("a", "ne", "", "1")),
        ("metadata.foo=string::bar", Condition("metadata.foo", "eq", "string", "bar")),
        ("enabled = boolean::True", Condition("enabled", "eq", "boolean", "True")),
        ("resource=fe80::1", Condition("resource", "eq", "", "fe80::1")),
        ("resource=a=b>c", Condition("resource", "eq", "", "a=b>c")),
        ("metadata.x:y=", Condition("metadata.x:y", "eq", "", "")),
    ],
)
def test_a_condition_is_read_as_the_old_client_did(text: str, condition: Condition) -> None:
    assert conditions.parse([text]) == [condition]


def test_several_conditions_keep_their_order() -> None:
    found = conditions.parse(["a=1;b>2;", "c=3"])

    assert [condition.field for condition in found] == ["a", "b", "c"]


@pytest.mark.parametrize("text", ["resource_id", "=1", "a b=1"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(WrongUsage, match="is not field<op>value"):
        conditions.parse([text])


def test_parameters_are_parallel_as_the_api_reads_them() -> None:
    parameters = conditions.parameters(conditions.parse(["a=1;b>float::2"]))

    assert parameters == [
        ("q.field", "a"), ("q.field", "b"),
        ("q.op", "eq"), ("q.op", "gt"),
        ("q.type", ""), ("q.type", "float"),
        ("q.value", "1"), ("q.value", "2"),
    ]  # fmt: skip

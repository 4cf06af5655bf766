from typing import Any

import pytest

from collector.expressions import Constant, Expression, read_path
from collector.getters import getter

WRAPPED = {"nova_object.name": "N", "nova_object.data": {"x": 1}}
MANY = {key: key for key in "abcdefg"}


@pytest.mark.parametrize(
    "expression",
    [
        Constant("text"),
        *map(
            read_path,
            ["payload.x", "payload.x | context.x", "payload.a | payload.g", "payload", "payload.a.b"],
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("payload", [WRAPPED, MANY, MANY | {"a": ""}, {"x": None}, [], "text", None])
def test_what_is_prepared_finds_the_same(expression: Expression, payload: Any) -> None:
    document = {"payload": payload, "context": {"x": "context"}}

    assert getter(expression)(document) == expression.value(document)

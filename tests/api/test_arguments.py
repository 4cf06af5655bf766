"""The query string is read by pieces, which says what reading it at once says."""

import asyncio
from typing import Any

import pytest
from starlette.datastructures import QueryParams
from starlette.requests import Request

from api.v2.arguments import arguments
from api.v2.query import SHORT
from collector.text import clean

LONG = "v" * SHORT


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"&&a=1&",
        b"a",
        b"a=",
        b"=",
        b"=1&a==2",
        b"a=1&b=2&a=3",
        b"q.field=meter&q.op=eq&q.value=c%2Bp+u&q.type=",
        b"a=%26%3D%00&a=%E2%82%AC",
        b"a=%ff&b=\xff\xe9",
        b"a;b=1;c=2",
        b"a=%ED%A0%80",
        f"a={LONG}&{LONG}=a&a=%zz".encode(),
    ],
)
def test_pieces_say_what_the_whole_says(query: bytes) -> None:
    whole: dict[str, list[str]] = {}
    for name, value in QueryParams(query).multi_items():
        whole.setdefault(name, []).append(clean(value))

    for _ in range(2):  # remembered the second time
        read = asyncio.run(arguments(_request(query)))
        assert {name: list(read.texts(name)) for name in whole} == whole
        read.check_names(*whole)


def _request(query: bytes) -> Request:
    scope: dict[str, Any] = {"type": "http", "method": "GET", "headers": [], "query_string": query}
    return Request(scope)

"""An answer leaves in one piece, whoever asked and however it was made."""

import asyncio
from collections.abc import Iterable, Sequence

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from api.connection import patient_for

WHOLE = [(b"1234", False)]


class Recorded(asyncio.Transport):
    """A connection that keeps what it is given to write, as often as it is given something."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.writes.append(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return b"closed" in self.writes

    def close(self) -> None:
        self.writes.append(b"closed")

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def written(said: bytes, pieces: Sequence[tuple[bytes, bool]]) -> list[bytes]:
    """What is written at a time for a request, when an application gives these pieces of a body of 4 bytes."""

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        length = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        for body, has_more in pieces:
            await send({"type": "http.response.body", "body": body, "more_body": has_more})

    async def served() -> list[bytes]:
        protocol = patient_for(20, 65_536)
        config = uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None)
        config.load()
        state, transport = ServerState(), Recorded()
        connection = protocol(config, state, {})
        connection.connection_made(transport)
        connection.data_received(said)
        while state.tasks:
            await asyncio.wait(state.tasks)
            await asyncio.sleep(0)
        given = [piece.replace(b"\r\n", b"|") for piece in transport.writes]
        connection.connection_lost(None)
        return given

    return asyncio.run(served())


@pytest.mark.parametrize(
    ("request_line", "pieces", "writes"),
    [
        (b"GET / HTTP/1.1", WHOLE, [b"||1234"]),
        (b"GET / HTTP/1.1", [(b"12", True), (b"34", False)], [b"||12", b"34"]),
        (b"GET / HTTP/1.1", [(b"", True), (b"1234", False)], [b"||", b"1234"]),
        (b"HEAD / HTTP/1.1", WHOLE, [b"||"]),
        (b"GET / HTTP/1.0", WHOLE, [b"||1234", b"closed"]),
        (b"HEAD / HTTP/1.0", WHOLE, [b"||", b"closed"]),
        (b"GET / HTTP/1.1", [], [b"||", b"closed"]),
    ],
)
def test_a_head_leaves_with_the_first_piece_of_its_body(
    request_line: bytes, pieces: Sequence[tuple[bytes, bool]], writes: list[bytes]
) -> None:
    given = written(request_line + b"\r\nHost: x\r\n\r\n", pieces)

    assert given[0].startswith(b"HTTP/1.1 200 OK|")
    assert [piece[piece.find(b"||") :] if b"||" in piece else piece for piece in given if piece] == writes


def test_answers_to_requests_that_came_together_are_told_apart() -> None:
    said = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3

    given = written(said, WHOLE)

    assert [piece.count(b"HTTP/1.1 200 OK") for piece in given] == [1, 1, 1]
    assert all(piece.endswith(b"||1234") for piece in given)


def test_a_body_is_let_in_before_its_answer_begins() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"

    given = written(head + b"1", WHOLE)

    assert given[0] == b"HTTP/1.1 100 Continue||"
    assert given[1].startswith(b"HTTP/1.1 200 OK|")
    assert given[1].endswith(b"||1234")

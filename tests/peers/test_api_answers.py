"""What Ceilometer 9 answers, we answer, byte for byte, or it is said here why not.

Its answers are recorded (`api_answers.json`, renewed by `make peers`). docs/reference/ceilometer-compatibility.md tells
operators of the same deviations.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.settings import AuthSettings
from storage.sample import Sample
from tests.api.world import World, empty_database
from tests.peers.api_history import HISTORY
from tests.peers.api_questions import PEOPLE, Asked, questions
from tests.peers.record_api import Answer, answers, lasting

TOKENS = AuthSettings.model_validate(
    {
        "mode": "token",
        "tokens": [
            {"token": "admin", "project_id": "project-admin", "user_id": "root", "roles": ["admin"]},
            {"token": "alice", "project_id": "project-a", "user_id": "alice", "roles": ["member"]},
            {"token": "bob", "project_id": "project-b", "user_id": "bob", "roles": ["member"]},
        ],
    }
)
ANSWERS = answers()
STATED = re.compile(r'("(?:message_id|id)": ")([0-9a-f-]{36})"')


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Asked], Answer]]:
    """Puts a request to our API over the same history; ids are told as Ceilometer tells them."""
    database = empty_database(tmp_path_factory.mktemp("peers"))
    world = World(database, auth=TOKENS, url="http://localhost")
    samples = [_sample(row) for row in HISTORY]
    world.keep(samples)
    ids = dict(zip(world.samples.identify(samples), [str(row["message_id"]) for row in HISTORY], strict=True))
    ours = {theirs: own for own, theirs in ids.items()}
    clients: Mapping[str, TestClient] = {who: world.client(who) for who in PEOPLE}

    def put(asked: Asked) -> Answer:
        path = re.sub(r"\{(.*?)\}", lambda found: ours[found[1]], asked.path)
        body: Any = {} if asked.body is None else {"json": asked.body}
        answer = clients[asked.who].request(asked.method, path, **body)
        text = STATED.sub(lambda found: f'{found[1]}{ids.get(found[2], found[2])}"', answer.text)
        return answer.status_code, lasting(text)

    yield put
    database.dispose()


def _sample(row: Mapping[str, Any]) -> Sample:
    is_delta = row["counter_type"] == "delta"
    return Sample(
        row["counter_name"],
        row["counter_type"],
        row["counter_unit"],
        row["counter_volume"],
        row["resource_id"],
        row["project_id"],
        datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC),
        user_id=row["user_id"],
        source=row["source"],
        metadata=row["resource_metadata"],
        id=row["message_id"].encode().ljust(16, b"\0") if is_delta else None,
    )


# Requests whose answer is another on purpose, by a pattern of their name, and why.
OTHERWISE: Sequence[tuple[str, str]] = [
    (r"(alice|bob) GET /v2/samples/\{", "a sample of another project: it told everybody's"),
    (r"GET /v2/resources/v%2F1", "its router takes an id with an encoded slash apart"),
    (r"(alice|bob) GET /v2/meters\?unique=True", "it lost meters whose latest sample is another project's"),
    (r"statistics\?period=60$", "it lost the last sample where that stands at the end of a period"),
    (
        r"disk\.size/statistics.*groupby=resource_metadata\.instance_type",
        "it left out samples without the key: groups do not add up to the whole",
    ),
    (r"GET /v2/(meters|resources)\?.*limit=[127]", "which few of a list without an order come first"),
    (r'query/samples.*"in\\": \{\\"metadata\.', "in on metadata was not implemented: 501"),
    (r'query/samples.*\{\\"(source|recorded_at)\\"', "fields it named and failed on: 500"),
    (r'POST /v2/meters/posted.*"resource_metadata": \{"a": \{', "nested metadata is taken as it is"),
]
# Words of its libraries, by a pattern of what it says: ours say as much, the status is the same.
WORDS: Sequence[str] = [
    "unable to convert to int",
    "valid keys: ",
    "^404 Not Found",
    "field/attribute op. Value: 'like'",
    "'timestamp'.? ?not valid|not valid for this resource",
    "Invalid groupby fields",
    "Bad aggregate",
    "Invalid input for field/attribute (samples|body)",
    "Unknown attribute for argument",
    "Mandatory field missing",
    "(Filter|Order-by) expression not valid",
]


def _is_otherwise(name: str) -> bool:
    return any(re.search(pattern, name) for pattern, _ in OTHERWISE)


@pytest.mark.parametrize("kind", ["meters", "samples", "resources", "statistics", "query", "POST"])
def test_we_answer_what_ceilometer_9_answers(ask: Callable[[Asked], Answer], kind: str) -> None:
    asked = [one for one in questions() if _kind(one) == kind]
    different = {
        one.name: (ANSWERS[one.name], ours)
        for one in asked
        if not _agree(one, ANSWERS[one.name], ours := ask(one)) and not _is_otherwise(one.name)
    }

    assert len(asked) > 10
    assert not different, f"{len(different)} of {len(asked)}"


def test_every_deviation_is_one() -> None:
    """A pattern that finds nothing has outlived its reason."""
    names = [one.name for one in questions()]

    assert [pattern for pattern, _ in OTHERWISE if not any(re.search(pattern, name) for name in names)] == []


def _kind(asked: Asked) -> str:
    if asked.method == "POST" or "posted" in asked.path:
        return "query" if "/query/" in asked.path else "POST"
    if "/statistics" in asked.path:
        return "statistics"
    parts = asked.path.partition("?")[0].split("/")
    return "samples" if parts[2] == "meters" and len(parts) > 3 else parts[2] if len(parts) > 2 else "none"


def _agree(asked: Asked, theirs: Answer, ours: Answer) -> bool:
    """Whether two answers are one but for what nobody promised: the order of lists without one, a library's words."""
    (status, text), (own_status, own_text) = theirs, ours
    if status != own_status:
        return False
    if status >= 400:
        said = json.loads(text)["error_message"]
        shown = said if isinstance(said, str) else said["faultstring"]
        return text == own_text or any(re.search(words, shown) for words in WORDS)
    return _comparable(asked, text) == _comparable(asked, own_text)


def _comparable(asked: Asked, text: str) -> str:
    # Python 3 wrote the bytes that Python 2's texts were; ids in links were not encoded.
    text = text.replace("[b'a', b'b']", "['a', 'b']")
    if _kind(asked) in {"samples", "query"}:
        return text
    rows = json.loads(text)
    for row in rows if isinstance(rows, list) else [rows]:
        if row.get("groupby"):
            row["groupby"] = dict(sorted(row["groupby"].items()))  # a set of Python's, in any order
        if "links" in row:
            for link in row["links"]:
                link["href"] = link["href"].replace("v/1 ?", "v%2F1%20%3F")
            row["links"].sort(key=lambda link: (link["rel"] != "self", link["rel"]))
    return json.dumps(sorted(rows, key=json.dumps) if isinstance(rows, list) else rows)

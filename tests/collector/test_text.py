from collector.text import (
    DEPTH_LIMIT,
    METADATA_LIMITS,
    TRUNCATED,
    cut,
    remembering_metadata,
    tidy_metadata,
)


def test_ordinary_metadata_stays_as_it_is() -> None:
    metadata: dict[object, object] = {
        "name": "web",
        "size": 7,
        "ratio": 0.5,
        "on": True,
        "none": None,
        "list": [1, {"a": "b"}],
    }

    assert tidy_metadata(metadata) == metadata


def test_secrets_are_left_out_at_every_depth() -> None:
    metadata: dict[object, object] = {
        "X-Auth-Token": "t",
        "adminPass": "a",
        "passing": "kept",
        "password": "p",
        "nested": {"client_secret": "s", "list": [{"Authorization": "Basic x", "name": "n"}]},
    }

    assert tidy_metadata(metadata) == {
        "passing": "kept",
        "nested": {"list": [{"name": "n"}]},
    }


def test_long_text_is_cut_between_characters_and_said_to_be() -> None:
    tidied = tidy_metadata({"text": "é" * 5000})

    assert tidied == {"text": "é" * (METADATA_LIMITS.string_bytes // 2), TRUNCATED: True}
    assert cut("éé", 3) == "é"


def test_too_many_keys_are_left_out() -> None:
    tidied = tidy_metadata({f"key-{number}": number for number in range(10_000)})

    assert len(tidied) == METADATA_LIMITS.keys + 1
    assert tidied[TRUNCATED] is True


def test_a_key_of_a_megabyte_is_left_out_and_its_neighbours_stay() -> None:
    assert tidy_metadata({"a": 1, "k" * 2**20: 2, "é" * 200: 3, "b": 4}) == {"a": 1, "b": 4, TRUNCATED: True}


def test_a_megabyte_of_metadata_is_cut_to_its_limit() -> None:
    tidied = tidy_metadata({f"key-{number}": "x" * 5000 for number in range(200)})

    assert sum(len(key) + len(str(value)) for key, value in tidied.items()) < METADATA_LIMITS.all_bytes + 100


def test_lists_count_towards_the_limits() -> None:
    tidied = tidy_metadata({"list": list(range(10_000)), "after": {"list": [[]] * 9}})

    assert len(str(tidied)) < 2000
    assert tidied[TRUNCATED] is True


def test_what_is_nested_too_deeply_is_left_out() -> None:
    deep: dict[object, object] = {"value": 1}
    for _ in range(1000):
        deep = {"nested": deep, "list": [[deep]]}

    tidied = tidy_metadata(deep)

    depth, inner = 0, tidied.get("nested")
    while isinstance(inner, dict):
        depth, inner = depth + 1, inner.get("nested")
    assert depth < DEPTH_LIMIT
    assert tidied[TRUNCATED] is True


def test_what_json_or_a_database_cannot_hold_becomes_text() -> None:
    tidied = tidy_metadata({"nan": float("nan"), "huge": 2**70, "nul": "a\0", "lone": "\ud800", 7: object})

    assert tidied == {
        "nan": "nan",
        "huge": str(2**70),
        "nul": "a\ufffd",
        "lone": "\ufffd",
        "7": "<class 'object'>",
    }


def test_shared_metadata_is_tidied_once() -> None:
    tidy = remembering_metadata()
    metadata: dict[object, object] = {"name": "web"}

    assert tidy(metadata) is tidy(metadata)


def test_keys_are_counted_in_all_objects_together() -> None:
    tidied = tidy_metadata({f"{number}": {f"{inner}": 1 for inner in range(20)} for number in range(40)})

    inner = [value for value in tidied.values() if isinstance(value, dict)]
    assert len(inner) + sum(map(len, inner)) == METADATA_LIMITS.keys
    assert tidied[TRUNCATED] is True

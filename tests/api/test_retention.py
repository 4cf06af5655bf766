from pathlib import Path

import pytest
from sqlalchemy import update

from storage.tables_tiles import watermark
from tests.api.world import World, empty_database

DAY = 86_400_000_000


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(empty_database(tmp_path))


def test_nothing_was_forgotten_by_a_new_store(world: World) -> None:
    answer = world.client("reader-a").get("/v3/retention")

    assert (answer.status_code, answer.json()) == (200, {"raw_from": None, "hourly_from": None})


def test_the_api_says_where_samples_and_figures_begin(world: World) -> None:
    with world.database.write() as connection:
        for name, days in (("raw_from", 20_600), ("hourly_from", 19_600)):
            connection.execute(update(watermark).where(watermark.c.name == name).values(at=days * DAY))

    answer = world.client("service").get("/v3/retention")

    assert answer.json() == {"raw_from": "2026-05-27T00:00:00Z", "hourly_from": "2023-08-31T00:00:00Z"}


def test_strangers_are_not_told(world: World) -> None:
    assert world.client("nobody").get("/v3/retention").status_code == 401

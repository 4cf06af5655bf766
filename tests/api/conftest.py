from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.api.world import World, empty_database


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An API over an empty database."""
    database = empty_database(tmp_path)
    yield World(database)
    database.dispose()


@pytest.fixture
def admin(world: World) -> TestClient:
    """An administrator's client."""
    return world.client("admin")

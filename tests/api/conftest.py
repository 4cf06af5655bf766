from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.api.world import World, empty_database, gauge


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An API over an empty database."""
    database = empty_database(tmp_path)
    yield World(database)
    database.dispose()


@pytest.fixture
def measured(world: World) -> World:
    """The same with three gauges of two resources."""
    world.keep([gauge(0, 1.0), gauge(1, 3.0), gauge(5, 8.0, resource_id="instance-2")])
    return world


@pytest.fixture
def admin(world: World) -> TestClient:
    """An administrator's client."""
    return world.client("admin")

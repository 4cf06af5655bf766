from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.settings import AuthSettings, StaticToken
from tests.api.world import TOKENS, World, empty_database


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The API with one more caller: a member of the administrator's project."""
    other = {"token": "member-admin", "project_id": "project-admin", "user_id": "user-x", "roles": ["member"]}
    tokens = [*TOKENS.tokens, StaticToken.model_validate(other)]
    return World(empty_database(tmp_path), auth=AuthSettings(mode="token", tokens=tuple(tokens)))


@pytest.fixture
def member(world: World) -> TestClient:
    return world.client("member-a")

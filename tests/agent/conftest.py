"""Fixtures of the agent's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.runner import AnyPart
from tests.agent.house import House


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., House]]:
    houses: list[House] = []

    def make(*parts: AnyPart, **settings: object) -> House:
        houses.append(House(tmp_path / str(len(houses)), *parts, **settings))
        return houses[-1]

    yield make
    for house in houses:
        house.outbox.close()

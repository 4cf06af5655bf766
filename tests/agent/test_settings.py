import socket

import pytest
from pydantic import ValidationError

from agent.pollsters.catalog import HOST, INSTANCES, MOUNTS, NAMES
from agent.settings import AgentSettings


def test_an_agent_polls_every_five_minutes_under_the_nodes_name() -> None:
    settings = AgentSettings()

    assert settings.interval == 300
    assert settings.host == socket.gethostname()


@pytest.mark.parametrize("wrong", [{"disabled": ("cpu",)}, {"intervals": {"cpu": 10}}])
def test_an_unknown_pollster_is_refused_with_those_there_are(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="unknown pollster 'cpu'; there are host_cpu"):
        AgentSettings.model_validate(wrong)


@pytest.mark.parametrize(
    "wrong", [{"interval": 0}, {"intervals": {"host_cpu": 0}}, {"host": ""}, {"cloud": "x"}]
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AgentSettings.model_validate(wrong)


def test_every_pollster_has_a_name_of_its_own_and_says_what_it_gives() -> None:
    pollsters = [pollster() for pollster in (*HOST, *MOUNTS, *INSTANCES)]

    assert len(set(NAMES)) == len(NAMES) == len(pollsters)
    assert all(type(pollster).__doc__ for pollster in pollsters)

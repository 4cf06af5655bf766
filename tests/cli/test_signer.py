"""Which key an agent signs with."""

import pytest
from pydantic import ValidationError

from agent.settings import AgentSettings
from cli.agent import signer
from cli.settings import Settings
from collector.settings import BusSettings
from collector.signing import node_key

MASTER, OLD = "a secret of the collectors", "the secret before that one"
KEY = node_key(MASTER, "node-1")


def settings(**agent: object) -> Settings:
    return Settings(agent=AgentSettings.model_validate({"host": "node-1", **agent}))


def with_secrets(given: Settings) -> Settings:
    return given.model_copy(update={"bus": BusSettings.model_validate({"signing_secrets": (MASTER, OLD)})})


def test_an_agent_without_a_key_does_not_sign() -> None:
    assert signer(settings()) is None


def test_an_agent_signs_with_the_key_it_was_given() -> None:
    found = signer(with_secrets(settings(signing_key="ab" * 32)))

    assert found is not None
    assert (found.node, found.key) == ("node-1", b"\xab" * 32)


def test_an_agent_beside_a_collector_derives_its_own_key_from_the_first_secret() -> None:
    found = signer(with_secrets(settings()))

    assert found is not None
    assert (found.node, found.key) == ("node-1", KEY)


@pytest.mark.parametrize("key", ["", "ab", "zz" * 32, "AB" * 32, MASTER])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="node-key"):
        settings(signing_key=key)

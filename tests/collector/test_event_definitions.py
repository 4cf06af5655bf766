from pathlib import Path

import pytest

from collector.errors import InvalidDefinition
from collector.event_definitions import EventRule, Rank, event_rules_of, load_event_rules
from collector.service_files import read_service_file

RULE = """
service: x
events:
- events: [a.b]
  traits: {name: payload.name}
"""


def rules(text: str) -> list[EventRule]:
    return list(event_rules_of(read_service_file("x.yaml", text)))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("service: x\nevents: 1", ["x.yaml", "$.events"]),
        (RULE.replace("traits", "trait"), ["x.yaml", "`trait`", "$.events[0]"]),
        (RULE.replace("a.b", "a*"), ["x.yaml", "'a*'", "$.events[0]"]),
        (RULE.replace("[a.b]", "[a.b]\n  excluded: ['*.start']"), ["x.yaml", "'*.start'", "$.events[0]"]),
        (RULE.replace("payload.name", "payload..name"), ["x.yaml", "trait 'name'", "payload..name"]),
        (RULE.replace("payload.name", "{path: payload.name, type: bool}"), ["x.yaml", "'bool'", "traits"]),
        (RULE.replace("name: payload.name", "auth_token: payload.x"), ["x.yaml", "secret", "$.events[0]"]),
        (RULE.replace("payload.name", "payload.x.adminPass"), ["x.yaml", "secret", "$.events[0]"]),
        (RULE.replace("payload.name", "{join: [payload.info.db.params]}"), ["x.yaml", "secret"]),
        (RULE.replace("name:", "'':"), ["x.yaml", "1 to 255 characters"]),
    ],
)
def test_a_wrong_rule_is_named_by_file_entry_and_key(text: str, names: list[str]) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        rules(text)

    for name in names:
        assert name in str(caught.value)


def test_rules_of_ones_own_folder_have_the_operators_rank(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RULE)

    loaded = load_event_rules(tmp_path)

    assert loaded[-1].rank == Rank.OWN
    assert {rule.rank for rule in loaded[:-1]} <= {Rank.PACKAGED}


def test_the_example_of_the_reference_is_a_rule() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "reference", "notifications.md").read_text()

    (rule,) = rules(page.split("```yaml")[2].partition("```")[0])

    assert {trait.type for trait in rule.traits} == {"text", "integer", "float", "datetime"}

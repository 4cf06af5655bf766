"""The page docs/reference/command-line.md and the commands say the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cli.main import MOUNTED, app

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
EVERYWHERE = {"--help", "--install-completion", "--show-completion"}


def commands() -> Iterator[tuple[str, Any]]:  # Any: typer keeps the type of its commands private
    """Every command with the words that call it."""
    root: Any = get_command(app)
    context = root.make_context("nephometer", ["meters"], resilient_parsing=True)
    for mounted in MOUNTED:
        _, command, _ = root.resolve_command(context, [mounted.name])
        yield mounted.name, command
        for name, verb in getattr(command, "commands", {}).items():
            yield f"{mounted.name} {name}", verb


@pytest.mark.parametrize(("words", "command"), list(commands()))
def test_every_command_and_option_is_in_the_reference(words: str, command: Any) -> None:
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("-")}

    missing = [option for option in options - EVERYWHERE if f"`{option}" not in PAGE]

    assert f"`{words}" in PAGE or hasattr(command, "commands")
    assert missing == []

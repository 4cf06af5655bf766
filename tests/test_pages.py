"""What the pages for people show is there and can be used."""

import re
import tomllib
from pathlib import Path

import pytest

from cli.layers import from_mapping
from cli.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "deploy/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://)([^)#]+)[^)]*\)")
PLACEHOLDER = re.compile(r"\bSECRET(?=[0-9]*\b)")  # what a reader puts a secret of his own in the place of
SETTINGS = re.compile(r"```toml\n(.*?)```", re.DOTALL)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)

    assert [link for link in LINK.findall(text) if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if SETTINGS.search(page.read_text())], ids=named)
def test_settings_that_are_shown_are_right(page: Path) -> None:
    for shown in SETTINGS.findall(page.read_text()):
        tables = tomllib.loads(PLACEHOLDER.sub("filled-in", shown))

        from_mapping(Settings, tables, named(page))
        Settings.model_validate(tables)

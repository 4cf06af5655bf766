"""How libraries are imported in less time."""

import gc
import importlib
import sys
from pathlib import Path

import pytest

from cli.starting import as_if_absent, without_collecting


def test_what_is_made_while_importing_is_not_looked_through_and_later_things_are() -> None:
    before = gc.get_freeze_count()

    with without_collecting():
        collects_inside = gc.isenabled()
        kept = [[number] for number in range(100)]

    frozen = gc.get_freeze_count()
    gc.unfreeze()  # for the tests after this one
    assert not collects_inside
    assert gc.isenabled()
    assert frozen - before >= len(kept)


def test_a_library_is_absent_in_the_block_and_there_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "drawing_library.py").write_text("COLOURS = 3")
    monkeypatch.syspath_prepend(tmp_path)

    with as_if_absent("drawing_library"), pytest.raises(ImportError):
        importlib.import_module("drawing_library")

    assert importlib.import_module("drawing_library").COLOURS == 3


def test_a_library_that_is_in_use_stays() -> None:
    with as_if_absent("pathlib"):
        assert importlib.import_module("pathlib") is sys.modules["pathlib"]

    assert "pathlib" in sys.modules

"""Files that may hold passwords: nobody else may read them, and what was there is not lost."""

import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.copies import copy_as_tight, write_secret


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may be longer than a few bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_folders_that_are_there_keep_their_mode(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "inner").mkdir(parents=True)
    (source / "new").mkdir(mode=0o750)
    (source / "inner" / "one.yaml").write_text("[]")
    for folder in (source, source / "inner"):
        folder.chmod(0o755)
    (target / "inner").mkdir(parents=True)
    for folder in (target, target / "inner"):
        folder.chmod(0o700)

    copy_as_tight(source, target, os.getgid())

    assert [mode(folder) for folder in (target, target / "inner", target / "new")] == [0o700, 0o700, 0o750]
    assert (target / "inner" / "one.yaml").read_text() == "[]"


def test_folders_nobody_may_write_to_are_copied_with_what_is_in_them(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "one.yaml").write_text("[]")
    source.chmod(0o555)

    copy_as_tight(source, target, os.getgid())

    assert ((target / "one.yaml").read_text(), mode(target)) == ("[]", 0o555)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "nephometer.toml"
    file.write_text("old settings")

    with full_disk(), pytest.raises(OSError, match="File too large"):
        write_secret(file, "new settings")

    assert file.read_text() == "old settings"
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_to_nothing_is_not_followed(tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "nephometer.toml", tmp_path / "elsewhere"
    file.symlink_to(elsewhere)

    write_secret(file, "secret")

    assert not elsewhere.exists()
    assert (file.read_text(), file.is_symlink(), mode(file)) == ("secret", False, 0o600)


def test_a_link_to_a_file_stays_one(tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "nephometer.toml", tmp_path / "elsewhere"
    elsewhere.write_text("old")
    elsewhere.chmod(0o644)
    file.symlink_to(elsewhere)

    write_secret(file, "secret")

    assert file.is_symlink()
    assert (elsewhere.read_text(), mode(elsewhere)) == ("secret", 0o640)


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    """Such as /dev/null, to which services are linked away."""
    pipe = tmp_path / "nephometer.toml"
    os.mkfifo(pipe)

    with pytest.raises(OSError, match="not a regular file"):
        write_secret(pipe, "secret")

    assert pipe.is_fifo()


def test_what_may_only_be_written_in_place_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single file mounted into a container cannot be replaced; its owner may be somebody else."""

    def busy(_beside: Path, target: Path) -> None:
        raise OSError(16, "Device or resource busy", str(target))

    file = tmp_path / "nephometer.toml"
    file.write_text("old settings, and long")
    monkeypatch.setattr(Path, "replace", busy)

    write_secret(file, "new settings")

    assert file.read_text() == "new settings"
    assert list(tmp_path.iterdir()) == [file]

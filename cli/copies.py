"""Files written where they may hold passwords: nobody may read them who could not read what they are made of."""

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

OWNERS = 0o600
PERMISSIONS = 0o777
OTHERS = 0o007


def write_secret(file: Path, text: str) -> None:
    """Writes a file only its owner can read; one that is there keeps its owner, group and mode, others left out.

    Raises OSError.
    """
    mode = _mode(file) & ~OTHERS if file.exists() else OWNERS
    _write(file, text.encode(), mode, None)


def copy_as_tight(source: Path, target: Path, group: int) -> None:
    """Copies a file or folder for a group: with the mode of the source, of files that are there never more than theirs.

    Files that are there keep their owner and group. Raises OSError.
    """

    def copied(one: str, other: str) -> None:
        place, mode = Path(other), _mode(Path(one))
        is_there = place.exists()
        kept = mode & _mode(place) if is_there else mode
        _write(place, Path(one).read_bytes(), kept, None if is_there else group)

    if not source.is_dir():
        copied(str(source), str(target))
        return
    new = [] if target.exists() else [target]
    new += [target / one.relative_to(source) for one in source.rglob("*") if one.is_dir()]
    new = [folder for folder in new if not folder.exists()]
    shutil.copytree(source, target, dirs_exist_ok=True, copy_function=copied)
    for folder in new:
        _give(folder, group)


def _write(file: Path, content: bytes, mode: int, group: int | None) -> None:
    """Its mode and group are right before anything stands in it."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, OWNERS), "wb") as opened:
        if group is not None:
            _give(opened.fileno(), group)
        os.fchmod(opened.fileno(), mode)
        opened.truncate()
        opened.write(content)


def _give(file: Path | int, group: int) -> None:
    """To a group, where whoever writes is allowed to: if not, it is left with theirs."""
    with suppress(PermissionError):
        os.chown(file, -1, group)


def _mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode) & PERMISSIONS

"""Files written where they may hold passwords: nobody may read them who could not read what they are made of."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

OWNERS = 0o600
OWNERS_FOLDER = 0o700
PERMISSIONS = 0o777
OTHERS = 0o007
NOT_REPLACED = frozenset({errno.EPERM, errno.EACCES, errno.EBUSY})


def write_secret(file: Path, text: str) -> None:
    """Writes a file only its owner can read; one that is there keeps its owner, group and mode, others left out.

    Raises OSError.
    """
    mode = _mode(file) & ~OTHERS if file.exists() else OWNERS
    _write(file, text.encode(), mode, None)


def copy_as_tight(source: Path, target: Path, group: int) -> None:
    """Copies a file or folder for a group: with the mode of the source, of files that are there never more than theirs.

    Files that are there keep their owner and group, folders also their mode. Raises OSError.
    """
    if not source.is_dir():
        mode = _mode(source)
        kept = mode & _mode(target) if target.exists() else mode
        _write(target, source.read_bytes(), kept, group)
        return
    is_new = not target.exists()
    if is_new:
        target.mkdir(OWNERS_FOLDER)
    for one in source.iterdir():
        copy_as_tight(one, target / one.name, group)
    if is_new:  # only now: its mode may be one that nobody can write with
        _give(target, group)
        target.chmod(_mode(source))


def _write(file: Path, content: bytes, mode: int, group: int | None) -> None:
    """In the place of what is there, with its owner and group, or else for `group`; a link to nothing is not followed.

    Where a file may not be replaced (somebody else's, or mounted alone), it is written to.
    """
    if not file.exists():
        _replace(file, content, mode, (-1, -1) if group is None else (-1, group))
        return
    place = file.resolve()
    if not place.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(place))
    before = place.stat()
    try:
        _replace(place, content, mode, (before.st_uid, before.st_gid))
    except OSError as error:
        if error.errno not in NOT_REPLACED:
            raise
        with place.open("r+b") as opened:
            os.fchmod(opened.fileno(), mode)
            opened.truncate()
            opened.write(content)


def _replace(place: Path, content: bytes, mode: int, owners: tuple[int, int]) -> None:
    """Written beside it and renamed: a full disk costs nothing. Mode and group are right before anything is in it."""
    handle, beside = mkstemp(dir=place.parent, prefix=".nephometer-")
    try:
        with os.fdopen(handle, "wb") as opened:
            if owners[0] < 0:
                _give(handle, owners[1])
            else:
                os.fchown(handle, *owners)
            os.fchmod(handle, mode)
            opened.write(content)
            opened.flush()
            os.fsync(handle)
        Path(beside).replace(place)
    except BaseException:
        Path(beside).unlink()
        raise


def _give(file: Path | int, group: int) -> None:
    """To a group, where whoever writes is allowed to: if not, it is left with theirs."""
    with suppress(PermissionError):
        os.chown(file, -1, group)


def _mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode) & PERMISSIONS

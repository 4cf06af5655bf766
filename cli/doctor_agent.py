"""The doctor's look at the agent: can it reach libvirt, and who holds its spool."""

import fcntl
from collections.abc import Callable
from concurrent.futures import TimeoutError as TooLong
from pathlib import Path

from agent import deadline
from agent.errors import SourceUnavailable
from agent.sources import hypervisor
from agent.sources import libvirt as libvirt_source
from cli.finding import Finding

SEGMENTS = ("*.seg", "*.thin")

Connect = Callable[[str], hypervisor.Connection]


def libvirt(uri: str, *, timeout_s: float, connect: Connect = libvirt_source.connect) -> Finding:
    """Whether the agent can ask libvirt about instances. A machine that is no hypervisor only gets a warning."""
    if not uri:
        return Finding("libvirt", "ok", "agent.libvirt_uri is empty: no instances are sampled here")
    try:
        guests = deadline.start(lambda: _count(connect, uri), "doctor-libvirt").result(timeout_s)
    except SourceUnavailable as error:
        advice = "on a hypervisor: start libvirtd, see that this user may open it; elsewhere: nothing to do"
        return Finding("libvirt", "warning", str(error), advice)
    except TooLong:
        words = f"{uri} does not answer within {timeout_s:g} s"
        return Finding("libvirt", "problem", words, "libvirtd hangs: look at its log, restart it")
    return Finding("libvirt", "ok", f"{uri} answers; {guests} running instances")


def spool(folder: Path) -> Finding:
    """Whether an agent works with the spool, and whether samples lie there that nobody will deliver."""
    try:
        waiting = sum(path.stat().st_size for pattern in SEGMENTS for path in folder.glob(pattern))
        is_taken = _is_locked(folder / "lock")
    except FileNotFoundError:
        return Finding("spool", "ok", f"no agent has used {folder} yet")
    except OSError as error:
        return Finding(
            "spool", "warning", f"{folder}: {error.strerror}", "run the doctor as the agent's user"
        )
    if is_taken:
        return Finding("spool", "ok", f"an agent works with {folder}")
    if waiting:
        words = f"{waiting} bytes lie in {folder} and no agent runs"
        return Finding("spool", "warning", words, "start the agent: it delivers what was not delivered yet")
    return Finding("spool", "ok", f"{folder} is free and empty")


def _count(connect: Connect, uri: str) -> int:
    connection = connect(uri)
    try:
        return len(connection.statistics())
    finally:
        connection.close()


def _is_locked(file: Path) -> bool:
    """Whether another process holds the spool's lock; a shared lock of ours is let go at once."""
    with file.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False

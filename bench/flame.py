"""Flame graphs by py-spy, of this process and those it starts."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def recorded(file: Path, *, wanted: bool) -> Iterator[None]:
    """A flame graph of what happens within; nothing unless it is wanted. Raises FileNotFoundError without py-spy."""
    if not wanted:
        yield
        return
    program = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        raise FileNotFoundError("py-spy is not installed: .venv/bin/pip install py-spy")
    file.parent.mkdir(parents=True, exist_ok=True)
    command = [
        program,
        "record",
        "--pid",
        str(os.getpid()),
        "--subprocesses",
        "--nonblocking",
        "--output",
        str(file),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)  # it writes the file then
        process.wait(60)

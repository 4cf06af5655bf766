"""Clocks and meters: how long, how much processor, how much memory."""

import contextlib
import gc
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """No garbage collection within."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def seconds(act: Callable[[], object]) -> float:
    """How long one call takes."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def in_turn(ask: Callable[[T], object], things: Iterable[T]) -> Callable[[], object]:
    """Asks about the next thing each time it is called, from the first one again after the last."""
    turns = itertools.cycle(things)
    return lambda: ask(next(turns))


def interleaved(acts: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median milliseconds of each act, called in turns (A B A B) after one call that does not count."""
    for act in acts.values():
        act()
    times: dict[str, list[float]] = {name: [] for name in acts}
    with undisturbed():
        for _ in range(rounds):
            for name, act in acts.items():
                times[name].append(seconds(act))
    return {name: statistics.median(taken) * 1000 for name, taken in times.items()}


def cpu_seconds(pid: int) -> float:
    """Processor time a process and its descendants have used so far, ended children included.

    Source: proc(5), /proc/PID/stat and /proc/PID/task/TID/children. 0.0 of a process that has ended.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") + sum(map(cpu_seconds, children))


class Cpu:
    """Processor seconds of this process and a database server within its blocks, added up."""

    def __init__(self, server_pid: int | None) -> None:
        self._server_pid = server_pid
        self.total_s = 0.0

    def __enter__(self) -> None:
        server_s = self._server_s()  # before our own clock: to look costs something, too
        self._begun_s = server_s + time.process_time()

    def __exit__(self, *_: object) -> None:
        used_s = time.process_time()
        self.total_s += used_s + self._server_s() - self._begun_s

    def _server_s(self) -> float:
        return cpu_seconds(self._server_pid) if self._server_pid else 0.0


def peak_bytes(pid: int) -> int:
    """The most memory a process ever had resident. Source: VmHWM in /proc/PID/status, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

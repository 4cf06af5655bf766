"""Clocks and meters: how long, how much processor, how much memory."""

import contextlib
import gc
import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """No garbage collection within; what is there now is collected before."""
    gc.collect()
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
    """Processor time a process and its descendants have used so far, ended children included."""
    process = psutil.Process(pid)
    total = 0.0
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


class Cpu:
    """Processor seconds of this process and a database server within its blocks, added up."""

    def __init__(self, server_pid: int | None) -> None:
        self._server_pid = server_pid
        self.total_s = 0.0

    def __enter__(self) -> None:
        self._begun_s = self._used_s()

    def __exit__(self, *_: object) -> None:
        self.total_s += self._used_s() - self._begun_s

    def _used_s(self) -> float:
        return time.process_time() + (cpu_seconds(self._server_pid) if self._server_pid else 0)


def peak_bytes(pid: int) -> int:
    """The most memory a process ever had resident. Source: VmHWM in /proc/PID/status, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

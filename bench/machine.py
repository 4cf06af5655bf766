"""On what the figures were measured."""

import platform
from datetime import UTC, datetime
from pathlib import Path

import psutil


def described() -> str:
    """The machine and the date, in a line."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {psutil.cpu_count()} × {_processor()}, {memory:.0f} GiB, "
        f"Linux {platform.release()}, Python {platform.python_version()}, "
        f"load {psutil.getloadavg()[0]:.1f}"
    )


def _processor() -> str:
    """Source: /proc/cpuinfo."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())

"""What somebody sees who waits: a bar on a terminal, a line for each finished case elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)


class Screen:
    """Shown until the end of the block."""

    def __init__(self, console: Console, cases: int) -> None:
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
            refresh_per_second=2,  # the screen is not to take part in what is measured
            disable=not console.is_terminal,
        )
        self._bar = self._progress.add_task("", total=cases)
        self._begun = time.monotonic()

    def say(self, text: str) -> None:
        """What is going on."""
        self._progress.update(self._bar, description=text)

    def finished(self, case: str) -> None:
        """One case is over."""
        self._progress.advance(self._bar)
        if not self._console.is_terminal:
            self._console.print(f"{case}: after {time.monotonic() - self._begun:.0f} s")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

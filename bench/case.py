"""The seam between the bench and what it measures."""

from collections.abc import Iterator
from typing import Protocol

from bench.lab import Lab
from bench.rows import Row


class Case(Protocol):
    """Something that is measured; `name` is what ONLY chooses by.

    `run` checks every answer of every system before it says how fast it was, and raises `bench.rows.WrongAnswer`.
    """

    name: str

    def run(self, lab: Lab) -> Iterator[Row]:
        """The rows, each as soon as it is known."""
        ...

"""`make bench`: runs the cases, prints one table, writes bench/out/latest.json.

    python -m bench [--only REGEX] [--short] [--strict] [--flame]

Exit status 1 when an answer was wrong or a case broke, with --strict also when a target was missed; else 0.
"""

import argparse
import re
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from bench import flame, machine, table
from bench.case import Case
from bench.cases import CASES
from bench.lab import FULL, SHORT, Lab
from bench.rows import Row, WrongAnswer, write

OUT = Path(__file__).parent / "out"
WIDTH_OF_A_FILE = 150


@dataclass(slots=True)
class Outcome:
    """What the cases said, and why some did not."""

    rows: list[Row] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    options = _options(arguments)
    chosen = [case() for case in CASES if re.search(options.only, case.name)]
    errors = Console(stderr=True)
    if not chosen:
        errors.print(f"no case matches {options.only!r}; there are: {', '.join(case.name for case in CASES)}")
        return 2
    outcome = run(chosen, errors, short=options.short, with_flames=options.flame)
    write(outcome.rows, OUT / "latest.json")
    out = Console(width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE)
    table.show(outcome.rows, out)
    out.print(machine.described(), style="dim")
    for name, failure in outcome.failures.items():
        errors.print(f"{name}: {failure}", style="bold red", markup=False)
    missed = options.strict and any(row.holds is False for row in outcome.rows)
    return 1 if outcome.failures or missed else 0


def run(cases: Sequence[Case], console: Console, *, short: bool, with_flames: bool = False) -> Outcome:
    """Every case, whatever becomes of the others."""
    outcome = Outcome()
    columns = (
        SpinnerColumn(),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    # Twice a second: the screen is not to take part in what is measured.
    with Progress(
        *columns, console=console, refresh_per_second=2, disable=not console.is_terminal
    ) as progress:
        bar = progress.add_task("", total=len(cases))
        lab = Lab(SHORT if short else FULL, lambda text: progress.update(bar, description=text))
        try:
            for case in cases:
                begun = time.monotonic()
                lab.begin(case.name)
                with flame.recorded(OUT / f"{case.name}.svg", wanted=with_flames):
                    _run_one(case, lab, outcome)
                progress.advance(bar)
                if not console.is_terminal:
                    console.print(f"{case.name}: {time.monotonic() - begun:.0f} s", markup=False)
        finally:
            lab.close()
    return outcome


def _run_one(case: Case, lab: Lab, outcome: Outcome) -> None:
    try:
        for row in case.run(lab):
            outcome.rows.append(row)
    except WrongAnswer as error:
        outcome.failures[case.name] = f"WRONG ANSWER: {error}"
    except Exception:  # noqa: BLE001 - what broke one case must not cost the figures of the others
        outcome.failures[case.name] = traceback.format_exc()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Measures Nephometer against its limits.")
    parser.add_argument(
        "--only", default="", metavar="REGEX", help="only the cases whose name it is found in"
    )
    parser.add_argument("--short", action="store_true", help="tiny sizes: whether it runs, not how fast")
    parser.add_argument("--strict", action="store_true", help="fail when a target is missed")
    parser.add_argument("--flame", action="store_true", help="a flame graph of each case into bench/out")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())

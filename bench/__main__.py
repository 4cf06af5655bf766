"""`make bench`: runs the cases, prints one table, writes bench/out/latest.json and latest.md.

    python -m bench [--only REGEX] [--short] [--strict] [--out FOLDER]

Exit status 1 when an answer was wrong or a case broke, with --strict also when a target was missed; else 0.
"""

import argparse
import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from bench import machine, table
from bench.case import Case
from bench.cases import CASES
from bench.lab import FULL, SHORT, Lab
from bench.rows import Row, WrongAnswer, write
from bench.screen import Screen

OUT = Path(__file__).parent / "out"
WIDTH_OF_A_FILE = 150


@dataclass(slots=True)
class Outcome:
    """What the cases said, and why some did not."""

    rows: list[Row] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None, cases: Sequence[type[Case]] = CASES) -> int:
    """The exit status."""
    options = _options(arguments)
    chosen = [case() for case in cases if re.search(options.only, case.name)]
    errors = Console(stderr=True, highlight=False)
    if not chosen:
        errors.print(f"no case matches {options.only!r}; there are: {', '.join(case.name for case in cases)}")
        return 2
    outcome = Outcome()
    with (
        Screen(errors, len(chosen)) as screen,
        closing(Lab(SHORT if options.short else FULL, screen.say)) as lab,
    ):
        for case in chosen:
            lab.begin(case.name)
            _run(case, lab, outcome)
            write(outcome.rows, options.out / "latest.json")
            screen.finished(case.name)
    out = Console(width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE)
    table.show(outcome.rows, out)
    out.print(machine.described(), style="dim")
    (options.out / "latest.md").write_text(table.markdown(outcome.rows, machine.described()))
    for name, failure in outcome.failures.items():
        errors.print(f"{name}: {failure}", style="bold red", markup=False)
    missed = options.strict and any(row.holds is False for row in outcome.rows)
    return 1 if outcome.failures or missed else 0


def _run(case: Case, lab: Lab, outcome: Outcome) -> None:
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
    parser.add_argument(
        "--out", type=Path, default=OUT, metavar="FOLDER", help="where latest.json is written"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())

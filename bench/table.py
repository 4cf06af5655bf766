"""The rows as a table, for people and for documents."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.rows import Row

VERDICTS = {True: "[green]yes[/]", False: "[bold red]NO[/]", None: ""}


def show(rows: Sequence[Row], console: Console) -> None:
    """One line a row."""
    told = Table(box=None, header_style="bold", pad_edge=False)
    told.add_column("what")
    for name in ("figure", "unit", "limit", "ratio"):
        told.add_column(name, justify="left" if name == "unit" else "right", no_wrap=True)
    told.add_column("target", no_wrap=True)
    told.add_column("holds")
    for row in rows:
        told.add_row(
            row.name,
            number(row.value),
            row.unit,
            number(row.limit),
            number(row.ratio),
            row.target or "",
            VERDICTS[row.holds],
        )
    console.print(told)


def markdown(rows: Sequence[Row], machine: str) -> str:
    """The same for a document."""
    lines = [
        f"{machine}.",
        "",
        "| what | figure | unit | limit | ratio | target | holds |",
        "|---|--:|---|--:|--:|---|---|",
    ]
    for row in rows:
        numbers = [number(row.value), row.unit, number(row.limit), number(row.ratio)]
        verdict = {True: "yes", False: "**no**", None: ""}[row.holds]
        lines.append(f"| {row.name} | {' | '.join(numbers)} | {row.target or ''} | {verdict} |")
    return "\n".join(lines) + "\n"


def number(value: float | None) -> str:
    """Three significant digits, thousands apart."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"

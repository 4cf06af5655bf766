"""The fault points of the program, as its source names them."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("agent", "api", "cli", "collector", "storage")


def fault_points() -> dict[str, str]:
    """File by point; raises ValueError for a name that is no literal or that two places share."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            for point in reached_in(file.read_text()):
                if point in found:
                    raise ValueError(f"{point} is in {file} and in {found[point]}")
                found[point] = str(file.relative_to(ROOT))
    return found


def reached_in(source: str) -> Iterator[str]:
    """The points a module calls `reach` or `faults.reach` with; raises ValueError for one that is no literal."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("reach", "faults.reach"):
            point = node.args[0] if node.args else None
            if not isinstance(point, ast.Constant) or not isinstance(point.value, str):
                raise ValueError(f"a fault point has no name of its own: {ast.unparse(node)}")
            yield point.value

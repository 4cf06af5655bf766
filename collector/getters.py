"""Expressions prepared once, for those that are asked of every notification."""

from collections.abc import Callable, Mapping

from collector.expressions import UNWRAPPED_KEYS, Constant, Expression, Path, unwrapped

Document = Mapping[str, object]
Getter = Callable[[Document], object]


def getter(expression: Expression | None) -> Getter:
    """What finds the same as the expression, sooner where it is a path of two keys, as most are, or a constant."""
    if expression is None:
        return _nothing
    if isinstance(expression, Constant):
        written = expression.written
        return lambda _document: written
    if not isinstance(expression, Path) or any(len(way) != 2 for way in expression.ways):
        return expression.value
    ways = [
        (first, second)
        for first, second in expression.ways
        if isinstance(first, str) and isinstance(second, str)
    ]
    return expression.value if len(ways) < len(expression.ways) else _two_keys(expression, ways)


def _nothing(_document: Document) -> None:
    return None


def _two_keys(path: Path, ways: list[tuple[str, str]]) -> Getter:
    def value(document: Document) -> object:
        for first, second in ways:
            holder = document.get(first)
            if type(holder) is not dict:
                return path.value(document)
            found: object = holder.get(second)
            if found is None and len(holder) <= UNWRAPPED_KEYS:
                held = unwrapped(holder)
                if type(held) is not dict:
                    return path.value(document)
                found = held.get(second)
            if found is not None and found != "":
                return found
        return None

    return value

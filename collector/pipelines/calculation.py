"""The expressions of transformers: arithmetic over named values, read by Python's parser and never executed.

Numbers, `+ - * / // % **`, comparisons, `and or not`, `a if b else c`, `min max abs round int float`, and names with
`.key` or `["key"]`. What a name does not have is nothing: false where a choice is made, an error in arithmetic.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping

LENGTH_MAX = 1000
BITS_MAX = 4096  # of a power, which a few characters could otherwise make endless
NOTHING: Mapping[str, object] = {}

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARED: dict[type[ast.cmpop], Callable[[object, object], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: lambda a, b: number(a) < number(b),
    ast.LtE: lambda a, b: number(a) <= number(b),
    ast.Gt: lambda a, b: number(a) > number(b),
    ast.GtE: lambda a, b: number(a) >= number(b),
}
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "round": round,
    "int": int,
    "float": float,
}


class Calculation:
    """An expression; raises ValueError saying what in it is not allowed. Equal when the texts are."""

    def __init__(self, text: str) -> None:
        if len(text) > LENGTH_MAX:
            raise ValueError(f"an expression of more than {LENGTH_MAX} characters")
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ValueError(f"{text!r} is not an expression") from error
        self._text = text
        _check(self._tree)

    def __repr__(self) -> str:
        return f"Calculation({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Calculation) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def result(self, names: Mapping[str, object]) -> int | float:
        """Its value, finite; raises ValueError when there is none (a division by zero, a missing or odd value)."""
        try:
            found = number(_value(self._tree, names))
            is_finite = math.isfinite(found)  # an integer may be too large to tell
        except (ArithmeticError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{self._text}: {error}") from error
        if not is_finite:
            raise ValueError(f"{self._text}: no finite number")
        return found


def number(value: object) -> int | float:
    """The value as a number, also where metadata has it as text; raises ValueError when it is none."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return float(value)
    raise ValueError("a value is missing" if value == NOTHING else f"{type(value).__name__} is no number")


def _check(node: ast.AST) -> None:
    """Refuses whatever `_value` could not work out."""
    match node:
        case ast.Constant(value=value) if isinstance(value, int | float | str):
            return
        case ast.Name() | ast.Attribute() | ast.UnaryOp(op=ast.UAdd() | ast.USub() | ast.Not()):
            pass
        case ast.Subscript(slice=ast.Constant(value=str())) | ast.BoolOp() | ast.IfExp():
            pass
        case ast.Compare(ops=ops) if all(type(op) in _COMPARED for op in ops):
            pass
        case ast.BinOp(op=op) if type(op) in _BINARY or isinstance(op, ast.Pow):
            pass
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _FUNCTIONS:
            pass
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is not allowed in an expression")
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            _check(child)


def _value(node: ast.expr, names: Mapping[str, object]) -> object:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return names.get(name, NOTHING)
        case (
            ast.Attribute(value=whole, attr=key)
            | ast.Subscript(value=whole, slice=ast.Constant(value=str(key)))
        ):
            found = _value(whole, names)
            return found.get(key, NOTHING) if isinstance(found, Mapping) else NOTHING
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, names)
        case ast.UnaryOp(op=op, operand=operand):
            found = number(_value(operand, names))
            return -found if isinstance(op, ast.USub) else found
        case ast.BinOp(left=left, op=op, right=right):
            return _reckoned(op, number(_value(left, names)), number(_value(right, names)))
        case ast.BoolOp(op=op, values=values):
            return _chosen(isinstance(op, ast.Or), values, names)
        case ast.IfExp(test=test, body=body, orelse=other):
            return _value(body if _value(test, names) else other, names)
        case ast.Compare(left=left, ops=ops, comparators=others):
            found = [_value(one, names) for one in (left, *others)]
            return all(_COMPARED[type(op)](found[at], found[at + 1]) for at, op in enumerate(ops))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _FUNCTIONS[name](*(number(_value(one, names)) for one in arguments))
    raise ValueError("not an expression")  # `_check` has refused it before


def _chosen(wanted: bool, values: list[ast.expr], names: Mapping[str, object]) -> object:
    found: object = NOTHING
    for one in values:
        found = _value(one, names)
        if bool(found) is wanted:
            break
    return found


def _reckoned(op: ast.operator, left: float, right: float) -> float:
    if not isinstance(op, ast.Pow):
        found = _BINARY[type(op)](left, right)
    else:
        if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > BITS_MAX:
            raise ValueError("a power too large")
        raised = left**right
        found = number(raised)  # a complex one is none
    if isinstance(found, int) and found.bit_length() > BITS_MAX:
        raise ValueError("a number too large")
    return found

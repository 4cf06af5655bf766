"""Values as definition files write them: a path, a number, or where to find something and how to alter it."""

import msgspec

from collector.expressions import (
    Alteration,
    Altered,
    Constant,
    Expression,
    Joined,
    Path,
    SecondsBetween,
    lowered,
    matched,
    named,
    otherwise,
    read_path,
    replaced,
    scaled,
)


class Value(msgspec.Struct, forbid_unknown_fields=True):
    """Where a value comes from (one of the first four), then how it is altered, in the order of these fields."""

    path: str | None = None
    text: str | None = None
    join: "list[str | Value] | None" = None
    seconds_between: tuple[str, str] | None = None
    separator: str = ""
    match: str | None = None
    lower: bool = False
    replace: dict[str, str] = msgspec.field(default_factory=dict)
    names: dict[str, str] = msgspec.field(default_factory=dict)
    times: int | float | None = None
    default: int | float | str | None = None


def read_value(written: int | float | str | Value) -> Expression:
    """The expression that is written; text is a path. Raises ValueError when it is none."""
    if isinstance(written, int | float):
        return Constant(written)
    if isinstance(written, str):
        return read_path(written)
    source, alterations = _source(written), tuple(_alterations(written))
    return Altered(source, alterations) if alterations else source


def paths_in(written: int | float | str | Value) -> list[str]:
    """The paths a value is made of, as they are written."""
    if isinstance(written, Value):
        joined = [way for part in written.join or () for way in paths_in(part)]
        return [*((written.path,) if written.path else ()), *joined, *(written.seconds_between or ())]
    return [written] if isinstance(written, str) else []


def path_of(text: str | None) -> Path | None:
    """The path of this text, None where there is none; raises ValueError when it describes none."""
    return read_path(text) if text is not None else None


def _source(written: Value) -> Expression:
    match written:
        case Value(path=str(path), text=None, join=None, seconds_between=None):
            return read_path(path)
        case Value(path=None, text=str(text), join=None, seconds_between=None):
            return Constant(text)
        case Value(path=None, text=None, join=list(parts), seconds_between=None):
            return Joined(tuple(read_value(part) for part in parts), written.separator)
        case Value(path=None, text=None, join=None, seconds_between=(start, end)):
            return SecondsBetween(read_path(start), read_path(end))
    raise ValueError("a value needs one of path, text, join and seconds_between")


def _alterations(written: Value) -> list[Alteration]:
    alterations: list[Alteration] = []
    if written.match is not None:
        alterations.append(matched(written.match))
    if written.lower:
        alterations.append(lowered())
    alterations += [replaced(old, new) for old, new in written.replace.items()]
    if written.names:
        alterations.append(named(written.names))
    if written.times is not None:
        alterations.append(scaled(written.times))
    if written.default is not None:
        alterations.append(otherwise(written.default))
    return alterations

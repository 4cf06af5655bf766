"""Where expressions of definition files look, in words for whoever wrote them."""

from collections.abc import Iterable, Sequence

from collector.ceilometer_files.fields import FoundBy
from collector.ceilometer_files.meters import FirstOf
from collector.ceilometer_files.steps import Keys
from collector.expressions import Altered, Everything, Item, Joined, Path, SecondsBetween, Step


def place(expression: object) -> str:
    """The path as it is written, several ones with `|` between them; "" of what has no simple path."""
    match expression:
        case Path(ways):
            return _either(_way(way) for way in ways)
        case Keys(keys):
            return ".".join(keys)
        case Altered(source):
            return place(source)
        case Joined(parts):
            return _either(map(place, parts))
        case FirstOf(ways):
            return _either(map(place, ways))
        case FoundBy(steps):
            return _either(map(place, steps))
        case SecondsBetween(start, end):
            return _either((place(start), place(end)))
        case _:
            return ""


def _either(places: Iterable[str]) -> str:
    known = list(places)
    return " | ".join(known) if all(known) else ""


def _way(steps: Sequence[Step]) -> str:
    text = ""
    for step in steps:
        if isinstance(step, Item):
            text += f"[{step.key}={step.value}]"
        else:
            text += f".{step.value if isinstance(step, Everything) else step}"
    return text.removeprefix(".")

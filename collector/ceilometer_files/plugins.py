"""The four plugins of Ceilometer's definitions: what they make of the matches of some fields.

Source: ceilometer/event/trait_plugins.py of Ceilometer 27.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence

import msgspec

from collector.ceilometer_files.steps import Match
from collector.instants import read_instant

Plugin = Callable[[Sequence[Match]], list[object]]


def read_plugin(name: str, parameters: Mapping[str, object]) -> Plugin:
    """The plugin of this name; raises ValueError when there is none or a parameter is wrong."""
    found = _PLUGINS.get(name)
    if found is None:
        raise ValueError(f"no plugin {name!r}: there are {', '.join(sorted(_PLUGINS))}")
    shape, make = found
    try:
        return make(msgspec.convert(parameters, shape))
    except msgspec.ValidationError as error:
        raise ValueError(f"plugin {name!r}: {error}") from error


class _Split(msgspec.Struct, forbid_unknown_fields=True):
    separator: str = "."
    segment: int = 0
    max_split: int | None = None


class _Flag(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    bit: int | str
    value: object = msgspec.UNSET


class _Bitfield(msgspec.Struct, forbid_unknown_fields=True):
    initial_bitfield: int = 0
    flags: list[_Flag] = []


class _Timedelta(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Map(msgspec.Struct, forbid_unknown_fields=True):
    values: dict[object, object]
    default: object = None
    case_sensitive: bool = True


def _split(options: _Split) -> Plugin:
    """One piece of each text."""
    if not options.separator:
        raise ValueError("plugin 'split': the separator is empty")
    most = -1 if options.max_split is None else options.max_split

    def pieces(matches: Sequence[Match]) -> list[object]:
        texts = [str(match.value).split(options.separator, most) for match in matches]
        return [_item(parts, options.segment) for parts in texts]

    return pieces


def _item(parts: Sequence[str], place: int) -> str | None:
    return parts[place] if -len(parts) <= place < len(parts) else None


def _bitfield(options: _Bitfield) -> Plugin:
    """Bits set by fields that are there, or have a certain value."""
    flags = [(flag.path, _bit(flag.bit), flag.value) for flag in options.flags]

    def bits(matches: Sequence[Match]) -> list[object]:
        found = {".".join(match.path): match.value for match in matches}
        result = options.initial_bitfield
        for path, bit, value in flags:
            if path in found and value in (msgspec.UNSET, found[path]):
                result |= bit
        return [result]

    return bits


def _bit(written: int | str) -> int:
    try:
        number = int(written)
    except ValueError as error:
        raise ValueError(f"plugin 'bitfield': {written!r} is no bit") from error
    if not 0 <= number < 64:
        raise ValueError(f"plugin 'bitfield': bit {number} is none of 0 to 63")
    return 1 << number


def _timedelta(_: _Timedelta) -> Plugin:
    """Seconds between two moments, never negative."""

    def seconds(matches: Sequence[Match]) -> list[object]:
        if len(matches) != 2:
            return []
        try:
            start, end = (read_instant(match.value) for match in matches)
        except ValueError:
            return []
        return [abs((end - start).total_seconds())]

    return seconds


def _map(options: _Map) -> Plugin:
    """The value that stands for each in a table."""
    if not options.values:
        raise ValueError("plugin 'map': values are missing")
    fold = not options.case_sensitive
    table = {_folded(key, fold): value for key, value in options.values.items()}

    def mapped(matches: Sequence[Match]) -> list[object]:
        keys = [_folded(match.value, fold) for match in matches]
        return [
            table.get(key, options.default) if isinstance(key, Hashable) else options.default for key in keys
        ]

    return mapped


def _folded(key: object, fold: bool) -> object:
    return key.casefold() if fold and isinstance(key, str) else key


_PLUGINS: Mapping[str, tuple[type, Callable[..., Plugin]]] = {
    "split": (_Split, _split),
    "bitfield": (_Bitfield, _bitfield),
    "timedelta": (_Timedelta, _timedelta),
    "map": (_Map, _map),
}

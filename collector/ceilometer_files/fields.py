"""Where a value stands, as Ceilometer's definitions write it: a path, several, or several and a plugin.

Source: `Definition` in ceilometer/declarative.py of Ceilometer 27.
"""

from dataclasses import dataclass

import msgspec

from collector.ceilometer_files.jsonpath import read_jsonpath
from collector.ceilometer_files.plugins import Plugin, read_plugin
from collector.ceilometer_files.steps import Keys, Match, Step
from collector.expressions import Constant


class WrittenPlugin(msgspec.Struct, forbid_unknown_fields=True):
    """A plugin with its parameters."""

    name: str
    parameters: dict[str, object] | None = None


class WrittenFields(msgspec.Struct, forbid_unknown_fields=True):
    """A value that takes more than a path."""

    fields: int | float | str | list[str]
    plugin: str | WrittenPlugin | None = None
    type: str | None = None


Written = int | float | str | list[str] | WrittenFields


@dataclass(frozen=True, slots=True)
class FoundBy:
    """What a definition finds in a document: by a path, by several one after the other, or by a plugin from them."""

    steps: tuple[Step, ...]
    plugin: Plugin | None = None

    def value(self, document: object) -> object:
        """The first value there is, None where there is none."""
        if self.plugin:
            matches = [match for match in self._matches(document) if match.value is not None]
            return next((value for value in self.plugin(matches) if value is not None), None)
        return next((value for step in self.steps if (value := _first(step, document)) is not None), None)

    def values(self, document: object) -> list[object]:
        """All of them, null ones too."""
        matches = self._matches(document)
        return self.plugin(matches) if self.plugin else [match.value for match in matches]

    def _matches(self, document: object) -> list[Match]:
        start = Match(document)
        return [match for step in self.steps for match in step.matches(start)]


def _first(step: Step, document: object) -> object:
    if isinstance(step, Keys):
        return step.value(document)
    values = (match.value for match in step.matches(Match(document)))
    return next((value for value in values if value is not None), None)


def read_fields(written: Written) -> FoundBy | Constant:
    """What finds the value, or the number that stands there; raises ValueError when a path or plugin is wrong."""
    fields = written.fields if isinstance(written, WrittenFields) else written
    if isinstance(fields, int | float):
        return Constant(fields)
    paths = [fields] if isinstance(fields, str) else fields
    if not paths:
        raise ValueError("fields are missing")
    return FoundBy(tuple(map(read_jsonpath, paths)), _plugin(written))


def paths_in(written: Written) -> list[str]:
    """The paths a value is made of, as they are written."""
    fields = written.fields if isinstance(written, WrittenFields) else written
    if isinstance(fields, int | float):
        return []
    return [fields] if isinstance(fields, str) else fields


def _plugin(written: Written) -> Plugin | None:
    plugin = written.plugin if isinstance(written, WrittenFields) else None
    if plugin is None:
        return None
    if isinstance(plugin, str):
        return read_plugin(plugin, {})
    return read_plugin(plugin.name, plugin.parameters or {})

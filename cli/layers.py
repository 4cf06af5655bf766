"""Where settings come from: each source read into a layer of single values that know their origin."""

import difflib
import json
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from cli.errors import WrongUsage

PREFIX = "NEPHOMETER_"
TWIN = "_file"

Key = tuple[str, ...]
"""The place of a value: its section, then the keys below."""


@dataclass(frozen=True, slots=True)
class FromFile:
    """Stands for a secret that is the content of this file."""

    path: Path


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it was written, and where: lists are values, tables are not."""

    value: object
    origin: str


Layer = Mapping[Key, Value]


def from_mapping(model: type[BaseModel], tables: Mapping[str, object], origin: str) -> Layer:
    """The values of nested tables; raises WrongUsage for a key the model does not have."""
    layer: dict[Key, Value] = {}
    for key, value in _leaves(model, (), tables, origin):
        if key in layer:
            raise WrongUsage(f"{dotted(key)} and {dotted(key)}{TWIN} are both set by {origin}: keep one")
        layer[key] = Value(value, origin)
    return layer


def from_toml(model: type[BaseModel], file: Path) -> Layer:
    """The values of a TOML file; raises WrongUsage when it cannot be read or understood."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongUsage(f"{file} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise WrongUsage(f"{file} is not TOML: {error}") from error
    return from_mapping(model, tables, str(file))


def from_credentials(model: type[BaseModel], folder: Path) -> Layer:
    """The secrets systemd passes as files named like their keys (`database.url`); others are not ours."""
    layer: dict[Key, Value] = {}
    try:
        files = sorted(file for file in folder.iterdir() if file.is_file())
    except OSError as error:
        raise WrongUsage(f"$CREDENTIALS_DIRECTORY {folder} cannot be read: {error.strerror}") from error
    for file in files:
        key = tuple(file.name.split("."))
        if len(key) < 2 or key[0] not in model.model_fields:
            continue
        field = _field(model, key, f"the credential {file.name}")
        if not is_secret(field):
            raise WrongUsage(
                f"{dotted(key)} is no secret: set it in a file, not as the credential {file.name}"
            )
        layer[key] = Value(_read_file(field, FromFile(file)), f"credential {file}")
    return layer


def from_environment(model: type[BaseModel], environ: Mapping[str, str]) -> Layer:
    """The values of variables NEPHOMETER_SECTION__KEY; empty ones count as not set."""
    layer: dict[Key, Value] = {}
    for name, text in sorted(environ.items()):
        key = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if not name.startswith(PREFIX) or not text:
            continue
        if len(key) == 1:
            _refuse_single_underscore(model, name, key[0])
            continue
        origin = f"environment variable {name}"
        twin = _twin(model, key)
        place = twin or key
        if place in layer:
            raise WrongUsage(
                f"{dotted(place)} and {dotted(place)}{TWIN} are both set by the environment: keep one"
            )
        value = (
            FromFile(Path(text)) if twin else _decode(_field(model, key, origin), text, dotted(key), origin)
        )
        layer[place] = Value(value, origin)
    return layer


def resolve(model: type[BaseModel], key: Key, value: Value) -> object:
    """The value with every secret's file read; raises WrongUsage when one cannot be."""
    try:
        if isinstance(value.value, FromFile):
            return _read_file(_field(model, key, value.origin), value.value)
        return _resolved(value.value)
    except OSError as error:
        reason = f"{error.filename} cannot be read: {error.strerror}"
        raise WrongUsage(f"{dotted(key)}{TWIN} from {value.origin}: {reason}") from error
    except UnicodeDecodeError as error:
        raise WrongUsage(f"{dotted(key)}{TWIN} from {value.origin}: the file is not UTF-8 text") from error


def dotted(key: Sequence[str | int]) -> str:
    """A key as people write it: `auth.tokens[0].token`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")


def is_secret(field: FieldInfo) -> bool:
    """Whether the value must not be shown: its type says so, or it is left out of the model's repr."""
    return not field.repr or SecretStr in _parts(field.annotation)


def model_in(annotation: object) -> type[BaseModel] | None:
    """The model inside an annotation such as `tuple[StaticToken, ...]` or `KeystoneSettings | None`."""
    for part in _parts(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def is_table(annotation: object) -> bool:
    """Whether the value is a TOML table: a model or a mapping, not a list of them."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return any(is_table(part) for part in typing.get_args(annotation))
    kind = typing.get_origin(annotation) or annotation
    return isinstance(kind, type) and issubclass(kind, BaseModel | Mapping)


def unknown(model: type[BaseModel], section: Key, name: str, origin: str) -> WrongUsage:
    """The error for a key that does not exist, naming those that do."""
    names = sorted(model.model_fields)
    alike = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {dotted((*section, alike[0]))}?" if alike else "allowed: " + ", ".join(names)
    return WrongUsage(f"{dotted((*section, name))} from {origin} is not a setting; {hint}")


def _leaves(
    model: type[BaseModel], above: Key, table: Mapping[str, object], origin: str
) -> Iterator[tuple[Key, object]]:
    for name, value in table.items():
        key = (*above, name)
        field = model.model_fields.get(name)
        base = name.removesuffix(TWIN)
        if field is None and _has_secret(model, name):
            yield (*above, base), _file_of(value, dotted(key), origin)
        elif field is None:
            raise unknown(model, above, name, origin)
        elif isinstance(value, Mapping) and is_table(field.annotation):
            inner = model_in(field.annotation)
            if inner is None:
                yield from (((*key, str(entry)), of) for entry, of in value.items())
            else:
                yield from _leaves(inner, key, value, origin)
        else:
            yield key, _entries(model_in(field.annotation), key, value, origin)


def _entries(model: type[BaseModel] | None, key: Key, value: object, origin: str) -> object:
    """A list of tables with the files of its secrets named; anything else as it is."""
    if model is None or not isinstance(value, list):
        return value
    return [
        {inner[0]: of.value for inner, of in from_mapping(model, entry, f"{dotted(key)} in {origin}").items()}
        if isinstance(entry, Mapping)
        else entry
        for entry in value
    ]


def _has_secret(model: type[BaseModel], twin: str) -> bool:
    field = model.model_fields.get(twin.removesuffix(TWIN))
    return twin.endswith(TWIN) and field is not None and is_secret(field)


def _file_of(value: object, name: str, origin: str) -> FromFile:
    if not isinstance(value, str) or not value:
        raise WrongUsage(f"{name} = {value!r} from {origin} is wrong; allowed: the path of a file")
    return FromFile(Path(value))


def _twin(model: type[BaseModel], key: Key) -> Key | None:
    """The key whose file this key names (`database.url` for `database.url_file`), None when it names none."""
    inner: type[BaseModel] | None = model
    for name in key[:-1]:
        field = inner.model_fields.get(name) if inner else None
        inner = model_in(field.annotation) if field else None
    if inner is None or key[-1] in inner.model_fields or not _has_secret(inner, key[-1]):
        return None
    return (*key[:-1], key[-1].removesuffix(TWIN))


def _field(model: type[BaseModel], key: Key, origin: str) -> FieldInfo:
    """The field at a key (for an entry of a mapping: the mapping's); raises WrongUsage when there is none."""
    inner: type[BaseModel] = model
    for depth, name in enumerate(key):
        field = inner.model_fields.get(name)
        if field is None:
            raise unknown(inner, key[:depth], name, origin)
        below = model_in(field.annotation) if is_table(field.annotation) else None
        if depth == len(key) - 1 or (below is None and is_table(field.annotation) and depth == len(key) - 2):
            return field
        if below is None:
            raise WrongUsage(
                f"{dotted(key)} from {origin} is not a setting; {dotted(key[: depth + 1])} has no keys"
            )
        inner = below
    raise WrongUsage(f"{dotted(key)} from {origin} is not a setting")


def _refuse_single_underscore(model: type[BaseModel], name: str, rest: str) -> None:
    """Raise WrongUsage for NEPHOMETER_API_PORT, which would else be ignored without a word."""
    for section, field in model.model_fields.items():
        inner = model_in(field.annotation)
        key = rest.removeprefix(f"{section}_")
        if rest != key and inner is not None and key.removesuffix(TWIN) in inner.model_fields:
            meant = f"{PREFIX}{section}__{key}".upper()
            raise WrongUsage(f"environment variable {name} is not a setting; did you mean {meant}?")


def _decode(field: FieldInfo, text: str, name: str, origin: str) -> object:
    """A variable's text as the field takes it: lists as JSON or separated by commas, tables as JSON."""
    if text.lstrip()[:1] in ("[", "{") and _is_compound(field.annotation):
        try:
            return json.loads(text)
        except ValueError as error:
            raise WrongUsage(f"{name} from {origin} is not JSON: {error}") from error
    if _is_compound(field.annotation) and not is_table(field.annotation):
        return [part.strip() for part in text.split(",")]
    return text


def _is_compound(annotation: object) -> bool:
    return is_table(annotation) or tuple in _parts(annotation) or model_in(annotation) is not None


def _parts(annotation: object) -> list[object]:
    """An annotation and everything inside it."""
    inside = [part for argument in typing.get_args(annotation) for part in _parts(argument)]
    return [annotation, typing.get_origin(annotation), *inside]


def _resolved(value: object) -> object:
    if isinstance(value, FromFile):
        return _content(value.path)
    if isinstance(value, list):
        return [_resolved(inner) for inner in value]
    if isinstance(value, Mapping):
        return {name: _resolved(inner) for name, inner in value.items()}
    return value


def _read_file(field: FieldInfo, file: FromFile) -> object:
    """The secret in a file; for a list of secrets one per line."""
    text = _content(file.path)
    return text.splitlines() if tuple in _parts(field.annotation) else text


def _content(path: Path) -> str:
    return path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")

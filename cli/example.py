"""The example settings file: every key with its meaning and default, all commented out."""

import textwrap
import typing
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cli.layers import TWIN, is_secret, model_in
from cli.settings import Settings
from cli.toml import toml

WIDTH = 100
HEAD = """\
Settings of Nephometer: /etc/nephometer/nephometer.toml

Every key stands here with its default. Files conf.d/*.toml beside this one are read after it, in order of
their names. A variable NEPHOMETER_SECTION__KEY wins over all files; secrets may also come as systemd
credentials named SECTION.KEY. `nephometer config check` says whether all is right, `nephometer config show
--origin` what counts and where it comes from."""


def example() -> str:
    """The whole file; a reader removes the `#` of the keys he changes."""
    lines = [*(f"# {line}".rstrip() for line in HEAD.splitlines())]
    for name, field in Settings.model_fields.items():
        model = model_in(field.annotation)
        if model is not None:
            lines += _table(f"[{name}]", name, model)
    return "\n".join(lines) + "\n"


def _table(head: str, name: str, model: type[BaseModel]) -> Iterator[str]:
    """A section with its keys, then the tables below it; tables in lists stay commented out as a whole."""
    below: list[tuple[str, str, type[BaseModel]]] = []
    yield from ("", *_comment(model.__doc__ or ""), head)
    for key, field in model.model_fields.items():
        inner = model_in(field.annotation)
        if inner is None:
            yield from ("", *_comment(_meaning(key, field)), f"#{key} = {_default(field)}")
        else:
            place = f"{name}.{key}"
            is_list = tuple in _kinds(field.annotation)
            below.append((f"#[[{place}]]" if is_list else f"#[{place}]", place, inner))
    for inner_head, place, inner in below:
        yield from _table(inner_head, place, inner)


def _meaning(key: str, field: FieldInfo) -> str:
    words = " ".join((field.description or "").split()).rstrip(".")
    words += _choice(field.annotation, words)
    if is_secret(field):
        words += f". Or {key}{TWIN}: the file it stands in"
    if _default(field) == '""':
        words += ". Not set by default"
    return words + "."


def _choice(annotation: object, said: str) -> str:
    """The values there are, where there are only some and they are not said yet."""
    is_one = typing.get_origin(annotation) is typing.Literal
    kinds = (annotation,) if is_one else typing.get_args(annotation)
    choices = next((typing.get_args(one) for one in kinds if typing.get_origin(one) is typing.Literal), ())
    if all(str(choice) in said for choice in choices):
        return ""
    return f". {'One' if is_one else 'Any'} of {', '.join(map(str, choices))}"


def _default(field: FieldInfo) -> str:
    """The default as TOML; what is not set, must be set or depends on the machine is an empty text."""
    if isinstance(field.default_factory, type):
        return toml(field.get_default(call_default_factory=True, validated_data={}))
    if field.is_required() or field.default_factory is not None or field.default is None:
        return '""'
    return toml(field.default)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), WIDTH)]


def _kinds(annotation: object) -> set[object]:
    return {typing.get_origin(annotation), *map(typing.get_origin, typing.get_args(annotation))}

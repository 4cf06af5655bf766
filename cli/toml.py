"""Settings written as TOML."""

import json
import math
from collections.abc import Mapping

from pydantic import BaseModel, SecretStr

from cli.layers import is_secret
from storage.secrets import MASK, mask_url


def toml(value: object, *, secret: bool = False) -> str:
    """A value as TOML writes it; of secrets only what a URL says besides passwords and tokens."""
    if isinstance(value, SecretStr):
        return toml(value.get_secret_value(), secret=True)
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        present = {key: (getattr(value, key), is_secret(field)) for key, field in fields}
        return _inline({key: of for key, of in present.items() if of[0] is not None})
    if isinstance(value, Mapping):
        return _inline({str(key): (of, secret) for key, of in value.items()})
    if isinstance(value, tuple | list):
        return f"[{', '.join(toml(inner, secret=secret) for inner in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return str(value)
    text = str(value)
    shown = text if not secret else mask_url(text) if "://" in text else MASK
    return json.dumps(shown, ensure_ascii=False)


def _inline(entries: Mapping[str, tuple[object, bool]]) -> str:
    inside = (
        f"{json.dumps(key, ensure_ascii=False)} = {toml(value, secret=secret)}"
        for key, (value, secret) in entries.items()
    )
    return f"{{ {', '.join(inside)} }}" if entries else "{}"

"""How one value is compared with another, by the names the APIs use."""

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

Comparison = Literal["lt", "le", "eq", "ne", "ge", "gt"]

COMPARE: Final[Mapping[Comparison, Callable[[Any, Any], bool]]] = {  # Any: two values of one type
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
    "ge": operator.ge,
    "gt": operator.gt,
}

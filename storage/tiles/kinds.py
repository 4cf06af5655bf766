"""What the integers of a tile stand for: integers, stamps, decimals as multiples of a unit, or the bits of floats."""

from typing import cast

import numpy as np

from storage.columns import Integers, Volumes, is_real

Values = list[int] | list[float]

INTEGER, STAMPS, BITS = 0, 1, 255
DECIMALS = {2: 1.0, 3: 1e2, 4: 1e4}  # kind: what the float is multiplied by to become an integer
EXACT = float(1 << 53)


def as_integers(values: Volumes) -> tuple[int, Integers]:
    """Kind and integers: decimals as multiples of a unit where every bit comes back, else their bits."""
    if not is_real(values):
        return INTEGER, cast("Integers", values)
    pattern = values.view(np.int64)
    for kind, scale in DECIMALS.items():
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.rint(values * scale)
            exact = (scaled / scale).view(np.int64) == pattern
        if exact.all() and (np.abs(scaled) <= EXACT).all():
            whole = scaled.astype(np.int64)
            # A negative zero is as whole as zero, but is another one.
            if not (pattern[whole == 0] != 0).any():
                return kind, whole
    return BITS, pattern


def as_volumes(kind: int, integers: Volumes) -> Volumes:
    """Raises no error: any 64 bits are an integer and a float."""
    if kind in (INTEGER, STAMPS):
        return integers
    if kind == BITS:
        return integers.view(np.float64)
    return integers / DECIMALS[kind]


def as_values(kind: int, series: list[int] | Integers) -> Values:
    """As `as_volumes`, of one series as a list. Raises no error: any 64 bits are an integer and a float."""
    if kind == INTEGER:
        return plain(series)
    if kind == BITS:
        floats: list[float] = np.asarray(series, np.int64).view(np.float64).tolist()
        return floats
    scale = DECIMALS[kind]
    if isinstance(series, list):
        return [value / scale for value in series]
    decimals: list[float] = (series / scale).tolist()
    return decimals


def plain(series: list[int] | Integers) -> list[int]:
    """Integers as Python has them."""
    return series if isinstance(series, list) else series.tolist()

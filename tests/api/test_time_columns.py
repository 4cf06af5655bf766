"""Many times at once are written as one by one."""

import random

import numpy as np
import pytest

from api.v2 import time_columns, times
from storage.sample import from_microseconds

SECOND, DAY = 1_000_000, 86_400_000_000


@pytest.mark.parametrize("step", [1, 999_983, SECOND, 3600 * SECOND, DAY, 400 * DAY])
@pytest.mark.parametrize("begin", [-5 * DAY + 1, 0, 1_793_000_000 * SECOND])
def test_texts_are_those_of_each_time(begin: int, step: int) -> None:
    chance = random.Random(step)
    column = np.array([begin + step * chance.randrange(2000) for _ in range(100)])

    found = time_columns.texts_of(column)

    assert [text.decode() for text in found] == [times.text_of(moment) for moment in column.tolist()]


def test_a_moment_is_written_as_python_writes_it() -> None:
    chance = random.Random(1)
    moments = [
        -1,
        0,
        1,
        59 * SECOND,
        3600 * SECOND - 1,
        *(chance.randrange(-(10**15), 10**16) for _ in range(1000)),
    ]
    for moment in (*moments, *(moment // SECOND * SECOND for moment in moments)):
        assert times.text_of(moment) == from_microseconds(moment).replace(tzinfo=None).isoformat()

"""Checksums of all records at once are those of the records one by one."""

import numpy as np
import pytest

from storage.tiles import sums


@pytest.mark.parametrize("w", [0, 1, 7, sums.LOOKED_UP, sums.LOOKED_UP + 1])
@pytest.mark.parametrize("slots", [0, 1, 128])
def test_each_record_is_followed_by_its_checksum(w: int, slots: int) -> None:
    records = np.random.default_rng(w).integers(0, 256, (slots, w), np.uint8)

    checked = sums.with_sums(records)

    assert checked == b"".join(
        one.tobytes() + sums.sum_of(one.tobytes(), slot) for slot, one in enumerate(records)
    )


def test_a_record_in_the_place_of_another_is_noticed() -> None:
    assert sums.sum_of(b"record", 1) != sums.sum_of(b"record", 2)

import numpy as np
import pytest

from storage.tiles.hours import by_hour
from storage.tiles.layout import Series, place_of
from storage.tiles.plans import lay_out, lay_out_spans
from storage.watermarks import HOUR

BEGIN = 480_000 * HOUR


def readings(seed: int, hours: int) -> dict[int, Series]:
    """Three meters of some slots: two that came together, and one that missed some."""
    chance = np.random.default_rng(seed)
    slot = np.repeat(np.arange(3, 7), 5 * hours)
    ts = BEGIN + np.sort(chance.choice(hours * HOUR, (4, 5 * hours), replace=False), axis=1).ravel()
    ver = chance.integers(1, 4, len(ts))
    volumes = chance.integers(0, 10**9, (2, len(ts)))
    together = [Series(slot, ts, ver, volume) for volume in volumes]
    real = Series(slot, ts, ver, chance.random(len(ts))).only(chance.random(len(ts)) < 0.7)
    return {1: together[0], 2: together[1], 5: real}


@pytest.mark.parametrize("hours", [1, 2, 7])
def test_every_reading_is_in_its_hour_in_the_order_of_slots_and_times(hours: int) -> None:
    meters = readings(hours, hours)

    found = dict(by_hour(meters))

    assert list(found) == sorted(found)
    for start, parts in found.items():
        for part in parts.values():
            assert (part.ts // HOUR * HOUR == start).all()
            assert (np.diff(part.place) > 0).all()
        assert parts[1].ts is parts[2].ts
    for mid, series in meters.items():
        own = [found[start][mid] for start in found if mid in found[start]]
        order = np.argsort(np.concatenate([part.place for part in own]))
        for name in ("slot", "ts", "ver", "volume"):
            told = np.concatenate([getattr(part, name) for part in own])[order]
            assert np.array_equal(told, getattr(series, name))


def test_spans_laid_out_together_are_as_laid_out_one_by_one() -> None:
    every = range(0, 3600 * 10**6, 300 * 10**6)
    ts = np.tile(np.array([BEGIN + at for at in every]), 2)
    regular = {4: Series(np.repeat([0, 1], 12), ts, np.ones(24, np.int64), np.linspace(0, 9, 24))}
    later = {4: Series(regular[4].slot, ts + HOUR, regular[4].ver, np.linspace(1, 5, 24))}
    spans = [regular, later, *(some for _, some in by_hour(readings(1, 3)))]

    found = lay_out_spans(spans)

    assert found == [lay_out(meters) for meters in spans]
    assert place_of(regular[4].slot, ts)[0] == BEGIN

"""The connection ends in the middle of COMMIT, and nobody knows what became of it."""

import random
from collections.abc import Iterator

import pytest

from storage.errors import DatabaseUnavailable
from tests.torture.conftest import Served
from tests.torture.proxy import Cut, CuttingProxy
from tests.torture.store import Store, ticks


@pytest.fixture
def proxy(served: Served) -> Iterator[CuttingProxy]:
    with CuttingProxy(served.url) as proxy:
        yield proxy


@pytest.fixture
def direct(served: Served) -> Iterator[Store]:
    store = Store(served.url)
    yield store
    store.database.dispose()


@pytest.fixture
def store(proxy: CuttingProxy) -> Iterator[Store]:
    store = Store(proxy.url)
    yield store
    store.database.dispose()


@pytest.mark.parametrize("cut", list(Cut))
def test_a_batch_whose_commit_is_unknown_is_unavailable_and_counts_once(
    proxy: CuttingProxy, store: Store, direct: Store, cut: Cut
) -> None:
    store.tell(ticks(0))  # names have their numbers now: the next COMMIT is that of the samples
    proxy.plan(cut)

    with pytest.raises(DatabaseUnavailable):
        store.tell(ticks(1))

    kept = len(ticks(1)) if cut is Cut.AFTER else 0
    assert direct.counted() == (store.acknowledged + kept,) * 3
    store.tell(ticks(1))
    assert store.is_right()


def test_any_commit_may_be_cut_at_any_time(proxy: CuttingProxy, store: Store, direct: Store) -> None:
    chance = random.Random(5)
    number, unknown = 0, 0
    proxy.plan(*chance.choices([None, *Cut], (6, 1, 1), k=150))

    while not proxy.is_over:
        try:
            if chance.random() < 0.6:
                unknown = len(ticks(number))
                store.tell(ticks(number))
                number, unknown = number + 1, 0
            else:
                store.maintain()
        except DatabaseUnavailable:
            pass
        counts = direct.counted()
        assert counts in {(store.acknowledged,) * 3, (store.acknowledged + unknown,) * 3}

    store.tell(ticks(number))
    store.maintain()
    assert store.is_right()
    assert proxy.cuts > 20

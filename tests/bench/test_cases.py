"""Every case of the bench runs from end to end on a tiny cloud, and every answer in it is right."""

import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from bench.case import Case
from bench.cases import CASES
from bench.lab import SHORT, Lab
from tests.servers import Missing


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with closing(Lab(SHORT, lambda _: None)) as lab:
        yield lab


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_a_case_answers_as_numpy_does(case: type[Case], lab: Lab) -> None:
    """How fast it was is not looked at: other tests run beside it."""
    try:
        rows = list(case().run(lab))
    except Missing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))

    assert rows
    assert all(row.value > 0 for row in rows)


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.name for case in CASES]

    assert len(set(names)) == len(names)

"""One sample in a hundred comes a day late."""

import functools
from collections.abc import Collection, Iterator
from contextlib import closing

import numpy as np

from bench import messages
from bench.filling import transactions, visits_in
from bench.lab import Lab
from bench.measure import seconds, undisturbed
from bench.messages import Visit
from bench.oracle import by_instance_and_hour, check, check_count, is_exact
from bench.product import Store, answer
from bench.rows import Row, at_least
from bench.workload import CPU, METERS, POLLS_A_DAY, SEED, STEP, Workload

SHARE = 0.01


class Late:
    """Two copies of a day in which some readings are missing go on; one of them gets those as well."""

    name = "late"

    def run(self, lab: Lab) -> Iterator[Row]:
        day, spare = lab.workload("day"), lab.scale.spare
        last = lab.scale.month.polls + spare
        both = lab.month_and_more.part(last - spare - POLLS_A_DAY, last)
        withheld = _withheld(day, spare)
        lab.say("filling our store: a day with holes")
        url = lab.fill(lab.postgresql.create_database(), day, withheld=withheld).url
        with closing(Store(lab.clone(url))) as punctual, closing(Store(lab.clone(url))) as late:
            rates = _rates(both, punctual, late, withheld)
            samples = both.size.samples
            check_count(
                "samples without the late ones", punctual.count(both), samples - len(withheld) * len(METERS)
            )
            check_count("samples with the late ones", late.count(both), samples)
            truth = by_instance_and_hour(both, CPU, both.members(0))
            check(
                "a project with late samples",
                answer(late.project_by_hour(both, CPU, 0)),
                truth,
                exact=is_exact(CPU),
            )
        yield at_least("ingest with 1 % a day late", rates[1], "samples/s", rates[0], 0.8)


def _withheld(day: Workload, polls: int) -> frozenset[Visit]:
    """A hundredth of the visits of the day's first polls."""
    random = np.random.default_rng(SEED)
    chosen = random.random((day.size.instances, min(polls, POLLS_A_DAY))) < SHARE
    return frozenset((int(instance), int(poll)) for instance, poll in np.argwhere(chosen))


def _rates(both: Workload, punctual: Store, late: Store, withheld: Collection[Visit]) -> tuple[float, float]:
    """Samples a second without and with late ones, upkeep of each hour not counted."""
    times, samples = [0.0, 0.0], [0, 0]
    for polls in transactions(both, POLLS_A_DAY, both.size.polls):
        now = both.begin + polls.stop * STEP
        fresh = visits_in(both, polls)
        old = [visit for visit in withheld if visit[1] + POLLS_A_DAY in polls]
        for place, store, visits in ((0, punctual, fresh), (1, late, fresh + old)):
            batch = messages.batch(both, visits)
            with undisturbed():
                times[place] += seconds(functools.partial(store.store, batch, now))
            samples[place] += len(batch)
            store.maintain(now)
    return samples[0] / times[0], samples[1] / times[1]

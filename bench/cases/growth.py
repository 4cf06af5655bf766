"""Whether a month of data makes slower what is asked and stored all day."""

import functools
import statistics
from collections.abc import Callable, Iterator
from contextlib import closing

from bench import messages
from bench.filling import transactions, visits_in
from bench.lab import Lab
from bench.measure import in_turn, interleaved, seconds, undisturbed
from bench.oracle import check_count, check_readings, common_flavor, newest
from bench.product import Store, readings
from bench.rows import Row, at_most
from bench.workload import CPU, DAY, METERS, STEP, Workload

NEWEST = 100
PROJECT = 1


class GrowthOfAnswers:
    """The last day alone against the whole month, in this process."""

    name = "growth-answers"

    def run(self, lab: Lab) -> Iterator[Row]:
        day, month = lab.filled("day"), lab.filled("month")
        workload = lab.workload("month")
        flavor = common_flavor(workload, workload.members(PROJECT))
        with closing(Store(day.url)) as young, closing(Store(month.url)) as old:
            _check(workload, flavor, young, old)
            acts: dict[str, Callable[[Store], Callable[[], object]]] = {
                "latest": lambda store: functools.partial(store.latest, workload, CPU, PROJECT),
                "last 10 minutes": lambda store: in_turn(
                    functools.partial(_last_minutes, store, workload), workload.members(PROJECT)
                ),
                "newest 100": lambda store: functools.partial(
                    store.newest_of_flavor, CPU, PROJECT, flavor, NEWEST
                ),
            }
            for title, act in acts.items():
                times = interleaved({"day": act(young), "month": act(old)}, 4 * lab.scale.rounds)
                yield at_most(f"{title}, 30 days against 1", times["month"], "ms", times["day"], 1.3)


class GrowthOfIngest:
    """The hours after, stored into a copy of the last day and into one of the month."""

    name = "growth-ingest"

    def run(self, lab: Lab) -> Iterator[Row]:
        day, month = lab.filled("day"), lab.filled("month")
        with closing(Store(lab.clone(day.url))) as young, closing(Store(lab.clone(month.url))) as old:
            taken: dict[str, list[float]] = {"day": [], "month": []}
            workload, first = lab.month_and_more, lab.scale.month.polls
            for polls in transactions(workload, first, workload.size.polls):
                batch, now = (
                    messages.batch(workload, visits_in(workload, polls)),
                    workload.begin + polls.stop * STEP,
                )
                for name, store in (("day", young), ("month", old)):
                    store.make_ahead(now)
                    with undisturbed():
                        taken[name].append(seconds(functools.partial(store.store, batch, now)))
            more = lab.scale.spare * workload.size.instances * len(METERS)
            check_count("samples after a month and some hours", old.count(workload), month.samples + more)
            times = {name: statistics.median(each) * 1000 for name, each in taken.items()}
            yield at_most(
                "a transaction of ingest, 30 days against 1", times["month"], "ms", times["day"], 1.3
            )


def _last_minutes(store: Store, workload: Workload, instance: int) -> object:
    return store.of_resource_since(instance, workload.end - 2 * STEP)


def _check(workload: Workload, flavor: int, young: Store, old: Store) -> None:
    """Both have to answer the same, and rightly."""
    members = workload.members(PROJECT)
    for name, store in (("a day", young), ("a month", old)):
        told = readings(store.latest(workload, CPU, PROJECT))
        check_count(f"latest of {name}", len(told), len(members))
        check_readings(f"latest of {name}", told, newest(workload, [CPU], members, since=workload.end - STEP))
        since = workload.end - 2 * STEP
        told = readings(store.of_resource_since(members[0], since))
        truth = newest(workload, range(len(METERS)), [members[0]], since=since)
        check_count(f"last minutes of {name}", len(told), len(truth))
        check_readings(f"last minutes of {name}", told, truth)
        told = readings(store.newest_of_flavor(CPU, PROJECT, flavor, NEWEST))
        truth = newest(workload, [CPU], members, since=workload.end - DAY, flavor=flavor)
        check_count(f"newest of {name}", len(told), min(NEWEST, len(truth)))
        check_readings(f"newest of {name}", told, truth)

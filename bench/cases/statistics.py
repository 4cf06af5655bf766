"""Statistics of a month, against rows + roll-up; ours has no roll-up to be asked for, it finds the way itself."""

import functools
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, closing

from bench.faces import About, Face, Ours, RowsAndRollup
from bench.lab import Lab, Span
from bench.measure import in_turn, interleaved, seconds, undisturbed
from bench.oracle import by_instance_and_hour, by_project, check, is_exact
from bench.peers import rollup
from bench.peers.rollup import Rollup
from bench.product import Store, answer
from bench.rows import Row, at_most, faster
from bench.workload import CPU, CPU_UTIL, METERS, Workload, project_name

FIRST_TIMES = 9


class ProjectByHour:
    """The month of one project, by resource and hour."""

    name = "statistics-project"

    def run(self, lab: Lab) -> Iterator[Row]:
        workload, project = lab.workload("month"), 1
        span = rollup.Span(workload.begin, workload.end)
        with closing(Store(lab.filled("month").url)) as ours, closing(Rollup(lab.rolled_up("month"))) as rows:
            for meter in (CPU_UTIL, CPU):
                ask = functools.partial(ours.project_by_hour, workload, meter, project)
                ask_rows = functools.partial(
                    rows.project_by_hour, METERS[meter].name, project_name(project), span
                )
                truth = by_instance_and_hour(workload, meter, workload.members(project))
                check("a project by hour", answer(ask()), truth, exact=is_exact(meter))
                check("a project by hour, rows + roll-up", rollup.hours(ask_rows()), truth, exact=False)
            times = interleaved({"ours": ask, "rows": ask_rows}, lab.scale.rounds)
            yield faster("month of a project, by resource and hour", times["ours"], times["rows"], 8)
        first = statistics.median(_first_time(lab, workload, project) for _ in range(FIRST_TIMES))
        ratio = times["rows"] / first
        yield Row("month of a project, days nobody decoded before", first, "ms", times["rows"], ratio)


def _first_time(lab: Lab, workload: Workload, project: int) -> float:
    """Milliseconds of a process that was asked about another meter before."""
    with closing(Store(lab.filled("month").url)) as ours:
        for _ in range(2):
            ours.project_by_hour(workload, CPU_UTIL, project)
        with undisturbed():
            return seconds(lambda: ours.project_by_hour(workload, CPU, project)) * 1000


class CloudByProject:
    """The month of the whole cloud, by project."""

    name = "statistics-cloud"

    def run(self, lab: Lab) -> Iterator[Row]:
        workload = lab.workload("month")
        span = rollup.Span(workload.begin, workload.end)
        with closing(Store(lab.filled("month").url)) as ours, closing(Rollup(lab.rolled_up("month"))) as rows:
            for meter in (CPU_UTIL, CPU):
                ask = functools.partial(ours.cloud_by_project, workload, meter)
                ask_rows = functools.partial(rows.cloud_by_project, METERS[meter].name, span)
                truth = by_project(workload, meter)
                check("a cloud by project", answer(ask()), truth, exact=is_exact(meter))
                check("a cloud by project, rows + roll-up", rollup.projects(ask_rows()), truth, exact=False)
            times = interleaved({"ours": ask, "rows": ask_rows}, lab.scale.rounds)
            yield faster("month of the cloud, by project", times["ours"], times["rows"], 20)


class ResourceByHour:
    """One resource by hour, both over HTTP."""

    name = "statistics-resource"

    def run(self, lab: Lab) -> Iterator[Row]:
        spans: tuple[tuple[Span, str], ...] = (("half day", "12 h"), ("month", "30 days"))
        for span, title in spans:
            times = self._times(lab, span)
            yield at_most(f"a resource by hour, {title}, HTTP", times["ours"], "ms", times["rows"], 1.5)

    def _times(self, lab: Lab, span: Span) -> dict[str, float]:
        workload = lab.workload(span)
        abouts = [About(workload, CPU, 1, instance, 0) for instance in workload.members(1)]
        with ExitStack() as stack:
            faces: dict[str, Face] = {
                "ours": Ours(stack.enter_context(closing(lab.api(span).asked()))),
                "rows": RowsAndRollup(stack.enter_context(closing(lab.web(span).asked()))),
            }
            for about in abouts[:3]:
                truth = by_instance_and_hour(workload, CPU, [about.instance])
                for name, face in faces.items():
                    check(name, face.figures(face.resource_by_hour(about)), truth, exact=False)
            # Another instance each time, so that nobody answers from a cache of answers.
            acts = {name: in_turn(face.resource_by_hour, abouts) for name, face in faces.items()}
            return interleaved(acts, 3 * lab.scale.rounds)

"""What dashboards ask all day: the latest values and the newest samples, over HTTP."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Protocol

from bench.faces import NEWEST, About, Face, Ours, RowsAndRollup
from bench.lab import Lab
from bench.measure import in_turn, interleaved
from bench.oracle import Reading, check_count, check_readings, common_flavor, newest, rounded
from bench.rows import Row, at_most
from bench.workload import CPU, METERS, STEP

PROJECTS = 10


class _Question(Protocol):
    title: str

    def ask(self, face: Face) -> Callable[[About], bytes]: ...

    def truth(self, about: About) -> Sequence[Reading]:
        """What may be answered, newest first; of the oldest moment there may be more than fits."""
        ...


class _Latest:
    title = "latest of a project's resources"

    def ask(self, face: Face) -> Callable[[About], bytes]:
        return face.latest

    def truth(self, about: About) -> Sequence[Reading]:
        workload = about.workload
        members = workload.members(about.project)
        return newest(workload, [about.meter], members, since=workload.end - STEP)


class _LastMinutes:
    title = "last 10 minutes of a resource"

    def ask(self, face: Face) -> Callable[[About], bytes]:
        return face.last_minutes

    def truth(self, about: About) -> Sequence[Reading]:
        return newest(about.workload, range(len(METERS)), [about.instance], since=about.since)


class _Newest:
    title = f"{NEWEST} newest by project, meter and flavour"

    def ask(self, face: Face) -> Callable[[About], bytes]:
        return face.newest

    def truth(self, about: About) -> Sequence[Reading]:
        members = about.workload.members(about.project)
        return newest(about.workload, [about.meter], members, flavor=about.flavor)


class Recent:
    """Three questions, each also put to rows + roll-up, and to a server that has its answer ready."""

    name = "recent"

    def run(self, lab: Lab) -> Iterator[Row]:
        abouts = _abouts(lab)
        with ExitStack() as stack:
            ours = Ours(stack.enter_context(closing(lab.api("half day").asked())))
            rows = RowsAndRollup(stack.enter_context(closing(lab.web("half day").asked())))
            ready = stack.enter_context(closing(lab.bare.asked()))
            questions: tuple[_Question, ...] = (_Latest(), _LastMinutes(), _Newest())
            for question in questions:
                size = max(len(_checked(question, face, abouts)) for face in (ours, rows))
                times = interleaved(
                    {
                        "ours": in_turn(question.ask(ours), abouts),
                        "rows": in_turn(question.ask(rows), abouts),
                        "bare": in_turn(ready.get, [f"/{size}"]),
                    },
                    4 * lab.scale.rounds,
                )
                yield at_most(
                    f"{question.title}, against rows + roll-up", times["ours"], "ms", times["rows"], 1
                )
                yield at_most(f"{question.title}, against bare HTTP", times["ours"], "ms", times["bare"], 3)
                others = _others(lab)
                acts = {
                    "ours": _first_times(question.ask(ours), others),
                    "bare": in_turn(ready.get, [f"/{size}"]),
                }
                times = interleaved(acts, len(others) - 1)
                ratio = times["ours"] / times["bare"]
                yield Row(
                    f"{question.title}, rows never asked for", times["ours"], "ms", times["bare"], ratio
                )


def _others(lab: Lab) -> list[About]:
    """The same questions about other meters and instances."""
    return [
        replace(about, meter=meter, instance=about.instance + meter)
        for meter in range(CPU + 1, len(METERS))
        for about in _abouts(lab)
    ]


def _first_times(ask: Callable[[About], object], abouts: Sequence[About]) -> Callable[[], object]:
    """Asks about other rows each time; the way to them is known, as to whoever asked before the last poll."""
    for about in abouts:
        ask(about)
    return in_turn(ask, abouts)


def _abouts(lab: Lab) -> list[About]:
    """A question for each project: its first instance, and the flavour most of its instances have."""
    workload = lab.half_day
    return [
        About(workload, CPU, project, members[0], common_flavor(workload, members))
        for project in range(min(PROJECTS, workload.projects))
        for members in [workload.members(project)]
    ]


def _checked(question: _Question, face: Face, abouts: Sequence[About]) -> bytes:
    """The body about the first, once the answers about the first three are right."""
    bodies = [question.ask(face)(about) for about in abouts[:3]]
    for about, body in zip(abouts, bodies, strict=False):
        truth, told = rounded(question.truth(about)), face.readings(body)
        what = f"{question.title}, {type(face).__name__}"
        check_count(what, len(told), min(NEWEST, len(truth)))
        check_readings(what, told, truth)
    return bodies[0]

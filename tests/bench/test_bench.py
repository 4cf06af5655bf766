"""What a run of the bench says and how it ends."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench import rows
from bench.__main__ import main
from bench.case import Case
from bench.lab import Lab
from bench.oracle import by_instance_and_hour, by_project, check, check_readings, newest
from bench.rows import Row, WrongAnswer
from bench.workload import CPU, CPU_UTIL, METERS, POLLS_AN_HOUR, STEP, Size, Workload, make

CLOUD = make(Size(8, 4, 3, 4 * POLLS_AN_HOUR), begin=0)


class Fast:
    name = "fast"

    def run(self, lab: Lab) -> Iterator[Row]:
        yield rows.at_least("quick thing", 300, "samples/s", 100, 2)


class Slow:
    name = "slow"

    def run(self, lab: Lab) -> Iterator[Row]:
        yield rows.at_most("slow thing", 9, "ms", 3, 2)


class Wrong:
    name = "wrong"

    def run(self, lab: Lab) -> Iterator[Row]:
        yield rows.no_more("before the mistake", 1, "B", 2)
        raise WrongAnswer("7 instead of 8")


class Broken:
    name = "broken"

    def run(self, lab: Lab) -> Iterator[Row]:
        raise ZeroDivisionError
        yield


def run(folder: Path, *arguments: str, cases: Sequence[type[Case]]) -> int:
    return main(["--short", "--out", str(folder), *arguments], cases)


def test_a_missed_target_is_shown_and_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(tmp_path, cases=[Fast, Slow])

    assert status == 0
    assert "NO" in capsys.readouterr().out


def test_a_missed_target_fails_a_strict_run(tmp_path: Path) -> None:
    assert run(tmp_path, "--strict", cases=[Fast, Slow]) == 1


def test_a_strict_run_that_holds_every_target_is_fine(tmp_path: Path) -> None:
    assert run(tmp_path, "--strict", cases=[Fast]) == 0


def test_a_wrong_answer_fails_the_run_and_the_other_cases_still_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(tmp_path, cases=[Wrong, Fast])

    told = capsys.readouterr()
    assert status == 1
    assert "7 instead of 8" in told.err
    assert "quick thing" in told.out


def test_a_case_that_breaks_fails_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, cases=[Broken]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_only_what_was_asked_for_is_run(tmp_path: Path) -> None:
    assert run(tmp_path, "--only", "fa|slo", cases=[Fast, Slow, Broken]) == 0


def test_a_name_that_no_case_has_is_refused_with_the_names_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--only", "nothing", cases=[Fast, Slow]) == 2
    assert "fast, slow" in capsys.readouterr().err


def test_the_rows_are_kept_as_json(tmp_path: Path) -> None:
    run(tmp_path, cases=[Fast, Slow])

    fast, slow = json.loads((tmp_path / "latest.json").read_text())
    assert fast == {
        "name": "quick thing",
        "value": 300,
        "unit": "samples/s",
        "limit": 100,
        "ratio": 3,
        "target": "≥ 2 × limit",
        "holds": True,
    }
    assert slow["holds"] is False


def test_the_table_is_kept_for_documents(tmp_path: Path) -> None:
    run(tmp_path, cases=[Fast, Slow])

    told = (tmp_path / "latest.md").read_text()
    assert "| quick thing | 300 | samples/s | 100 | 3 | ≥ 2 × limit | yes |" in told
    assert "| slow thing | 9 | ms | 3 | 3 | ≤ 2 × limit | **no** |" in told


def test_faster_counts_how_many_times() -> None:
    row = rows.faster("thing", 2, 20, 8)

    assert (row.ratio, row.holds) == (10, True)


def test_the_same_seed_makes_the_same_cloud() -> None:
    again = make(CLOUD.size, begin=0)

    assert all(np.array_equal(one, other) for one, other in zip(CLOUD.volumes, again.volumes, strict=True))
    assert np.array_equal(CLOUD.times, again.times)
    assert CLOUD.phases == again.phases


def test_counters_fall_when_a_new_phase_begins_and_only_then() -> None:
    cloud = make(Size(200, 100, 10, 4 * POLLS_AN_HOUR), begin=0)

    falls, begins = np.diff(cloud.volumes[CPU], axis=1) < 0, np.diff(cloud.lives, axis=1) > 0
    assert falls.any()
    assert begins[falls].all()


def test_a_part_of_a_cloud_holds_the_same_readings() -> None:
    part = CLOUD.part(POLLS_AN_HOUR, 2 * POLLS_AN_HOUR)

    assert part.end == 2 * POLLS_AN_HOUR * STEP
    hour = by_instance_and_hour(CLOUD, CPU, [3])[3, part.begin]
    assert by_instance_and_hour(part, CPU, [3]) == {(3, part.begin): hour}


def test_sums_are_exact_beyond_64_bits() -> None:
    huge = replace(CLOUD, volumes=tuple(np.full_like(volumes, 2**62) for volumes in CLOUD.volumes[:1]))

    answer = by_project(huge, CPU)

    assert answer[0, 0].total == 2**62 * 4 * CLOUD.size.polls


def test_an_integer_that_is_off_by_one_is_a_wrong_answer() -> None:
    truth = by_project(CLOUD, CPU)
    wrong = {**truth, (0, 0): replace(truth[0, 0], total=truth[0, 0].total + 1)}

    with pytest.raises(WrongAnswer):
        check("sums", wrong, truth, exact=True)


def test_a_group_that_is_missing_is_a_wrong_answer() -> None:
    truth = by_project(CLOUD, CPU_UTIL)

    with pytest.raises(WrongAnswer):
        check("sums", {(0, 0): truth[0, 0]}, truth, exact=False)


def test_a_float_may_be_rounded_but_not_wrong() -> None:
    truth = by_project(CLOUD, CPU_UTIL)
    near = {key: replace(right, total=right.total * (1 + 1e-12)) for key, right in truth.items()}
    far = {key: replace(right, total=right.total * (1 + 1e-6)) for key, right in truth.items()}

    check("sums", near, truth, exact=False)
    with pytest.raises(WrongAnswer):
        check("sums", far, truth, exact=False)


def test_samples_that_are_not_the_newest_are_a_wrong_answer() -> None:
    truth = newest(CLOUD, range(len(METERS)), [0])

    check_readings("newest", truth[:10], truth)
    with pytest.raises(WrongAnswer):
        check_readings("newest", truth[10:20], truth)


def test_a_sample_told_twice_is_a_wrong_answer() -> None:
    truth = newest(CLOUD, range(len(METERS)), [0])

    with pytest.raises(WrongAnswer):
        check_readings("newest", [truth[0], truth[0]], truth)


def all_messages(workload: Workload) -> list[int]:
    return [instance for members in workload.messages(0) for instance in members]


def test_every_instance_is_in_one_message_of_a_poll() -> None:
    assert sorted(all_messages(CLOUD)) == list(range(CLOUD.size.instances))

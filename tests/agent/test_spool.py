from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agent import segment
from agent.errors import SpoolLocked, SpoolUnavailable
from agent.spool import Spool
from tests.agent.spools import PAYLOADS, opened, segments, take_all, written


def test_payloads_come_out_in_the_order_they_went_in(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=100) as spool:
        spool.append(PAYLOADS[:5])
        spool.append(PAYLOADS[5:])

        assert take_all(spool) == PAYLOADS
        assert spool.waiting_bytes == 0


def test_the_oldest_stays_until_it_is_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append(PAYLOADS)

        assert [spool.oldest(), spool.oldest()] == [spool.oldest()] * 2


def test_what_was_forgotten_stays_forgotten_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=200) as spool:
        spool.append(PAYLOADS)
        for _ in range(5):
            record = spool.oldest()
            assert record is not None
            spool.forget(record)

    with opened(tmp_path) as spool:
        assert take_all(spool) == PAYLOADS[5:]


def test_a_lost_position_costs_a_second_delivery_and_nothing_else(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        spool.append(PAYLOADS)
        record = spool.oldest()
        assert record is not None
        spool.forget(record)
    (tmp_path / "position").write_bytes(b"\0\0\0")

    with opened(tmp_path) as spool:
        assert take_all(spool) == PAYLOADS


def test_delivered_segments_leave_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=100) as spool:
        for payload in PAYLOADS:
            spool.append([payload])
        assert len(segments(tmp_path)) == 6
        take_all(spool)

        assert len(segments(tmp_path)) == 1


def test_a_second_agent_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        with pytest.raises(SpoolLocked, match="another agent"):
            Spool(tmp_path)
        spool.append(PAYLOADS)

        assert take_all(spool) == PAYLOADS


def test_the_folder_is_free_again_when_the_agent_is_gone(tmp_path: Path) -> None:
    written(tmp_path)

    with opened(tmp_path) as spool:
        assert take_all(spool) == PAYLOADS


def test_only_its_owner_can_look_into_the_folder(tmp_path: Path) -> None:
    with opened(tmp_path / "spool"):
        assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SpoolUnavailable, match="file/spool"):
        Spool(tmp_path / "file" / "spool")


@hypothesis_settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(
        st.one_of(st.binary(min_size=1, max_size=60), st.just("take"), st.just("restart")), max_size=40
    ),
    segment_bytes=st.integers(1, 300),
)
def test_a_spool_is_a_queue_through_any_number_of_restarts(
    steps: list[bytes | str], segment_bytes: int
) -> None:
    with TemporaryDirectory() as name:
        expected: list[bytes] = []
        spool = Spool(Path(name), segment_bytes=segment_bytes)
        for step in steps:
            if isinstance(step, bytes):
                spool.append([step])
                expected.append(step)
            elif step == "restart":
                spool.close()
                spool = Spool(Path(name), segment_bytes=segment_bytes)
            elif (record := spool.oldest()) is not None:
                assert record.payload == expected.pop(0)
                spool.forget(record)
        assert spool.waiting_bytes == sum(len(segment.encode(payload)) for payload in expected)
        assert take_all(spool) == expected
        spool.close()


def drop_every_second(payloads: Iterable[bytes]) -> list[bytes]:
    return list(payloads)[::2]


def test_shrinking_thins_the_oldest_sealed_segments_first_and_keeps_the_order(tmp_path: Path) -> None:
    written(tmp_path, segment_bytes=200)  # three payloads in a segment
    with opened(tmp_path) as spool:
        first = spool.oldest()
        assert spool.shrink(drop_every_second) == []
        assert spool.shrink(drop_every_second) == []

        assert first == spool.oldest()  # what is being delivered is not touched
        kept = [*PAYLOADS[:3], PAYLOADS[3], PAYLOADS[5], PAYLOADS[6], PAYLOADS[8], *PAYLOADS[9:]]
        assert take_all(spool) == kept


def test_what_was_thinned_is_dropped_whole_when_that_is_not_enough(tmp_path: Path) -> None:
    written(tmp_path, segment_bytes=200)
    with opened(tmp_path) as spool:
        record = spool.oldest()
        assert record is not None
        spool.forget(record)
        shrunk = [spool.shrink(drop_every_second) for _ in range(6)]

        assert shrunk[:3] == [[], [], []]
        assert shrunk[3:5] == [PAYLOADS[1:3], [PAYLOADS[3], PAYLOADS[5]]]


def test_a_spool_shrinks_down_to_the_segment_being_written(tmp_path: Path) -> None:
    with opened(tmp_path, segment_bytes=200) as spool:
        for payload in PAYLOADS:
            spool.append([payload])
        shrunk = []
        while (dropped := spool.shrink(drop_every_second)) is not None:
            shrunk.append(dropped)

        assert take_all(spool) == PAYLOADS[9:]


def test_forgetting_what_was_dropped_meanwhile_does_no_harm(tmp_path: Path) -> None:
    written(tmp_path, segment_bytes=200)
    with opened(tmp_path) as spool:
        record = spool.oldest()
        assert record is not None
        for _ in range(4):
            spool.shrink(list)
        spool.forget(record)

        assert take_all(spool) == PAYLOADS[3:]


def test_an_interrupted_thinning_neither_loses_nor_doubles(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.with_suffix(".new").write_bytes(b"half")
    with opened(tmp_path) as spool:
        assert take_all(spool) == PAYLOADS

    path = written(tmp_path)
    path.with_suffix(".thin").write_bytes(segment.encode(PAYLOADS[0]))  # renamed, the whole one not yet gone
    with opened(tmp_path) as spool:
        assert take_all(spool) == [PAYLOADS[0]]

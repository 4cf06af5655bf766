"""What damage, sudden ends and full disks cost a spool."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from agent import segment
from agent.errors import SpoolUnavailable
from tests.agent.spools import PAYLOADS, opened, segments, take_all, written


@pytest.mark.parametrize("cut", [1, 11, 12, 13, 40])
def test_a_torn_tail_loses_only_what_was_torn(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])

    with opened(tmp_path) as spool:
        assert take_all(spool) == PAYLOADS[:-1]
        assert spool.lost_bytes > 0


def test_a_torn_tail_does_not_hide_what_is_written_after_it(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-3])

    with opened(tmp_path) as spool:
        spool.append([b"new"])

        assert take_all(spool) == [*PAYLOADS[:-1], b"new"]


def test_a_flipped_bit_loses_one_payload_and_is_said_once(tmp_path: Path) -> None:
    path = written(tmp_path)
    data = bytearray(path.read_bytes())
    size = len(segment.encode(PAYLOADS[0]))
    data[size + 20] ^= 0x10

    path.write_bytes(data)
    with capture_logs() as logs, opened(tmp_path) as spool:
        assert take_all(spool) == [PAYLOADS[0], *PAYLOADS[2:]]
        assert spool.lost_bytes == size
    assert [entry["event"] for entry in logs] == ["spool_damaged"]


def test_a_length_gone_wrong_does_not_swallow_its_followers(tmp_path: Path) -> None:
    path = written(tmp_path)
    data = bytearray(path.read_bytes())
    data[4:8] = (100).to_bytes(4, "little")
    path.write_bytes(data)

    with opened(tmp_path) as spool:
        assert take_all(spool) == PAYLOADS[1:]


@pytest.mark.parametrize("filler", [b"\0", b"\xff", b"\x89NPH"])
def test_a_filled_tail_is_lost_and_counted_once(tmp_path: Path, filler: bytes) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes() + filler * 1000)

    with opened(tmp_path) as spool:
        assert take_all(spool) == PAYLOADS
        assert spool.lost_bytes == len(filler) * 1000


def test_a_segment_of_nothing_but_zeros_is_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, segment_bytes=100)
    size = path.stat().st_size
    path.write_bytes(bytes(size))

    with opened(tmp_path) as spool:
        taken = take_all(spool)

    assert taken == PAYLOADS[-len(taken) :]
    assert len(taken) == 10


def test_an_emptied_segment_is_no_obstacle(tmp_path: Path) -> None:
    written(tmp_path, segment_bytes=100).write_bytes(b"")

    with opened(tmp_path) as spool:
        assert take_all(spool) == PAYLOADS[2:]


def test_strange_files_are_left_alone(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "note.txt").write_text("mine")
    (tmp_path / "x.seg").write_text("not a number")

    with opened(tmp_path) as spool:
        assert take_all(spool) == PAYLOADS
    assert (tmp_path / "note.txt").read_text() == "mine"


@hypothesis_settings(max_examples=200, deadline=None)
@given(
    payloads=st.lists(st.binary(max_size=200).map(lambda raw: raw.replace(b"\x89", b"")), max_size=12),
    damage=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, 50),
    segment_bytes=st.integers(1, 600),
)
def test_whatever_happens_to_the_files_the_rest_comes_out_in_order(
    payloads: list[bytes], damage: list[tuple[int, int]], cut: int, segment_bytes: int
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        with opened(folder, segment_bytes) as spool:
            for payload in payloads:
                spool.append([payload])
        hit: set[int] = set()
        position = 0
        starts = _spoil(folder, damage, cut, hit)
        with opened(folder) as spool:
            taken = take_all(spool)

        unhurt = [payload for number, payload in enumerate(payloads) if not hit & set(range(*starts[number]))]
        for payload in unhurt:
            position = taken.index(payload, position) + 1
        assert len(taken) <= len(payloads)


def _spoil(folder: Path, damage: list[tuple[int, int]], cut: int, hit: set[int]) -> list[tuple[int, int]]:
    """Damage bytes of the folder as if its segments were one file, and tear its tail.

    `hit` takes the places that changed; returns where each record begins and ends.
    """
    paths = segments(folder)
    data = bytearray(b"".join(path.read_bytes() for path in paths))
    starts, end = [], 0
    while (found := segment.find(bytes(data), end)) is not None:
        starts.append((end, found.end))
        end = found.end
    for place, value in damage:
        if place < len(data) and data[place] != value:
            hit.add(place)
            data[place] = value
    hit.update(range(len(data) - cut, len(data)))
    done = 0
    for path in paths:
        size = path.stat().st_size
        path.write_bytes(data[done : min(done + size, len(data) - cut)])
        done += size
    return starts


@pytest.mark.parametrize("round_number", range(5))
def test_what_append_returned_from_survives_a_kill(tmp_path: Path, round_number: int) -> None:
    command = [sys.executable, "-m", "tests.agent.spool_writer", str(tmp_path)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    for _ in range(5 + 37 * round_number):
        writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    acknowledged = 5 + 37 * round_number + len(writer.stdout.read().split())
    writer.stdout.close()
    writer.wait()

    with opened(tmp_path) as spool:
        taken = take_all(spool)

    expected = [f"{n}.{part} ".encode() * (1 + n % 300) for n in range(acknowledged) for part in range(3)]
    assert taken[: len(expected)] == expected


def full_disk(_descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_takes_all_payloads_of_an_append_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as spool:
        spool.append([b"before"])
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full_disk)
            with pytest.raises(SpoolUnavailable, match="No space left"):
                spool.append([b"one", b"two"])
        spool.append([b"after"])

        assert take_all(spool) == [b"before", b"after"]
        assert spool.lost_bytes == 0


def test_a_disk_that_fills_up_in_the_middle_of_a_write_leaves_no_half_payload(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(tmp_path) as spool:
        spool.append([b"before" * 1000])
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))  # the kernel writes a part, then refuses
        try:
            with pytest.raises(SpoolUnavailable, match="File too large"):
                spool.append([b"one" * 100, b"two" * 5000])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        spool.append([b"after"])

        assert take_all(spool) == [b"before" * 1000, b"after"]
        assert spool.lost_bytes == 0

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.end_to_end.program import Api, Program, environment, eventually
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]


def tour() -> str:
    """The README's tour, as a script."""
    found = re.search(r"```sh tour\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found
    return found[1]


def test_the_readmes_tour_works_on_this_machine(folder: Path, port: int) -> None:
    url, receiver_port = f"http://127.0.0.1:{port}", free_port()
    begun = time.monotonic()
    with Program("up", folder, {"api.port": str(port)}) as program:
        api = Api(url)
        eventually(
            lambda: program.out.read_text().startswith(f"Nephometer is at {url}"), "the URL is printed"
        )
        said = program.out.read_text()
        assert said.startswith(
            f"Nephometer is at {url} (API documentation: {url}/docs), its database is {folder}"
        )
        eventually(lambda: api.status("/readyz") == 200, "ready")
        eventually(lambda: bool(api.get("/v2/samples", limit="1")), "the first sample")
        assert time.monotonic() - begun < 15
        eventually(lambda: bool(api.get("/v2/meters/hardware.cpu.util/statistics")), "a second poll")

        done = subprocess.run(
            ["bash", "-eu", "-c", tour().replace("$PWD", str(ROOT))],
            env=environment(folder, {})
            | {"NEPHOMETER_URL": url, "RECEIVER_PORT": str(receiver_port), "PATH": os.environ["PATH"]},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

        assert done.returncode == 0, done.stdout + done.stderr
        assert "hardware.cpu.util" in done.stdout
        received = (folder / "received.txt").read_text()
        assert received.startswith("signature verified: ")
        webhook = json.loads(received.removeprefix("signature verified: "))
        assert (webhook["alarm_name"], webhook["current"]) == ("this machine works", "alarm")
        code, seconds = program.stop()
    assert code == 0
    assert seconds < 10


def test_a_second_start_goes_on_where_the_first_ended(folder: Path, port: int) -> None:
    api = Api(f"http://127.0.0.1:{port}")
    memory = {"q.field": "meter", "q.value": "hardware.memory.total"}
    known = 0
    for _ in range(2):
        with Program("up", folder, {"api.port": str(port), "agent.interval": "1"}):
            eventually(lambda: api.status("/readyz") == 200, "ready")
            count = partial(_count, api, memory)
            eventually(partial(_is_more, count, known), "a new sample")
            known = count()
    assert known >= 2


def _count(api: Api, query: dict[str, str]) -> int:
    return len(api.get("/v2/samples", limit="1000", **query))


def _is_more(count: Callable[[], int], than: int) -> bool:
    return count() > than

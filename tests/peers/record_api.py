"""`make peers`: what Ceilometer 9's API answers, kept beside this file.

    python -m tests.peers.record_api

It is the last Ceilometer that had one. `ceilometer9.py` runs it in `.cache/ceilometer9`, which `.ci/peers` made.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.peers.api_history import HISTORY
from tests.peers.api_questions import questions

ANSWERS = Path(__file__).with_name("api_answers.json")
PYTHON = Path(".cache/ceilometer9/bin/python")
PROGRAM = Path(__file__).with_name("ceilometer9.py")
# Told otherwise each time: when it was written down, and ids it makes itself.
RECORDED = re.compile(r'("recorded_at": )"[^"]*"')
MADE = re.compile(r'("(?:message_id|id)": )"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"')

Answer = tuple[int, str]


def answers() -> Mapping[str, Answer]:
    """What Ceilometer answered when it was last asked, by the name of the request."""
    kept = json.loads(ANSWERS.read_text())
    return {name: (status, kept["texts"][text]) for name, (status, text) in kept["answers"].items()}


def lasting(text: str) -> str:
    """An answer without what is another each time."""
    return MADE.sub(r'\1"<id>"', RECORDED.sub(r'\1"<time>"', text))


def main(say: Callable[[str], object] = sys.stdout.write) -> int:
    """The exit status."""
    asked = questions()
    requests = [
        {"who": one.who, "method": one.method, "path": re.sub(r"[{}]", "", one.path), "body": one.body} for one in asked
    ]  # fmt: skip
    done = subprocess.run(
        [str(PYTHON), "-W", "ignore", str(PROGRAM)],
        input=json.dumps({"history": HISTORY, "requests": requests}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        say(done.stderr)
        return 1
    texts: dict[str, int] = {}  # most are answered several times
    found = {
        one.name: (answer["status"], texts.setdefault(lasting(answer["text"]), len(texts)))
        for one, answer in zip(asked, json.loads(done.stdout), strict=True)
    }
    kept = {"texts": [*texts], "answers": found}
    ANSWERS.write_text(json.dumps(kept, indent=0, ensure_ascii=False) + "\n")
    say(f"Ceilometer 9: {len(found)} answers\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

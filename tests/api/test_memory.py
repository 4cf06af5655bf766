"""What a question needed stays with the process for the next one."""

import subprocess
import sys

import pytest

# Faults of pages while the same few megabytes are asked for again and again.
ASK = """
import resource
import numpy as np
from api.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(3 << 17) + np.ones(3 << 17)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

{call}
faults()
print(faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have another C library")
def test_pages_are_not_asked_for_anew_by_every_question() -> None:
    kept, given_back = (
        int(
            subprocess.run(
                [sys.executable, "-c", ASK.format(call=call)], check=True, capture_output=True
            ).stdout
        )
        for call in ("keep_freed_memory()", "")
    )

    assert kept < 100
    assert given_back > 10 * kept

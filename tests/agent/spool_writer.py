"""A process that writes to a spool until it is killed: says each number once its append has returned."""

import sys
from itertools import count
from pathlib import Path

from agent.spool import Spool


def main() -> None:
    """Append growing payloads, several at a time."""
    spool = Spool(Path(sys.argv[1]), segment_bytes=20_000)
    for number in count():
        spool.append([f"{number}.{part} ".encode() * (1 + number % 300) for part in range(3)])
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

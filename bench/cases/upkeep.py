"""What sealing and compaction cost, beside what ingest costs."""

from collections.abc import Iterator

from bench.lab import Lab
from bench.rows import Row, at_most


class Upkeep:
    """Processor time of this process and the server while a month was filled, hour by hour."""

    name = "upkeep"

    def run(self, lab: Lab) -> Iterator[Row]:
        filling = lab.filled("month")
        ingest, upkeep = (
            seconds * 1e6 / filling.samples for seconds in (filling.ingest_cpu_s, filling.upkeep_cpu_s)
        )
        yield at_most("sealing and compaction, processor", upkeep, "µs/sample", ingest, 0.3)

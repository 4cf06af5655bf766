"""Bytes a sample, with every index and name table, once maintenance has done what was due."""

from collections.abc import Iterator
from contextlib import closing

from bench import servers
from bench.lab import Lab, Span
from bench.oracle import check_count
from bench.product import Store
from bench.rows import Row, no_more
from bench.workload import DAY, Workload


class SizePostgreSQL:
    """Half a day and a month, the newest hours still open, and when all of it is sealed."""

    name = "size-postgresql"

    def run(self, lab: Lab) -> Iterator[Row]:
        spans: tuple[tuple[Span, str, float], ...] = (("half day", "12 h", 5), ("month", "30 days", 3))
        for span, title, bound in spans:
            filling = lab.filled(span)
            url = lab.clone(filling.url)
            still_open = servers.postgresql_bytes(url)
            _seal(url, lab.workload(span), filling.samples)
            sealed = servers.postgresql_bytes(url)
            rows = servers.postgresql_bytes(lab.rolled_up(span))
            yield no_more(f"bytes a sample, {title}, PostgreSQL", sealed / filling.samples, "B", bound)
            yield Row(f"bytes a sample, {title}, newest hours open", still_open / filling.samples, "B")
            yield Row(f"bytes a sample, {title}, rows + roll-up", rows / filling.samples, "B")


class SizeOthers:
    """Half a day in the other databases."""

    name = "size-others"

    def run(self, lab: Lab) -> Iterator[Row]:
        workload, file = lab.half_day, lab.new_folder() / "ours.db"
        lab.say("filling our store: SQLite")
        filling = lab.fill(f"sqlite:///{file}", workload)
        _seal(filling.url, workload, filling.samples)
        yield Row("bytes a sample, 12 h, SQLite", servers.sqlite_bytes(file) / filling.samples, "B")
        lab.say("filling our store: MariaDB")
        filling = lab.fill(lab.mariadb.create_database(), workload)
        _seal(filling.url, workload, filling.samples)
        size = servers.mariadb_bytes(filling.url)
        yield Row("bytes a sample, 12 h, MariaDB", size / filling.samples, "B")


def _seal(url: str, workload: Workload, samples: int) -> None:
    """Lets maintenance do what is due six hours after the last sample."""
    with closing(Store(url)) as store:
        store.maintain_by_hand(workload.end + DAY // 4)
        check_count("samples after maintenance", store.count(workload), samples)

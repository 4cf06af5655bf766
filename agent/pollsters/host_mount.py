from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from agent.pollsters.subject import Subject
from agent.reading import Mount
from storage.sample import Sample

KB = 1024


class HostMount:
    """hardware.disk.size.*: size and use of every mounted disk file system (gauge, KB of 1024 bytes).

    The resource is `<node>.<mount point>`, as in `cmp01./var`. Source: statvfs(3).
    """

    name = "host_mount"
    interval: timedelta | None = None

    def poll(self, mounts: Sequence[Mount], now: datetime) -> Iterator[Sample]:
        """Size and use per mount."""
        for mount in mounts:
            metadata = {
                "host": mount.node,
                "name": mount.point,
                "device": mount.device,
                "filesystem": mount.kind,
            }
            subject = Subject(f"{mount.node}.{mount.point}", now, "", metadata=metadata)
            yield from subject.gauges(
                ("hardware.disk.size.total", "KB", mount.total // KB),
                ("hardware.disk.size.used", "KB", mount.used // KB),
            )

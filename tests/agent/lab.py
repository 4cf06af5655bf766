"""A real libvirtd with real QEMU guests in namespaces of its own: nothing of the machine is touched.

The guests are emulated (TCG) and have no operating system, so they boot into nothing, which is enough
for every counter but the balloon driver's. Their generated network cards live in the private network.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import libvirt

from tests.servers import Missing

PROGRAMS = ("libvirtd", "qemu-system-x86_64", "qemu-img", "unshare", "ip")
READY_S = 30.0

# Debian's QEMU driver wants a user `libvirt-qemu` to exist, which another package would make.
SETUP = """
set -e
for d in /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt /run/libvirt; do
  mkdir -p "$d" "$LAB/private$d"
  mount --bind "$LAB/private$d" "$d"
done
for f in passwd group; do cp "/etc/$f" "$LAB/$f"; done
grep -q '^libvirt-qemu:' "$LAB/passwd" || echo 'libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin' >> "$LAB/passwd"
grep -q '^libvirt-qemu:' "$LAB/group" || echo 'libvirt-qemu:x:64055:' >> "$LAB/group"
for f in passwd group; do mount --bind "$LAB/$f" "/etc/$f"; done
mount -t sysfs sysfs /sys
ip link set lo up
mkdir -p "$LAB/socket" /etc/libvirt/qemu
cat > /etc/libvirt/qemu.conf <<END
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
remember_owner = 0
END
cat > "$LAB/libvirtd.conf" <<END
unix_sock_dir = "$LAB/socket"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
log_outputs = "3:file:$LAB/libvirtd.log"
END
exec "$PYTHON" -c "$FIRST"
"""

# The first process of the namespace: starts a daemon for each line it reads, buries the dead (libvirt waits
# for the guests it stops to be buried), and takes everything along when it ends, as it does with its input.
FIRST = """
import os, signal, sys

def bury(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass

signal.signal(signal.SIGCHLD, bury)
lab = os.environ["LAB"]
for _ in sys.stdin:
    os.spawnlp(os.P_NOWAIT, "libvirtd", "libvirtd", "-f", lab + "/libvirtd.conf", "-p", lab + "/libvirtd.pid")
"""

DOMAIN = """<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid>
<metadata><nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'><nova:name>web</nova:name>
<nova:flavor name='m1.tiny'><nova:memory>32</nova:memory><nova:disk>1</nova:disk>
<nova:ephemeral>0</nova:ephemeral><nova:swap>0</nova:swap><nova:vcpus>1</nova:vcpus></nova:flavor>
<nova:owner><nova:user uuid='user-1'>u</nova:user><nova:project uuid='project-1'>p</nova:project></nova:owner>
</nova:instance></metadata>
<memory unit='MiB'>32</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/>
<target dev='vda' bus='virtio'/></disk>
<interface type='ethernet'><mac address='{mac}'/><target dev='tap{number}'/><model type='virtio'/></interface>
<memballoon model='virtio'><stats period='10'/></memballoon></devices></domain>"""


class Lab:
    """One private node; `uri` is where an agent finds it. Raises Missing without root or the programs."""

    def __init__(self) -> None:
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        if missing or os.geteuid() != 0:
            raise Missing(f"a real hypervisor needs root and {', '.join(missing or PROGRAMS)}")
        self.folder = Path(tempfile.mkdtemp(prefix="lab"))
        self.uri = f"qemu:///system?socket={self.folder}/socket/libvirt-sock-ro"
        self._holder = subprocess.Popen(
            ["unshare", "-m", "-n", "-u", "-p", "--fork", "--mount-proc", "--kill-child", "sh", "-c", SETUP],
            env={**os.environ, "LAB": str(self.folder), "PYTHON": sys.executable, "FIRST": FIRST},
            stdin=subprocess.PIPE,
            text=True,
        )
        self.start_daemon()

    def start_daemon(self) -> None:
        """Start libvirtd and wait until it answers."""
        assert self._holder.stdin is not None
        self._holder.stdin.write("start\n")
        self._holder.stdin.flush()
        until = time.monotonic() + READY_S
        while True:
            try:
                self.writable().close()
                return
            except libvirt.libvirtError:
                if time.monotonic() > until:
                    log = self.folder / "libvirtd.log"
                    said = log.read_text()[-2000:] if log.exists() else "its namespaces could not be made"
                    self.close()
                    raise Missing(f"libvirtd did not start: {said}") from None
                time.sleep(0.1)

    def kill_daemon(self) -> None:
        """End libvirtd without a word; the guests run on."""
        os.kill(_process_with(str(self.folder / "libvirtd.pid")), signal.SIGKILL)
        (self.folder / "libvirtd.pid").unlink(missing_ok=True)

    def writable(self) -> "libvirt.virConnect":
        """A connection that may change things."""
        return libvirt.open(f"qemu:///system?socket={self.folder}/socket/libvirt-sock")

    def start_guest(self, number: int) -> str:
        """Start guest `number`, which keeps its uuid through every life, and wait until it is past its BIOS.

        Until then (about 4 s) QEMU answers no questions. Returns the uuid.
        """
        uuid = f"00000000-0000-4000-8000-{number:012x}"
        disk = self.folder / f"disk{number}.qcow2"
        if not disk.exists():
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "16M"], check=True)
        connection = self.writable()
        connection.createXML(self.definition(number)).memoryStats()
        connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_BLOCK | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL)
        connection.close()
        return uuid

    def definition(self, number: int) -> str:
        """The XML of guest `number`."""
        return DOMAIN.format(
            name=f"instance-{number:08x}",
            uuid=f"00000000-0000-4000-8000-{number:012x}",
            disk=self.folder / f"disk{number}.qcow2",
            mac=f"52:54:00:00:00:{number:02x}",
            number=number,
        )

    def stop_guest(self, uuid: str) -> None:
        """Take its power."""
        connection = self.writable()
        connection.lookupByUUIDString(uuid).destroy()
        connection.close()

    def pid_of(self, uuid: str) -> int:
        """The QEMU process of a guest."""
        return _process_with(uuid)

    def close(self) -> None:
        """End everything that runs in the namespaces, and remove the folder."""
        self._holder.kill()  # takes the first process of its namespace along, and that one all others
        self._holder.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)


def _process_with(word: str) -> int:
    """The living process that has this word on its command line."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if word.encode() in words:
            return int(process.name)
    raise LookupError(word)

"""What an agent knows of the instances of its node. None always means unknown, never zero."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processors of a guest. `vcpus` holds (time, wait) of each in ns; `process_ns` is all of its QEMU process."""

    process_ns: int | None = None
    current: int | None = None
    vcpus: tuple[tuple[int | None, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Balloon:
    """Memory of a guest in KiB. All but `current` and `rss` need the balloon driver inside the guest."""

    current: int | None = None
    available: int | None = None
    usable: int | None = None
    unused: int | None = None
    rss: int | None = None
    swap_in: int | None = None
    swap_out: int | None = None


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """One disk of a guest: `target` is its device name; requests, bytes and ns since the guest started."""

    target: str
    read_requests: int | None = None
    read_bytes: int | None = None
    read_ns: int | None = None
    write_requests: int | None = None
    write_bytes: int | None = None
    write_ns: int | None = None
    capacity: int | None = None
    allocation: int | None = None
    physical: int | None = None


@dataclass(frozen=True, slots=True)
class Vnic:
    """Traffic of one interface of a guest, as the guest sees it; `target` is the tap device on the node."""

    target: str
    incoming_bytes: int | None = None
    incoming_packets: int | None = None
    incoming_errors: int | None = None
    incoming_drops: int | None = None
    outgoing_bytes: int | None = None
    outgoing_packets: int | None = None
    outgoing_errors: int | None = None
    outgoing_drops: int | None = None


@dataclass(frozen=True, slots=True)
class DomainStats:
    """Statistics of one domain from the bulk call; `state` is libvirt's number (1 running, 3 paused …)."""

    state: int | None
    cpu: Cpu = field(default_factory=Cpu)
    balloon: Balloon = field(default_factory=Balloon)
    disks: tuple[BlockDevice, ...] = ()
    vnics: tuple[Vnic, ...] = ()


@dataclass(frozen=True, slots=True)
class Domain:
    """One life of a domain: `uuid` and `number` (libvirt's id, new at every start), its definition and counters.

    `started` tells lives with the same number apart (start ticks of its QEMU process), "" when unreadable.
    """

    uuid: str
    number: int
    name: str
    stats: DomainStats
    xml: str
    started: str = ""


@dataclass(frozen=True, slots=True)
class Flavor:
    """A flavour as Nova wrote it: MiB of memory and swap, GiB of disks."""

    name: str
    id: str | None = None
    vcpus: int | None = None
    memory: int | None = None
    disk: int | None = None
    ephemeral: int | None = None
    swap: int | None = None


@dataclass(frozen=True, slots=True)
class DiskPart:
    """What the definition says of a disk: `serial` is Cinder's volume id, `has_source` False for an empty drive."""

    target: str
    serial: str
    has_source: bool


@dataclass(frozen=True, slots=True)
class VnicPart:
    """What the definition says of an interface; `port_id` is Neutron's, None where libvirt was not told."""

    target: str
    mac: str
    bridge: str | None
    port_id: str | None
    filter: str | None


@dataclass(frozen=True, slots=True)
class Description:
    """What a domain's definition tells: owner, name and flavour by Nova's metadata, and its devices.

    Everything of Nova is None where there is no such metadata: the instance is then unattributed.
    """

    display_name: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    flavor: Flavor | None = None
    image_id: str | None = None
    created_at: str | None = None
    os_type: str | None = None
    architecture: str | None = None
    disks: Mapping[str, DiskPart] = field(default_factory=dict, hash=False)
    vnics: Mapping[str, VnicPart] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Instance:
    """A guest of this node with its owner, counters, and the metadata every sample of it carries.

    `id` is Nova's uuid, `name` libvirt's domain name. `generation` names this life of its counters.
    """

    id: str
    name: str
    project_id: str | None
    user_id: str | None
    generation: str
    description: Description
    stats: DomainStats
    metadata: Mapping[str, object] = field(hash=False)

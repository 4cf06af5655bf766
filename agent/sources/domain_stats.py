"""libvirt's bulk statistics of one domain, from its dotted keys to our types.

Source: virConnectGetAllDomainStats. A key that is absent, or negative (libvirt's mark of a failed read),
is None: unknown, not zero.
"""

from collections.abc import Mapping

from agent.instance import Balloon, BlockDevice, Cpu, DomainStats, Vnic


def parse(raw: Mapping[str, object]) -> DomainStats:
    """The statistics of one domain; devices in libvirt's order."""
    return DomainStats(
        state=_count(raw, "state.state"),
        cpu=_cpu(raw),
        balloon=_balloon(raw),
        disks=tuple(_disk(raw, f"block.{n}.", name) for n, name in _devices(raw, "block")),
        vnics=tuple(_vnic(raw, f"net.{n}.", name) for n, name in _devices(raw, "net")),
    )


def _count(raw: Mapping[str, object], key: str) -> int | None:
    value = raw.get(key)
    return value if type(value) is int and value >= 0 else None


def _devices(raw: Mapping[str, object], kind: str) -> list[tuple[int, str]]:
    names = ((n, raw.get(f"{kind}.{n}.name")) for n in range(_count(raw, f"{kind}.count") or 0))
    return [(n, name) for n, name in names if isinstance(name, str)]


def _cpu(raw: Mapping[str, object]) -> Cpu:
    numbers = range(_count(raw, "vcpu.maximum") or 0)  # with holes where processors are unplugged
    vcpus = ((_count(raw, f"vcpu.{n}.time"), _count(raw, f"vcpu.{n}.wait")) for n in numbers)
    return Cpu(
        process_ns=_count(raw, "cpu.time"),
        current=_count(raw, "vcpu.current"),
        vcpus=tuple(vcpus),
    )


def _balloon(raw: Mapping[str, object]) -> Balloon:
    return Balloon(
        current=_count(raw, "balloon.current"),
        available=_count(raw, "balloon.available"),
        usable=_count(raw, "balloon.usable"),
        unused=_count(raw, "balloon.unused"),
        rss=_count(raw, "balloon.rss"),
        swap_in=_count(raw, "balloon.swap_in"),
        swap_out=_count(raw, "balloon.swap_out"),
    )


def _disk(raw: Mapping[str, object], prefix: str, target: str) -> BlockDevice:
    return BlockDevice(
        target=target,
        read_requests=_count(raw, prefix + "rd.reqs"),
        read_bytes=_count(raw, prefix + "rd.bytes"),
        read_ns=_count(raw, prefix + "rd.times"),
        write_requests=_count(raw, prefix + "wr.reqs"),
        write_bytes=_count(raw, prefix + "wr.bytes"),
        write_ns=_count(raw, prefix + "wr.times"),
        capacity=_count(raw, prefix + "capacity"),
        allocation=_count(raw, prefix + "allocation"),
        physical=_count(raw, prefix + "physical"),
    )


def _vnic(raw: Mapping[str, object], prefix: str, target: str) -> Vnic:
    return Vnic(
        target=target,
        incoming_bytes=_count(raw, prefix + "rx.bytes"),
        incoming_packets=_count(raw, prefix + "rx.pkts"),
        incoming_errors=_count(raw, prefix + "rx.errs"),
        incoming_drops=_count(raw, prefix + "rx.drop"),
        outgoing_bytes=_count(raw, prefix + "tx.bytes"),
        outgoing_packets=_count(raw, prefix + "tx.pkts"),
        outgoing_errors=_count(raw, prefix + "tx.errs"),
        outgoing_drops=_count(raw, prefix + "tx.drop"),
    )

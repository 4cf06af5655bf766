from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from agent.instance import Instance, Vnic
from agent.pollsters.subject import Subject, guest
from storage.sample import Sample


class InstanceNetwork:
    """network.{incoming,outgoing}.*: traffic of every interface of a guest, as the guest sees it (cumulative).

    The resource is `<domain name>-<instance uuid>-<tap>`. The tap's name alone means nothing: another
    guest may get it next, so the counters live as long as the guest and its hardware address.
    Source: libvirt's bulk statistics, group INTERFACE.
    """

    name = "instance_network"
    interval: timedelta | None = None

    def poll(self, instances: Sequence[Instance], now: datetime) -> Iterator[Sample]:
        """Eight counters per interface of each instance."""
        for instance in instances:
            for vnic in instance.stats.vnics:
                yield from _subject(instance, vnic, now).counters(
                    ("network.incoming.bytes", "B", vnic.incoming_bytes),
                    ("network.incoming.packets", "packet", vnic.incoming_packets),
                    ("network.incoming.packets.error", "packet", vnic.incoming_errors),
                    ("network.incoming.packets.drop", "packet", vnic.incoming_drops),
                    ("network.outgoing.bytes", "B", vnic.outgoing_bytes),
                    ("network.outgoing.packets", "packet", vnic.outgoing_packets),
                    ("network.outgoing.packets.error", "packet", vnic.outgoing_errors),
                    ("network.outgoing.packets.drop", "packet", vnic.outgoing_drops),
                )


def _subject(instance: Instance, vnic: Vnic, now: datetime) -> Subject:
    part = instance.description.vnics.get(vnic.target)
    metadata = {**instance.metadata, "name": vnic.target, "vnic_name": vnic.target}
    if part is not None:
        metadata |= {
            "mac": part.mac,
            "fref": part.filter,
            "parameters": {"interfaceid": part.port_id, "bridge": part.bridge},
        }
    return replace(
        guest(instance, now),
        resource_id=f"{instance.name}-{instance.id}-{vnic.target}",
        generation=f"{instance.generation}.{part.mac}" if part else instance.generation,
        metadata=metadata,
    )

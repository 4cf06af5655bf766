"""Who lives on this node: libvirt's domains with what Nova wrote about them."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime

import structlog

from agent.errors import MalformedDefinition
from agent.instance import Description, Domain, Instance
from agent.nova_metadata import parse

STATUS = {1: "active", 2: "active", 3: "paused", 7: "suspended"}

log = structlog.get_logger()


class Discovery:
    """Source of instances. A domain without readable Nova metadata is unattributed, never dropped.

    `read_domains` gives the living domains (see `sources.hypervisor`), `boot_id` names this boot of the node.
    """

    name = "libvirt"

    def __init__(
        self, read_domains: Callable[[datetime], Iterable[Domain]], *, node: str, boot_id: str
    ) -> None:
        self._read_domains = read_domains
        self._node = node
        self._boot_id = boot_id
        self._known: dict[tuple[str, int], tuple[str, Description]] = {}

    def read(self, now: datetime) -> list[Instance]:
        """The instances of this node, in libvirt's order; raises SourceUnavailable."""
        known: dict[tuple[str, int], tuple[str, Description]] = {}
        instances: list[Instance] = []
        for domain in self._read_domains(now):
            xml, description = self._known.get((domain.uuid, domain.number), ("", Description()))
            if xml != domain.xml:
                description = _describe(domain)
            known[domain.uuid, domain.number] = (domain.xml, description)
            instances.append(self._instance(domain, description))
        self._known = known
        return instances

    def _instance(self, domain: Domain, description: Description) -> Instance:
        return Instance(
            id=domain.uuid,
            name=domain.name,
            project_id=description.project_id,
            user_id=description.user_id,
            generation=generation(self._boot_id, domain),
            description=description,
            stats=domain.stats,
            metadata=self._metadata(domain, description),
        )

    def _metadata(self, domain: Domain, description: Description) -> dict[str, object]:
        """What every sample of the instance carries, by the names Ceilometer's pollsters used."""
        metadata: dict[str, object] = {
            "display_name": description.display_name or domain.name,
            "name": domain.name,
            "instance_id": domain.uuid,
            "host": self._node,
            "instance_host": self._node,
            "status": STATUS.get(domain.stats.state or 0, "unknown"),
            "cpu_number": domain.stats.cpu.current,
            "vcpus": domain.stats.cpu.current,
            "image_ref": description.image_id,
            "created_at": description.created_at,
            "os_type": description.os_type,
            "architecture": description.architecture,
        }
        flavor = description.flavor
        if flavor is not None:
            metadata |= {
                "instance_type": flavor.name,
                "flavor": {
                    "id": flavor.id,
                    "name": flavor.name,
                    "vcpus": flavor.vcpus,
                    "ram": flavor.memory,
                    "disk": flavor.disk,
                    "ephemeral": flavor.ephemeral,
                    "swap": flavor.swap,
                },
                "vcpus": flavor.vcpus,
                "memory_mb": flavor.memory,
                "root_gb": flavor.disk,
                "ephemeral_gb": flavor.ephemeral,
                "disk_gb": (flavor.disk or 0) + (flavor.ephemeral or 0),
            }
        return {key: value for key, value in metadata.items() if value is not None}


def generation(boot_id: str, domain: Domain) -> str:
    """A name for one life of a guest's counters: they restart at zero exactly when it changes.

    A reboot inside the guest and a restart of libvirtd keep it. Domain numbers start again from 1, hence
    boot and start of the QEMU process beside them.
    """
    text = "\0".join((boot_id, str(domain.number), domain.started))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _describe(domain: Domain) -> Description:
    try:
        return parse(domain.xml)
    except MalformedDefinition as error:
        log.warning("instance_unattributed", uuid=domain.uuid, error=str(error))
        return Description()

"""A domain's definition: the devices libvirt runs, and the owner, name and flavour Nova noted in it.

Source: domain XML of libvirt; `nova:instance` of http://openstack.org/xmlns/libvirt/nova/1.0 and later.
The text comes from the hypervisor but holds names that tenants chose, so it is not trusted: a document
type declaration is refused unread, and without one there are no entities to expand. libvirt writes none.
"""

from collections.abc import Iterator
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from agent.errors import MalformedDefinition
from agent.instance import Description, DiskPart, Flavor, VnicPart
from storage.sample import INT64_MAX

NOVA = "{http://openstack.org/xmlns/libvirt/nova/"


def parse(xml: str) -> Description:
    """What the definition tells. Nova's part is None throughout where it is absent; raises MalformedDefinition."""
    if "<!DOCTYPE" in xml:
        raise MalformedDefinition("it declares a document type")
    try:
        root = ET.fromstring(xml)  # noqa: S314 - no document type, no entities
    except (ET.ParseError, UnicodeError, RecursionError) as error:
        raise MalformedDefinition(str(error)) from error
    nova = _nova(root)
    image = _child(nova, "root") if _attribute(_child(nova, "root"), "type") == "image" else None
    kind = root.find("./os/type")
    return Description(
        display_name=_text(_child(nova, "name")),
        project_id=_attribute(_child(_child(nova, "owner"), "project"), "uuid"),
        user_id=_attribute(_child(_child(nova, "owner"), "user"), "uuid"),
        flavor=_flavor(_child(nova, "flavor")),
        image_id=_attribute(image, "uuid"),
        created_at=_text(_child(nova, "creationTime")),
        os_type=_text(kind),
        architecture=_attribute(kind, "arch"),
        disks={disk.target: disk for disk in _disks(root)},
        vnics={vnic.target: vnic for vnic in _vnics(root)},
    )


def _nova(root: Element) -> Element | None:
    """Nova's block, whatever version of its namespace."""
    for element in root.iterfind("./metadata/*"):
        if element.tag.startswith(NOVA) and element.tag.endswith("}instance"):
            return element
    return None


def _child(parent: Element | None, name: str) -> Element | None:
    for element in parent if parent is not None else ():
        if element.tag.startswith(NOVA) and element.tag.endswith("}" + name):
            return element
    return None


def _text(element: Element | None) -> str | None:
    return (element.text or "").strip() or None if element is not None else None


def _attribute(element: Element | None, name: str) -> str | None:
    return element.get(name) or None if element is not None else None


def _number(element: Element | None) -> int | None:
    """A whole number that is written plainly and fits a database."""
    text = _text(element)
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > len(str(INT64_MAX)):
        return None
    return number if (number := int(text)) <= INT64_MAX else None


def _flavor(element: Element | None) -> Flavor | None:
    name = _attribute(element, "name")
    if name is None:
        return None
    return Flavor(
        name=name,
        id=_attribute(element, "id"),
        vcpus=_number(_child(element, "vcpus")),
        memory=_number(_child(element, "memory")),
        disk=_number(_child(element, "disk")),
        ephemeral=_number(_child(element, "ephemeral")),
        swap=_number(_child(element, "swap")),
    )


def _disks(root: Element) -> Iterator[DiskPart]:
    for disk in root.iterfind("./devices/disk"):
        target = _attribute(disk.find("target"), "dev")
        if target is not None:
            serial = _text(disk.find("serial")) or ""
            yield DiskPart(target, serial, has_source=disk.find("source") is not None)


def _vnics(root: Element) -> Iterator[VnicPart]:
    for vnic in root.iterfind("./devices/interface"):
        target = _attribute(vnic.find("target"), "dev")
        if target is not None:
            yield VnicPart(
                target=target,
                mac=_attribute(vnic.find("mac"), "address") or "",
                bridge=_attribute(vnic.find("source"), "bridge"),
                port_id=_attribute(vnic.find("./virtualport/parameters"), "interfaceid"),
                filter=_attribute(vnic.find("filterref"), "filter"),
            )

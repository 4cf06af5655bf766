import pytest

from agent.errors import MalformedDefinition
from agent.instance import Description, DiskPart, Flavor, VnicPart
from agent.nova_metadata import parse
from tests.agent.pretend import WEB, recorded_xml

BOMB = """<!DOCTYPE domain [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<domain><metadata><nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
<nova:name>&b;</nova:name></nova:instance></metadata></domain>"""


def nova(content: str, version: str = "1.1") -> str:
    space = f"http://openstack.org/xmlns/libvirt/nova/{version}"
    return (
        f'<domain><metadata><nova:instance xmlns:nova="{space}">{content}</nova:instance></metadata></domain>'
    )


def test_nova_tells_owner_name_flavour_and_image() -> None:
    description = parse(recorded_xml(WEB))

    assert description.display_name == "web-1"
    assert description.project_id == "9c6b0c5e3f7d4f2c8f5d2b7a1e4c9d80"
    assert description.user_id == "5f0a1d6e4c2b4a0fa4f1c9c1d3e8b7a6"
    assert description.flavor == Flavor(
        name="m1.tiny", id=None, vcpus=2, memory=64, disk=1, ephemeral=0, swap=0
    )
    assert description.image_id == "3b1f0f6e-0c58-4a3a-9a7e-5cf1b6a6d0aa"
    assert description.architecture == "x86_64"


def test_the_definition_tells_its_devices() -> None:
    description = parse(recorded_xml(WEB))

    assert description.disks == {
        "vda": DiskPart("vda", "vol-1", has_source=True),
        "hda": DiskPart("hda", "", has_source=False),
    }
    assert description.vnics == {"tap1": VnicPart("tap1", "52:54:00:00:00:01", None, None, None)}


def test_an_interface_tells_its_neutron_port_bridge_and_filter() -> None:
    xml = """<domain><devices><interface type='bridge'><mac address='fa:16:3e:00:00:01'/><source bridge='br-int'/>
      <virtualport type='openvswitch'><parameters interfaceid='port-1'/></virtualport><target dev='tap0'/>
      <filterref filter='no-mac-spoofing'/></interface></devices></domain>"""

    vnic = parse(xml).vnics["tap0"]

    assert vnic == VnicPart("tap0", "fa:16:3e:00:00:01", "br-int", "port-1", "no-mac-spoofing")


def test_the_flavours_id_is_taken_where_nova_writes_it() -> None:
    flavor = parse(nova('<nova:flavor name="m1" id="f-1"><nova:vcpus>1</nova:vcpus></nova:flavor>')).flavor

    assert flavor == Flavor(name="m1", id="f-1", vcpus=1)


@pytest.mark.parametrize("version", ["1.0", "1.2", "7"])
def test_any_version_of_novas_namespace_is_read(version: str) -> None:
    assert parse(nova("<nova:name>web</nova:name>", version)).display_name == "web"


@pytest.mark.parametrize(
    "xml",
    [
        "<domain/>",
        "<domain><metadata/></domain>",
        '<domain><metadata><x:instance xmlns:x="http://example.org/other">1</x:instance></metadata></domain>',
        nova(""),
        nova("<nova:owner/><nova:flavor/>"),
    ],
)
def test_without_novas_words_an_instance_is_unattributed(xml: str) -> None:
    assert parse(xml) == Description()


@pytest.mark.parametrize("number", ["", "-1", "1.5", "٣", "9" * 5000, str(2**63), "0x10"])
def test_a_size_that_is_no_plain_number_is_unknown(number: str) -> None:
    flavor = parse(nova(f'<nova:flavor name="m1"><nova:disk>{number}</nova:disk></nova:flavor>')).flavor

    assert flavor == Flavor(name="m1")


@pytest.mark.parametrize("xml", ["", "<domain>", "no xml", "<a>&b;</a>", "\ud800", "<a>\0</a>"])
def test_what_is_no_xml_is_malformed(xml: str) -> None:
    with pytest.raises(MalformedDefinition):
        parse(xml)


def test_a_document_type_is_refused_before_its_entities_are_read() -> None:
    with pytest.raises(MalformedDefinition, match="document type"):
        parse(BOMB)


def test_a_very_deep_definition_is_read_or_refused_but_does_no_harm() -> None:
    depth = 100_000

    assert parse("<a>" * depth + "</a>" * depth) == Description()

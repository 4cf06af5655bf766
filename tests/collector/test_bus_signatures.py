"""Signed batches through a real RabbitMQ."""

import pytest

from collector.bus import SamplePublisher
from collector.envelope import encode_batch
from collector.settings import BusSettings
from collector.signing import Signer, node_key
from tests.collector.brokers import resources, settings, storing, until
from tests.collector.factories import StubPublisher, good

MASTER, OTHER = "a secret of the collectors", "another secret of somebody"
SIGNED = Signer("node-1", node_key(MASTER, "node-1"))
FORGED = Signer("node-1", node_key(OTHER, "node-1"))


def deliver(options: BusSettings, *signers: Signer | None) -> None:
    """One batch each, of vm-0, vm-1, …"""
    for number, signer in enumerate(signers):
        publisher = SamplePublisher(options, signer)
        publisher.send(encode_batch([good(number)]))
        publisher.close()


def test_only_signed_batches_are_stored_where_signatures_are_required(
    url: str, keeper: StubPublisher
) -> None:
    options = settings(url, signing_secrets=(OTHER + "!", MASTER), require_signatures=True)

    with storing(options, keeper):
        deliver(options, SIGNED, FORGED, None)
        until(lambda: len(keeper.samples) + len(keeper.refused) == 3)

    assert resources(keeper) == ["vm-0"]
    assert [refused.reason for refused in keeper.refused] == [
        "unsigned: the signature of node-1 is wrong",
        "unsigned: the signature of no node is missing",
    ]
    assert [refused.body for refused in keeper.refused] == [
        encode_batch([good(1)]),
        encode_batch([good(2)]),
    ]


@pytest.mark.parametrize("secrets", [(), (MASTER,)])
def test_nobody_is_refused_until_signatures_are_required(
    url: str, keeper: StubPublisher, secrets: tuple[str, ...]
) -> None:
    options = settings(url, signing_secrets=secrets)

    with storing(options, keeper):
        deliver(options, SIGNED, FORGED, None)
        until(lambda: len(keeper.samples) == 3)

    assert keeper.refused == []


def test_a_batch_sent_again_by_a_stranger_is_valid_and_the_same_bytes(
    url: str, keeper: StubPublisher
) -> None:
    """A replay needs no protection: the store knows its readings already."""
    options = settings(url, signing_secrets=(MASTER,), require_signatures=True)

    with storing(options, keeper):
        for _ in range(2):
            deliver(options, SIGNED)
        until(lambda: len(keeper.samples) == 2)

    first, again = keeper.samples
    assert first == again

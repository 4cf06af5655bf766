"""Signatures of agents' batches."""

import pytest

from collector.signing import (
    NODE_HEADER,
    SIGNATURE_HEADER,
    Signer,
    Verifier,
    check_master,
    check_shared,
    hkdf,
    node_key,
)

MASTER, NEXT = "a secret of the collectors", "the secret that comes after"
BODY = b"a batch"


def signed(secret: str = MASTER, node: str = "node-1", body: bytes = BODY) -> dict[str, object]:
    return {**Signer(node, node_key(secret, node)).headers(body)}


# RFC 5869, appendix A: input key, salt, info, length, output key.
VECTORS = [
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        42,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        82,
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    (
        "0b" * 22,
        "",
        "",
        42,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]


@pytest.mark.parametrize(("secret", "salt", "info", "length", "expected"), VECTORS)
def test_keys_are_derived_as_the_rfc_says(
    secret: str, salt: str, info: str, length: int, expected: str
) -> None:
    key = hkdf(bytes.fromhex(secret), bytes.fromhex(salt), bytes.fromhex(info), length)

    assert key.hex() == expected


def test_a_batch_is_known_by_the_key_of_its_node() -> None:
    verifier = Verifier([MASTER])

    assert verifier.verdict(signed(), BODY) == "valid"
    assert verifier.verdict(signed(), BODY + b"!") == "wrong"
    assert verifier.verdict(signed(NEXT), BODY) == "wrong"
    assert verifier.verdict({**signed(), NODE_HEADER: "node-2"}, BODY) == "wrong"


def test_two_secrets_are_valid_at_once() -> None:
    verifier = Verifier([NEXT, MASTER])

    assert verifier.verdict(signed(MASTER), BODY) == verifier.verdict(signed(NEXT), BODY) == "valid"


@pytest.mark.parametrize(
    "headers",
    [
        None,
        {},
        {NODE_HEADER: "node-1"},
        {SIGNATURE_HEADER: "00"},
        {NODE_HEADER: b"node-1", SIGNATURE_HEADER: "00"},
        {NODE_HEADER: "node-1", SIGNATURE_HEADER: ["00"]},
        {NODE_HEADER: 1, SIGNATURE_HEADER: None},
    ],
)
def test_headers_without_a_signature_have_none(headers: dict[str, object] | None) -> None:
    assert Verifier([MASTER]).verdict(headers, BODY) == "missing"


@pytest.mark.parametrize("signature", ["", "ä", "\ud800", "0" * 64, "x" * 10**6])
def test_a_signature_that_is_no_digest_is_wrong_and_harmless(signature: str) -> None:
    headers = {NODE_HEADER: "node-\ud800", SIGNATURE_HEADER: signature}

    assert Verifier([MASTER]).verdict(headers, BODY) == "wrong"


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("change this for valid signing", "everybody knows"),
        ("fifteen letters", "fewer than 16"),
    ],
)
def test_a_secret_that_is_none_is_refused_with_what_to_do(secret: str, reason: str) -> None:
    with pytest.raises(ValueError, match=rf"{reason}.*openssl rand"):
        check_master(secret)


def test_a_secret_of_ceilometer_may_be_short_but_not_the_published_one() -> None:
    check_shared("labsecret")

    with pytest.raises(ValueError, match="everybody knows"):
        check_shared("change this for valid signing")

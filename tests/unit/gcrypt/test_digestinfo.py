"""DigestInfo against hashlib's lengths and asn1crypto's encoder."""

from __future__ import annotations

import hashlib

import pytest
from asn1crypto import algos, core
from hypothesis import given
from hypothesis import strategies as st

from scd.gcrypt import digestinfo

OIDS = {"rmd160": "1.3.36.3.2.1"}
EACH = pytest.mark.parametrize("name", digestinfo.PREFIXES)


def digest_of(name: str) -> bytes:
    """A hash value with the right length; RIPEMD-160 is not in every OpenSSL."""
    return b"\xd1" * 20 if name == "rmd160" else hashlib.new(name, b"message").digest()


def test_all_hashes_of_gnupg_are_there() -> None:
    assert digestinfo.HASH_LENGTHS == {
        "md5": 16,
        "sha1": 20,
        "rmd160": 20,
        "sha224": 28,
        "sha256": 32,
        "sha384": 48,
        "sha512": 64,
    }


@EACH
def test_digest_info_is_the_one_asn1crypto_encodes(name: str) -> None:
    algorithm = algos.DigestAlgorithm({"algorithm": OIDS.get(name, name), "parameters": core.Null()})
    expected = algos.DigestInfo({"digest_algorithm": algorithm, "digest": digest_of(name)}).dump()

    assert digestinfo.add(name, digest_of(name)) == expected


@EACH
def test_recognise_undoes_add(name: str) -> None:
    assert digestinfo.recognise(digestinfo.add(name, digest_of(name))) == (name, digest_of(name))


@EACH
def test_other_length_is_not_recognised(name: str) -> None:
    whole = digestinfo.add(name, digest_of(name))

    assert digestinfo.recognise(whole[:-1]) is None
    assert digestinfo.recognise(whole + b"\0") is None
    assert digestinfo.recognise(digest_of(name)) is None


@given(st.binary(max_size=90))
def test_garbage_is_not_recognised(data: bytes) -> None:
    found = digestinfo.recognise(data)

    assert found is None or digestinfo.add(*found) == data


@EACH
def test_hash_of_another_length_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} hash has"):
        digestinfo.add(name, digest_of(name) + b"\0")


@pytest.mark.parametrize("name", ["SHA256", "sha3-256", "none", ""])
def test_unknown_hash_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown hash"):
        digestinfo.add(name, bytes(32))


@given(st.binary(max_size=200))
def test_ssh_message_follows_the_sha1_prefix(message: bytes) -> None:
    assert digestinfo.strip_sha1_prefix(bytes.fromhex("3021300906052B0E03021A05000414") + message) == message


def test_other_prefix_is_not_stripped() -> None:
    assert digestinfo.strip_sha1_prefix(digestinfo.add("sha256", bytes(32))) is None
    assert digestinfo.strip_sha1_prefix(digestinfo.PREFIXES["sha1"][:-1]) is None

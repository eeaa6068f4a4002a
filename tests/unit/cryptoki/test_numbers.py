"""PKCS#11's numbers: scd's own, held against python-pkcs11's, which no worker loads at its start."""

from __future__ import annotations

from enum import IntEnum

import pkcs11
import pytest

from scd.cryptoki.calls import numbers
from scd.cryptoki.finding.slots import _STANDARD

UNKNOWN_TO_IT = {
    numbers.KeyType.EC_MONTGOMERY: 0x41,
    numbers.Mechanism.EC_MONTGOMERY_KEY_PAIR_GEN: 0x1056,
    numbers.Attribute.PUBLIC_KEY_INFO: 0x129,
}
"""PKCS#11 v3.1's, from pkcs11t.h."""


@pytest.mark.parametrize("kind", ["ObjectClass", "KeyType", "Attribute", "Mechanism", "TokenFlag"])
def test_each_number_is_the_librarys(kind: str) -> None:
    theirs, ours = getattr(pkcs11, kind).__members__, getattr(numbers, kind).__members__
    unknown = {one.name for one in UNKNOWN_TO_IT if type(one).__name__ == kind}
    assert {name: int(one) for name, one in ours.items() if name not in unknown} == {
        name: int(theirs[name]) for name in ours if name not in unknown
    }
    assert not unknown & theirs.keys()


@pytest.mark.parametrize(("one", "number"), UNKNOWN_TO_IT.items())
def test_what_the_library_does_not_know_is_the_standards(one: IntEnum, number: int) -> None:
    assert one == number


def test_the_plain_numbers_are_the_librarys() -> None:
    theirs = (pkcs11.UserType.SO, pkcs11.UserType.USER, pkcs11.CertificateType.X_509, pkcs11.KDF.NULL)
    assert theirs == (numbers.USER_SO, numbers.USER, numbers.X_509, numbers.KDF_NULL)


def test_every_mechanism_the_library_names_counts_as_a_standard_one() -> None:
    vendors = pkcs11.Mechanism._VENDOR_DEFINED
    assert all(one in _STANDARD for one in map(int, pkcs11.Mechanism) if one < vendors)
    assert int(vendors) not in _STANDARD


@pytest.mark.parametrize(("number", "name"), [(0x01, "CKK_DSA"), (0x13, "CKK_DES"), (0x7777, "0x7777")])
def test_the_library_names_key_types_that_scd_does_not_serve(number: int, name: str) -> None:
    assert numbers.key_type_name(number) == name

"""Public keys out of S-expressions: what is none, and what is not served, is said in words."""

from __future__ import annotations

import pytest

from scd.gcrypt.pubsexp import public_in
from scd.gcrypt.sexp import parse


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"(10:public-key)", "no key"),
        (b"(10:public-key3:rsa)", "no key"),
        (b"(10:public-key(3:dsa(1:p1:x)))", "not served"),
        (b"(10:public-key(3:ecc(5:curve5:moon1)(1:q1:x)))", "the curve moon1 is not served"),
        (b"(10:public-key(3:rsa(1:n1:x)))", "a key without e"),
        (b"(10:public-key(3:ecc(1:q1:x)))", "a key without curve"),
    ],
)
def test_a_tree_that_is_no_key(octets: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        public_in(parse(octets))

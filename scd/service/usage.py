"""What a key may be used for, in GnuPG's letters: s sign, c certify, a authenticate, e encrypt."""

from __future__ import annotations

from scd.gcrypt.curves import Family
from scd.gcrypt.pubkey import RsaPublicKey
from scd.token.model import KeyPair

_SIGNING_BITS = frozenset({"digital_signature", "non_repudiation", "key_cert_sign", "crl_sign"})
_ENCRYPTING_BITS = frozenset({"key_encipherment", "data_encipherment", "key_agreement"})


def usage_letters(key: KeyPair) -> str:
    """A subset of `scae` in this order, or `-`.

    The algorithm's limits come first, then the token's attributes, and a certificate's key usage narrows what the
    attributes leave open. A certificate that contradicts the attributes altogether is ignored: the token decides.
    """
    possible = _by_algorithm(key)
    told = {"s": key.can_sign, "e": key.can_decrypt}
    claimed = {letter for letter in possible if told[letter] is not False}
    if not claimed:  # PIV keys may say false to both although they work
        claimed = set(possible)
    narrowed = claimed & _by_certificate(key)
    chosen = narrowed or claimed
    return ("sca" if "s" in chosen else "") + ("e" if "e" in chosen else "") or "-"


def _by_algorithm(key: KeyPair) -> set[str]:
    if isinstance(key.public, RsaPublicKey):
        return {"s", "e"}
    family = key.public.curve_info.family
    return {Family.EDWARDS: {"s"}, Family.MONTGOMERY: {"e"}}.get(family, {"s", "e"})


def _by_certificate(key: KeyPair) -> set[str]:
    usage = key.certificate.key_usage if key.certificate else None
    if usage is None:
        return {"s", "e"}
    bits = set(usage)
    return ({"s"} if bits & _SIGNING_BITS else set()) | ({"e"} if bits & _ENCRYPTING_BITS else set())

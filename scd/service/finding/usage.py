"""What a key may be used for, in GnuPG's letters: s sign, c certify, a authenticate, e encrypt."""

from __future__ import annotations

from scd.gcrypt.curves import Family
from scd.gcrypt.pubkey import RsaPublicKey
from scd.token.model import KeyPair

_SIGNING_BITS = frozenset({"digital_signature", "non_repudiation", "key_cert_sign", "crl_sign"})
_ENCRYPTING_BITS = frozenset({"key_encipherment", "data_encipherment", "key_agreement"})


# What ssh has a key type for; gpg-agent 2.4.7 spoils its whole list of identities with any other key it is offered.
_KNOWN_TO_SSH = frozenset({"nistp256", "nistp384", "nistp521", "ed25519"})


def capabilities(key: KeyPair) -> frozenset[str]:
    """All that the key can be used for, as letters of `scae`; empty when nothing is known to work.

    The algorithm's limits come first, then the token's attributes, and a certificate's key usage narrows what the
    attributes leave open. A certificate that contradicts the attributes altogether is ignored: the token decides.
    """
    possible = _by_algorithm(key)
    told = {"s": key.can_sign, "e": key.can_decrypt}
    claimed = {letter for letter in possible if told[letter] is not False}
    if not claimed:  # PIV keys may say false to both although they work
        claimed = set(possible)
    chosen = claimed & _by_certificate(key) or claimed
    if "s" in chosen:
        chosen |= {"c", "a"} if _for_ssh(key) else {"c"}
    return frozenset(chosen)


def usage_letters(key: KeyPair, *, prefer_encryption: bool = False) -> str:
    """What GnuPG is told: a subset of `scae` in this order, or `-`.

    gpg (2.2.40, 2.4.7) takes every EC key with an `e` for an ECDH key that cannot sign, so an EC key that can do both
    shows the one or the other: signing, unless `prefer_encryption`.
    """
    letters = capabilities(key)
    if not isinstance(key.public, RsaPublicKey) and {"s", "e"} <= letters:
        letters = frozenset("e") if prefer_encryption else letters - {"e"}
    return "".join(letter for letter in "scae" if letter in letters) or "-"


def _for_ssh(key: KeyPair) -> bool:
    return isinstance(key.public, RsaPublicKey) or key.public.algorithm in _KNOWN_TO_SSH


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

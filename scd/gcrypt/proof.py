"""Whether a private key has the public half that it is said to have: by a signature of it, or by what it decrypts.

The forms are those of the port (`SignRequest`, `DecryptRequest`). All raise `CannotCompute` where the library lacks the
curve or the size.
"""

from __future__ import annotations

import hmac
import os

from scd.gcrypt.curves import Family
from scd.gcrypt.library import CannotCompute, ecc_key, ephemeral_on, point_of, rsa_key
from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey

_SECRET_BYTES = 16
# By length in octets: the hash that stands for a value of this length. Its own name does not matter to ECDSA.
_HASHES = {32: "SHA256", 48: "SHA384", 64: "SHA512"}


def verifies(public: PublicKey, data: bytes, signature: bytes) -> bool:
    """Whether `signature` is the key's over `data`."""
    from cryptography.exceptions import InvalidSignature

    try:
        if isinstance(public, RsaPublicKey):
            return _rsa_block(public, signature) == data
        if public.curve_info.family is Family.MONTGOMERY:
            return False
        if public.curve_info.family is Family.EDWARDS:
            ecc_key(public).verify(signature, data)
        else:
            _verify_ecdsa(public, data, signature)
    except InvalidSignature:
        return False
    return True


def _rsa_block(public: RsaPublicKey, signature: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import padding

    return rsa_key(public).recover_data_from_signature(signature, padding.PKCS1v15(), None)


def _verify_ecdsa(public: EccPublicKey, digest: bytes, signature: bytes) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    half = len(signature) // 2
    encoded = utils.encode_dss_signature(*(int.from_bytes(one, "big") for one in (signature[:half], signature[half:])))
    digest = digest[: len(public.curve_info.n)]  # FIPS 186-5 §6.4.1; zeros in front change nothing
    size = next((size for size in _HASHES if size >= len(digest)), None)
    if size is None:
        raise CannotCompute(f"no hash of {len(digest)} octets is known")
    kind = getattr(hashes, _HASHES[size])()
    ecc_key(public).verify(encoded, digest.rjust(size, b"\0"), ec.ECDSA(utils.Prehashed(kind)))


class Probe:
    """Something for a key to decrypt, or to derive from, whose outcome is known: no other key has the same.

    `data` is what `DecryptRequest` takes.
    """

    def __init__(self, public: PublicKey) -> None:
        self._public = public
        if isinstance(public, RsaPublicKey):
            self._secret = os.urandom(_SECRET_BYTES)
            self.data = _encrypted(public, self._secret)
        else:
            ecc_key(public)  # or the reason why not, before the token is asked for anything
            self._ephemeral = ephemeral_on(public.curve_info)
            self.data = point_of(self._ephemeral)

    def shows(self, public: PublicKey, answer: bytes) -> bool:
        """Whether `answer` comes of the private half of `public`. Only ECDH can show another key than the probe's."""
        if isinstance(public, RsaPublicKey):
            return public.keygrip == self._public.keygrip and hmac.compare_digest(answer, self._secret)
        return hmac.compare_digest(answer, self._exchanged(public))

    def _exchanged(self, public: EccPublicKey) -> bytes:
        """The secret shared with a key of the same curve; nothing with one of which only zeros come."""
        from cryptography.hazmat.primitives.asymmetric import ec

        peer = ecc_key(public)
        parties = (ec.ECDH(), peer) if isinstance(peer, ec.EllipticCurvePublicKey) else (peer,)
        try:
            shared: bytes = self._ephemeral.exchange(*parties)
        except ValueError:
            return b""
        return shared


def _encrypted(public: RsaPublicKey, secret: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import padding

    try:
        return rsa_key(public).encrypt(secret, padding.PKCS1v15())
    except ValueError as error:
        raise CannotCompute(f"nothing can be encrypted to this key of {public.algorithm}: {error}") from error

"""From what SETDATA holds to what the token needs: one table of the protocol's data forms per key type."""

from __future__ import annotations

from scd.gcrypt import digestinfo
from scd.gcrypt.curves import Family
from scd.gcrypt.pubkey import PublicKey, RsaPublicKey
from scd.service.using.sharedpoint import either_point, true_point
from scd.token.errors import InvalidData

_TLS_MD5SHA1 = 36


def to_be_signed(public: PublicKey, data: bytes, hash_name: str | None, *, authenticate: bool) -> bytes:
    """The block for `SignRequest.data`.

    `data`: a DigestInfo (gpg, gpgsm, ssh), a bare hash (gpgsm's "scd direct"), TLS's 36 octets, or for ssh's EdDSA the
    SHA-1 prefix followed by the whole message. `hash_name` is the value of --hash; scdaemon takes sha1 without it.
    """
    if isinstance(public, RsaPublicKey):
        return _for_rsa(data, hash_name)
    if public.curve_info.family is Family.EDWARDS:
        return _for_eddsa(data, authenticate)
    return _for_ecdsa(data)


def _for_rsa(data: bytes, hash_name: str | None) -> bytes:
    if digestinfo.recognise(data) is not None:
        return data
    if hash_name is None and len(data) != digestinfo.HASH_LENGTHS["sha1"]:
        if len(data) == _TLS_MD5SHA1:
            return data
        raise InvalidData(f"{len(data)} octets are neither a DigestInfo nor, without --hash, a SHA-1 hash")
    name = hash_name or "sha1"
    if name == "none" or (name not in digestinfo.HASH_LENGTHS and len(data) == _TLS_MD5SHA1):
        return data
    try:
        return digestinfo.add(name, data)
    except ValueError as error:
        raise InvalidData(str(error)) from error


def _for_ecdsa(data: bytes) -> bytes:
    """The hash alone. Anything longer would be cut off by the token, and something else be signed."""
    found = digestinfo.recognise(data)
    if found:
        return found[1]
    if len(data) not in digestinfo.HASH_LENGTHS.values():
        raise InvalidData(f"{len(data)} octets are neither a DigestInfo nor a hash")
    return data


def _for_eddsa(data: bytes, authenticate: bool) -> bytes:
    """gpg signs the hash itself as the message; ssh (PKAUTH) puts a SHA-1 prefix before a message of any length."""
    message = digestinfo.strip_sha1_prefix(data) if authenticate else None
    if message is not None:
        return message
    found = digestinfo.recognise(data)
    if found:
        return found[1]
    message = digestinfo.strip_sha1_prefix(data)
    return data if message is None else message


def to_be_decrypted(public: PublicKey, data: bytes) -> bytes:
    """The block for `DecryptRequest.data`: leading zeros and the 0x40 of OpenPGP points are evened out."""
    if isinstance(public, RsaPublicKey):
        length = (public.bits + 7) // 8
        stripped = data.lstrip(b"\0")
        if not stripped or len(stripped) > length:
            raise InvalidData(f"{len(stripped)} octets are no ciphertext for a {public.bits} bit key")
        return stripped.rjust(length, b"\0")
    curve = public.curve_info
    if curve.family is Family.MONTGOMERY and len(data) == curve.q_bytes + 1 and data[:1] == b"\x40":
        return data[1:]
    return data


def decrypted_form(public: PublicKey, shared: bytes, second: bytes | None = None) -> bytes:
    """PKDECRYPT's answer: RSA bare; ECDH 0x40‖u for X25519, u for X448, else the whole point 04‖X‖Y.

    All of GnuPG 2.2 to 2.5 and gpgsm take these; Sequoia takes no other. `second`: what `DecryptRequest` gave for the
    `second_peer`; without it the Y is either of the two.
    """
    if isinstance(public, RsaPublicKey):
        return shared
    if public.curve_info.family is Family.MONTGOMERY:
        return shared if public.curve == "X448" else b"\x40" + shared
    return either_point(public.curve_info, shared) if second is None else true_point(public, shared, second)

"""Private keys tried out before something depends on them: their owner's copy is deleted, or they are destroyed."""

from __future__ import annotations

import logging
import os

from scd.cryptoki.calls.ckr import USER_NOT_LOGGED_IN, CkrError
from scd.cryptoki.keytypes import choose
from scd.cryptoki.keytypes.operation import Operation
from scd.cryptoki.writing.keytemplates import NewKey
from scd.cryptoki.writing.writing import Writing
from scd.gcrypt import digestinfo
from scd.gcrypt.library import CannotCompute
from scd.gcrypt.proof import Probe, verifies
from scd.gcrypt.pubkey import PublicKey, RsaPublicKey
from scd.token.errors import InvalidData, TokenFailure, UnsupportedAlgorithm, WrongKeyUsage
from scd.token.pairing import PrivateObject, named

log = logging.getLogger(__name__)

_HASH = "sha256"
_MAY_NOT = (WrongKeyUsage, UnsupportedAlgorithm)


def prove(writing: Writing, wanted: NewKey, public: PublicKey, handle: int) -> None:
    """Sign and decrypt as wanted with the private key that was just taken in. Raises CkrError, too.

    gpg deletes its copy after keytocard, and modules store keys that they compute nonsense with, or nothing at all.
    A key that wants the PIN for each use is believed. Raises UnsupportedAlgorithm and WrongKeyUsage.
    """
    operation = _operation(writing, handle, "the new key")
    try:
        works = (not wanted.sign or _signs(operation, public)) and (not wanted.decrypt or _decrypts(operation, public))
    except (InvalidData, TokenFailure):
        works = False
    except CannotCompute as error:
        raise UnsupportedAlgorithm(f"{writing.about}: whether the new key works cannot be told: {error}") from error
    except CkrError as error:
        if error.rv != USER_NOT_LOGGED_IN:
            raise
        log.warning("op=import result=unverified %s: the new key wants the PIN for each use", writing.about)
        return
    if not works:
        raise UnsupportedAlgorithm(f"{writing.about} has stored the {public.algorithm} key, but not what it was given")


def belongs(writing: Writing, one: PrivateObject, public: PublicKey) -> bool:
    """Whether a listed private key is this public one's; tried where neither its attributes nor its use have told.

    One that cannot be tried is believed where there is no other choice. Raises CkrError and TokenError.
    """
    if one.public is not None:
        return one.public.keygrip == public.keygrip
    name = f"private key {named(one.cka_id, one.label)}"
    if one.always_authenticate:
        return _only_choice(writing, one, public, name)
    operation = _operation(writing, one.handle, name)
    try:
        try:
            return _decrypts(operation, public) if one.can_sign is False else _signs(operation, public)
        except _MAY_NOT:
            return _signs(operation, public) if one.can_sign is False else _decrypts(operation, public)
    except _MAY_NOT:
        return _only_choice(writing, one, public, name)
    except (InvalidData, TokenFailure):
        return False
    except CannotCompute as error:
        raise UnsupportedAlgorithm(f"{writing.about}: whose half the {name} is cannot be told: {error}") from error


def _only_choice(writing: Writing, one: PrivateObject, public: PublicKey, name: str) -> bool:
    """Yes, or WrongKeyUsage."""
    if len(writing.listing.candidates(public.keygrip)) == 1 == len(writing.listing.proposals[one.shared_id]):
        return True
    raise WrongKeyUsage(f"{writing.about}: several keys share a CKA_ID, and whose half the {name} is cannot be tried")


def _operation(writing: Writing, handle: int, name: str) -> Operation:
    return Operation(
        writing.native, writing.session, handle, writing.mechanisms, 0, None, about=f"{writing.about}, {name}"
    )


def _signs(operation: Operation, public: PublicKey) -> bool:
    digest = os.urandom(digestinfo.HASH_LENGTHS[_HASH])
    data = digestinfo.add(_HASH, digest) if isinstance(public, RsaPublicKey) else digest
    return verifies(public, data, choose.sign(operation, public, data))


def _decrypts(operation: Operation, public: PublicKey) -> bool:
    probe = Probe(public)
    return probe.shows(public, choose.decrypt(operation, public, probe.data))

"""The messages of what changes a token, or makes numbers on it; see `TokenModule` for what each one asks."""

from __future__ import annotations

from dataclasses import dataclass

from scd.gcrypt.pubkey import PublicKey
from scd.token.model import DataObject, TokenId
from scd.token.port import GenerateRequest, ImportRequest, KeyAddress
from scd.token.secrets import Pin


@dataclass(frozen=True, slots=True)
class Random:
    """See `TokenModule.random`; answered by Octets."""

    token: TokenId
    count: int


@dataclass(frozen=True, slots=True)
class Generate:
    """See `TokenModule.generate`; answered by NewKey."""

    request: GenerateRequest


@dataclass(frozen=True, slots=True)
class ImportKey:
    """See `TokenModule.import_key`; answered by NewKey. The private numbers are blobs, as a PIN is."""

    request: ImportRequest


@dataclass(frozen=True, slots=True)
class DestroyKey:
    """See `TokenModule.destroy_key`; answered by Done."""

    key: KeyAddress


@dataclass(frozen=True, slots=True)
class WriteCertificate:
    """See `TokenModule.write_certificate`; answered by Done."""

    token: TokenId
    cka_id: bytes
    label: str
    der: bytes


@dataclass(frozen=True, slots=True)
class DeleteCertificate:
    """See `TokenModule.delete_certificate`; answered by Done."""

    token: TokenId
    cka_id: bytes


@dataclass(frozen=True, slots=True)
class ChangePin:
    """See `TokenModule.change_pin`; answered by Done."""

    token: TokenId
    old: Pin | None
    new: Pin | None


@dataclass(frozen=True, slots=True)
class ResetPin:
    """See `TokenModule.reset_pin`; answered by Done."""

    token: TokenId
    so_pin: Pin | None
    new: Pin | None


@dataclass(frozen=True, slots=True)
class ChangeSoPin:
    """See `TokenModule.change_so_pin`; answered by Done."""

    token: TokenId
    old: Pin | None
    new: Pin | None


@dataclass(frozen=True, slots=True)
class CheckSoPin:
    """See `TokenModule.check_so_pin`; answered by Done."""

    token: TokenId
    so_pin: Pin | None


@dataclass(frozen=True, slots=True)
class ReadData:
    """See `TokenModule.read_data`; answered by DataReply."""

    token: TokenId


@dataclass(frozen=True, slots=True)
class WriteData:
    """See `TokenModule.write_data`; answered by Done."""

    token: TokenId
    label: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """The public half of a key that is on the token now."""

    public: PublicKey


@dataclass(frozen=True, slots=True)
class DataReply:
    """The data objects."""

    objects: tuple[DataObject, ...]


Change = (
    Random | Generate | ImportKey | DestroyKey | WriteCertificate | DeleteCertificate | ChangePin | ResetPin
    | ChangeSoPin | CheckSoPin | ReadData | WriteData
)  # fmt: skip

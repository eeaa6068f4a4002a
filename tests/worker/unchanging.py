"""The part of the port that writes, for modules of tests that have nothing to write to."""

from __future__ import annotations

from scd.gcrypt.pubkey import PublicKey, RsaPublicKey
from scd.token.model import DataObject, DataRecord, PinTries, TokenId, TokenInfo
from scd.token.port import GenerateRequest, ImportRequest, KeyAddress
from scd.token.secrets import Pin

PUBLIC = RsaPublicKey(b"\x80" * 128, b"\1\0\1")
INFO = TokenInfo(
    TokenId("", "", "", ""), initialized=True, login_required=True, pin_initialized=True, pinpad=False,
    write_protected=False, pin_tries=PinTries.FULL, pin_min=0, pin_max=0, logged_in=False, so_pin_tries=PinTries.FULL,
)  # fmt: skip


class Unchanging:
    """Says that it is done and does nothing; `note` is called each time."""

    def note(self) -> None:
        """For those who count."""

    def random(self, token: TokenId, count: int) -> bytes:
        self.note()
        return bytes(count)

    def generate(self, request: GenerateRequest) -> PublicKey:
        self.note()
        return PUBLIC

    def import_key(self, request: ImportRequest) -> PublicKey:
        self.note()
        return PUBLIC

    def destroy_key(self, key: KeyAddress) -> None:
        self.note()

    def move_key(self, key: KeyAddress, cka_id: bytes) -> None:
        self.note()

    def write_certificate(self, token: TokenId, cka_id: bytes, label: str, der: bytes) -> None:
        self.note()

    def delete_certificate(self, token: TokenId, cka_id: bytes) -> None:
        self.note()

    def change_pin(self, token: TokenId, old: Pin | None, new: Pin | None) -> None:
        self.note()

    def reset_pin(self, token: TokenId, so_pin: Pin | None, new: Pin | None) -> None:
        self.note()

    def change_so_pin(self, token: TokenId, old: Pin | None, new: Pin | None) -> None:
        self.note()

    def check_so_pin(self, token: TokenId, so_pin: Pin | None) -> None:
        self.note()

    def read_data(self, token: TokenId) -> tuple[DataObject, ...]:
        self.note()
        return ()

    def write_data(self, token: TokenId, records: tuple[DataRecord, ...]) -> tuple[DataObject, ...]:
        self.note()
        return ()

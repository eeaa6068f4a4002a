"""The worker on a bed, planned as the daemon plans it, with the calls that the tests of writing make."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from scd.composition.plan import plan
from scd.config import load_settings, parse_command_line
from scd.cryptoki.worker.client import WorkerModule
from scd.gcrypt.privkey import PrivateKey
from scd.gcrypt.pubkey import PublicKey as ScdPublicKey
from scd.token.errors import NotSupported, TokenReadOnly, UnsupportedAlgorithm
from scd.token.model import Certificate, KeyPair, TokenId, TokenInfo
from scd.token.port import REREAD, DecryptRequest, GenerateRequest, ImportRequest, KeyAddress, SignRequest
from scd.token.secrets import Pin
from tests.modules.beds.bed import Bed, Can, PublicKey
from tests.modules.checks import DIGEST, SHA256_INFO, assert_signature, challenge, known

T = TypeVar("T")
REFUSALS = (NotSupported, UnsupportedAlgorithm, TokenReadOnly)
"""What a token may say to what it cannot do at all."""


@dataclass(frozen=True)
class Port:
    """A module loaded by a worker; nobody is logged in at first."""

    bed: Bed
    module: WorkerModule
    runner: asyncio.Runner

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for one call."""
        return self.runner.run(work)

    @property
    def info(self) -> TokenInfo:
        """The bed's token as it is now; there may be others."""
        (found,) = (info for info in self.run(self.module.tokens()) if info.id.label == self.bed.label)
        return found

    @property
    def token(self) -> TokenId:
        """Its four texts."""
        return self.info.id

    def pin(self, text: str | None = None) -> Pin:
        """The bed's PIN, or another one."""
        return Pin((text or self.bed.pin).encode())

    def login(self, text: str | None = None) -> None:
        """With the bed's PIN, or with another one."""
        self.run(self.module.login(self.token, self.pin(text)))

    def logout(self) -> None:
        """Nobody is logged in afterwards."""
        self.run(self.module.logout(self.token))

    def content(self) -> tuple[tuple[KeyPair, ...], tuple[Certificate, ...]]:
        """All keys and certificates, read anew."""
        found = self.run(self.module.objects(self.token, REREAD))
        assert found is not None
        return found.keys, found.certificates

    def keys_at(self, cka_id: bytes) -> list[KeyPair]:
        """The keys with this CKA_ID."""
        return [key for key in self.content()[0] if key.cka_id == cka_id]

    def known(self, cka_id: bytes) -> PublicKey:
        """The public half of the one key there, as cryptography has it."""
        (key,) = self.keys_at(cka_id)
        public = known(key.public)
        assert isinstance(public, PublicKey)
        return public

    def generate(
        self, algorithm: str, cka_id: bytes, *, sign: bool = True, decrypt: bool = True
    ) -> Coroutine[Any, Any, ScdPublicKey]:
        """A key pair labelled `new`."""
        request = GenerateRequest(self.token, algorithm, cka_id, "new", sign, decrypt)
        return self.module.generate(request)

    def take_in(self, private: PrivateKey, cka_id: bytes) -> Coroutine[Any, Any, ScdPublicKey]:
        """A private key labelled `new`."""
        return self.module.import_key(ImportRequest(self.token, private, cka_id, "new", True, True))

    def destroy(self, cka_id: bytes) -> None:
        """All keys with this CKA_ID."""
        for key in self.keys_at(cka_id):
            self.run(self.module.destroy_key(KeyAddress(self.token, key.cka_id, key.public)))

    def attempt(self, able: Can | set[Can], work: Coroutine[Any, Any, T]) -> T | None:
        """What comes of it on a token that can do this; None after seeing the others refuse and change nothing."""
        if (able if isinstance(able, set) else {able}) <= self.bed.can:
            return self.run(work)
        made = self.made_or_refused(work)
        assert made is None, f"{self.bed.name} can do more than its bed says"
        return None

    def made_or_refused(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What comes of it; None when it was refused and nothing changed."""
        before = self.content()
        try:
            return self.run(work)
        except REFUSALS:
            assert self.content() == before
            return None

    def assert_works(self, key: KeyPair) -> None:
        """It does what the listing says, as cryptography sees it."""
        address, public = KeyAddress(self.token, key.cka_id, key.public), known(key.public)
        if key.can_sign:
            head = SHA256_INFO if key.public.algorithm.startswith("rsa") else b""
            assert_signature(public, self.run(self.module.sign(SignRequest(address, head + DIGEST))))
        if key.can_decrypt:
            data, expected = challenge(public)
            assert self.run(self.module.decrypt(DecryptRequest(address, data))) == expected


@contextmanager
def open_port(bed: Bed, home: Path) -> Iterator[Port]:
    """A fresh worker on the bed, as long as the block lasts; its environment is the bed's."""
    home.mkdir(mode=0o700)
    (home / "scd.conf").write_text(bed.config(), encoding="utf-8")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in bed.env.items():
            environment.setenv(name, value)
        settings = load_settings(parse_command_line(["--homedir", str(home)]), os.environ)
        (planned,) = plan(settings, os.environ)
        with asyncio.Runner() as runner:
            port = Port(bed, runner.run(_worker(planned.config, planned.timeout_s)), runner)
            try:
                yield port
            finally:
                port.run(port.module.close())


async def _worker(*arguments: Any) -> WorkerModule:
    """Made where there is a loop."""
    config, timeout_s = arguments
    return WorkerModule(config, timeout_s=timeout_s)

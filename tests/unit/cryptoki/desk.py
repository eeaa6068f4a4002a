"""A bench with a module that writes, and the changes that tests make through it."""

from __future__ import annotations

from pkcs11 import Attribute

from scd.gcrypt.privkey import PrivateKey, parse_private_key
from scd.token.model import DataObject
from scd.token.port import GenerateRequest, ImportRequest
from tests.contract.test_new_certificates import renewed
from tests.unit.cryptoki.in_memory import Bench
from tests.unit.cryptoki.memory_token import MemoryToken
from tests.unit.cryptoki.memory_writes import MECHANISMS, WritableNative
from tests.unit.gcrypt.keytocard import KEYTOCARD

PLACE = b"\x33"
PRIVATE: PrivateKey = parse_private_key(KEYTOCARD["nistp256"][1])[0]


class Desk(Bench):
    """A bench with a module that writes."""

    def __init__(self, *, left_out: tuple[str, ...] = (), login: bool = True, **switches: object) -> None:
        token = MemoryToken("memory", **{"listed": MECHANISMS} | switches)  # type: ignore[arg-type]  # handed through
        self.writes = WritableNative(token, left_out=left_out)
        super().__init__(token, login=login, native=self.writes)

    def generate(self, algorithm: str = "nistp256") -> None:
        self.module.generate(GenerateRequest(self.id, algorithm, PLACE, "new", True, True))

    def take_in(self) -> None:
        self.module.import_key(ImportRequest(self.id, PRIVATE, PLACE, "new", True, True))

    def certify(self, place: bytes = PLACE, name: str = "Renewed") -> bytes:
        made = renewed(name)
        self.module.write_certificate(self.id, place, "new", made)
        return made

    def data(self) -> tuple[DataObject, ...]:
        return self.module.read_data(self.id)

    def keys(self) -> list[bytes]:
        """The classes of all key objects on the token."""
        return [
            one.attributes[Attribute.CLASS]
            for one in self.token.objects.values()
            if Attribute.KEY_TYPE in one.attributes
        ]

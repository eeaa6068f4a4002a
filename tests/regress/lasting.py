"""A key that its token does not destroy: both halves with CKA_DESTROYABLE false, which no program sets.

python -m tests.regress.lasting MODULE LABEL PIN KEY.der CKA_ID      # in a process of its own
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_der_private_key

from tests.harness.tokens import REPOSITORY
from tests.regress.tokens import PIN, PlainTokens


def write_lasting(tokens: PlainTokens, label: str, key: Path, cka_id: str) -> None:
    """Put the key of `new_key` on this token."""
    command = [sys.executable, "-m", "tests.regress.lasting", str(tokens.module), label, PIN, str(key), cka_id]
    subprocess.run(command, env=os.environ | tokens.env, cwd=REPOSITORY, check=True)


def main(library: str, label: str, pin: str, key: str, cka_id: str) -> None:
    """Create both objects."""
    from pkcs11_objects import private_object, public_object
    from rawtoken import CKU_USER, Attribute, RawModule

    private = load_der_private_key(Path(key).read_bytes(), None)
    module = RawModule(Path(library))
    with module.running(), module.session(module.slot_of(label), CKU_USER, pin.encode()) as session:
        for template in (private_object(private, None), public_object(private, None)):
            place = {Attribute.CKA_ID: bytes.fromhex(cka_id), Attribute.CKA_LABEL: b"lasting"}
            module.create(session, {**template, **place, Attribute.CKA_DESTROYABLE: False})


if __name__ == "__main__":
    main(*sys.argv[1:])

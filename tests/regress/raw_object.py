"""One PKCS#11 object with every use of it said, which pkcs11-tool leaves to the module's defaults.

A process of its own: MODULE LABEL PIN KEY.der PART CKA_ID USES, where PART is private or public.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_der_private_key

sys.path.append(str(Path(__file__).parents[2] / "softhsm-fixtures"))

from pkcs11_objects import USES, private_object, public_object
from rawtoken import CKU_USER, Attribute, RawModule

module, label, pin, key_file, part, cka_id, uses = sys.argv[1:]
key = load_der_private_key(Path(key_file).read_bytes(), None)
make = {"private": private_object, "public": public_object}[part]
unsaid = {one: False for names in USES.values() for one in names[part == "public"]}
attributes = unsaid | make(key, uses.split(",")) | {Attribute.CKA_ID: bytes.fromhex(cka_id)}
raw = RawModule(Path(module))
with raw.running(), raw.session(raw.slot_of(label), CKU_USER, pin.encode()) as session:
    raw.create(session, attributes)

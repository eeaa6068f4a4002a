"""One PKCS#11 object with just the attributes that come as JSON, by number and in hex, whether they make sense or not.

A process of its own: MODULE LABEL PIN.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "softhsm-fixtures"))

from rawtoken import CKU_USER, Attribute, RawModule

module, label, pin = sys.argv[1:]
attributes = {Attribute(int(number)): bytes.fromhex(value) for number, value in json.load(sys.stdin).items()}
raw = RawModule(Path(module))
with raw.running(), raw.session(raw.slot_of(label), CKU_USER, pin.encode()) as session:
    raw.create(session, attributes)

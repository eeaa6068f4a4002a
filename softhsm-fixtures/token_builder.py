"""Builds the declared tokens in this process; mint.py starts it and reads what it writes.

Loads SoftHSM into the process that calls it, once: SOFTHSM2_CONF is read at C_Initialize and never again.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import make_keys
import pkcs11_objects as made
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from rawtoken import CKU_USER, Attribute, RawModule

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

HERE = Path(__file__).parent
CONFIG = """\
directories.tokendir = {tokens}
objectstore.backend = file
log.level = ERROR
slots.removable = false
"""
# An entry of tokens.toml, or a JSON object made from one; the shape is given in tokens.toml.
Entry = dict[str, Any]


def declarations() -> dict[str, Any]:
    """tokens.toml as it stands."""
    return tomllib.loads((HERE / "tokens.toml").read_text(encoding="utf-8"))


def build(folder: Path, names: Iterable[str], *, library: Path, count: int, cache: Path, kind: str) -> None:
    """Make the named tokens under `folder`, with softhsm2.conf and minted.json beside them."""
    (folder / "tokens").mkdir(parents=True)
    config = folder / "softhsm2.conf"
    config.write_text(CONFIG.format(tokens=folder / "tokens"), encoding="utf-8")
    os.environ["SOFTHSM2_CONF"] = str(config)
    declared, module = declarations(), RawModule(library)
    record: dict[str, Entry] = {}
    with module.running():
        for name in names:
            token = dict(declared["tokens"][name])
            if name == "many":
                token["objects"] = generated_keys(kind, count, cache)
            record[name] = _build_token(module, name, token, declared["keygrips"])
    minted = {"module": str(library), "tokens": record}
    (folder / "minted.json").write_text(json.dumps(minted, indent=1), encoding="utf-8")


def generated_keys(kind: str, count: int, cache: Path) -> list[Entry]:
    """Entries for `count` keys with certificates, of a kind of make_keys.py; those in `cache` are used again."""
    cache.mkdir(parents=True, exist_ok=True)
    issuer = make_keys.load(make_keys.ISSUER)
    entries = []
    for number in range(1, count + 1):
        name = f"{kind}-{number:04d}"
        key_pem, cert_pem = cache / f"{name}.key.pem", cache / f"{name}.crt.pem"
        if not cert_pem.exists():
            key = make_keys.generate(kind)
            key_pem.write_bytes(make_keys.key_pem(key))
            certificate = make_keys.certificate(key, f"Many {number:04d}", issuer)
            cert_pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        parts = ["private", "public", "certificate"]
        entries.append({"name": name, "id": f"{number:04X}", "parts": parts, "key_pem": key_pem, "cert_pem": cert_pem})
    return entries


def _build_token(module: RawModule, name: str, token: Entry, keygrips: dict[str, str]) -> Entry:
    slot = module.free_slot()
    so_pin, pin = token["so_pin"].encode(), token.get("pin", "").encode()
    module.init_token(slot, name, so_pin)
    if pin:
        module.init_pin(slot, so_pin, pin)
        with module.session(slot, CKU_USER, pin) as session:
            for entry in token["objects"]:
                for attributes in _objects(entry):
                    module.create(session, attributes)
    return {
        "label": name,
        "serial": module.serial(slot),
        "pin": token.get("pin", ""),
        "so_pin": token["so_pin"],
        "objects": {entry["name"]: _record(entry, keygrips) for entry in token["objects"]},
    }


def _parts(entry: Entry) -> list[str]:
    parts: list[str] = entry.get("parts", ["private", "public"])
    return parts


def _key_pem(entry: Entry) -> Path | None:
    if "key" in entry:
        return HERE / "keys" / f"{entry['key']}.key.pem"
    path: Path | None = entry.get("key_pem")
    return path


def _cert_pem(entry: Entry) -> Path | None:
    if "certificate" not in _parts(entry):
        return None
    path: Path | None = entry.get("cert_pem")
    return path or HERE / "keys" / f"{entry.get('cert', entry.get('key'))}.crt.pem"


def _load(pem: Path) -> PrivateKeyTypes:
    """Without the primality checks, which would take most of the minting's time."""
    return serialization.load_pem_private_key(pem.read_bytes(), None, unsafe_skip_rsa_key_validation=True)


def _objects(entry: Entry) -> Iterable[made.Object]:
    """The PKCS#11 objects of one entry, overrides applied."""
    key_pem, cert_pem = _key_pem(entry), _cert_pem(entry)
    key = _load(key_pem) if key_pem else None
    for part in _parts(entry):
        if part == "private" and key:
            attributes = made.private_object(key, entry.get("use"))
        elif part == "public" and key:
            attributes = made.public_object(key, entry.get("use"), raw_point=entry.get("raw_point", False))
        elif part == "certificate" and cert_pem:
            attributes = made.certificate_object(cert_pem.read_bytes())
        else:
            attributes = {"data": made.data_object, "secret": made.secret_object}[part]()
        if part != "data":
            attributes[Attribute.CKA_ID] = bytes.fromhex(entry.get("id", ""))
        overrides = entry.get("set", {})
        yield _overridden(attributes | _label(entry), overrides.get("all", {}) | overrides.get(part, {}))


def _label(entry: Entry) -> made.Object:
    return {Attribute.CKA_LABEL: str(entry.get("label", entry["name"])).encode()}


def _overridden(attributes: made.Object, overrides: Entry) -> made.Object:
    result = dict(attributes)
    for word, value in overrides.items():
        attribute = Attribute[word]
        if value == "none":
            del result[attribute]
        elif isinstance(value, str):
            result[attribute] = bytes.fromhex(value[4:]) if value.startswith("hex:") else value.encode()
        else:
            result[attribute] = value
    return result


def _record(entry: Entry, keygrips: dict[str, str]) -> Entry:
    """What minted.json says of one entry."""
    key_pem, cert_pem = _key_pem(entry), _cert_pem(entry)
    label = _overridden(_label(entry), entry.get("set", {}).get("all", {}))[Attribute.CKA_LABEL]
    return {
        "parts": " ".join(_parts(entry)),
        "usable": entry.get("usable", True),
        "cka_id": entry.get("id", ""),
        "label": label.hex() if isinstance(label, bytes) else "",
        "keygrip": keygrips.get(entry["key"]) if "key" in entry else _rsa_keygrip(key_pem),
        "key_pem": str(key_pem) if key_pem else None,
        "certificate_pem": str(cert_pem) if cert_pem else None,
    }


def _rsa_keygrip(pem: Path | None) -> str | None:
    """For generated RSA keys only: SHA-1 over the modulus as libgcrypt writes it, a signed big-endian number."""
    key = _load(pem) if pem else None
    if not isinstance(key, rsa.RSAPrivateKey):
        return None
    modulus = key.public_key().public_numbers().n
    return hashlib.sha1(modulus.to_bytes(modulus.bit_length() // 8 + 1, "big")).hexdigest().upper()

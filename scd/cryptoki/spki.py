"""Public keys and certificates in DER, read by asn1crypto, which tolerates odd ones."""

from __future__ import annotations

from typing import Any

from asn1crypto import keys, x509

from scd.gcrypt.curves import curve_by_ec_params, curve_by_oid, ec_point
from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey
from scd.token.model import Certificate

# RFC 4514's short names, by asn1crypto's names of the attribute types.
_SHORT = {
    "common_name": "CN", "surname": "SN", "serial_number": "serialNumber", "country_name": "C",
    "locality_name": "L", "state_or_province_name": "ST", "street_address": "STREET", "organization_name": "O",
    "organizational_unit_name": "OU", "title": "title", "given_name": "GN", "email_address": "emailAddress",
    "domain_component": "DC", "user_id": "UID", "pseudonym": "pseudonym", "name": "name",
}  # fmt: skip

# DER of two object identifiers: id-ce-keyUsage 2.5.29.15, id-ce-basicConstraints 2.5.29.19 (RFC 5280 §4.2.1).
_KEY_USAGE = b"\x06\x03\x55\x1d\x0f"
_BASIC_CONSTRAINTS = b"\x06\x03\x55\x1d\x13"


# What asn1crypto 1.5.1 raises for input that is no DER, or DER of another shape.
_BROKEN = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError)


def public_key(spki_der: bytes) -> PublicKey | None:
    """The key in a SubjectPublicKeyInfo (CKA_PUBLIC_KEY_INFO); None for kinds scd does not serve.

    Raises ValueError for broken DER.
    """
    try:
        return _from_spki(keys.PublicKeyInfo.load(spki_der, strict=True))
    except _BROKEN as error:
        raise ValueError(f"not a SubjectPublicKeyInfo: {error}") from error


def _from_spki(info: Any) -> PublicKey | None:
    algorithm = info["algorithm"]["algorithm"]
    if algorithm.native in ("rsa", "rsassa_pss"):
        rsa = info["public_key"].parsed
        return RsaPublicKey(_unsigned(rsa["modulus"]), _unsigned(rsa["public_exponent"]))
    point = bytes(info["public_key"])  # asn1crypto gives the octets of the BIT STRING
    if algorithm.native == "ec":
        curve = curve_by_ec_params(info["algorithm"]["parameters"].dump())
    else:
        curve = curve_by_oid(algorithm.dotted)
    return None if curve is None else EccPublicKey(curve.name, ec_point(curve, point))


def _unsigned(integer: Any) -> bytes:
    contents: bytes = integer.contents
    return contents.lstrip(b"\0")


def certificate(der: bytes, cka_id: bytes, label: str) -> Certificate:
    """Read one X.509 certificate. Raises ValueError for broken DER; a key of unknown kind is no error."""
    try:
        parsed = x509.Certificate.load(der, strict=True)
        body = parsed["tbs_certificate"]
        usage, is_ca = _extensions(body)
        subject, since = name_text(body["subject"]), _epoch(body["validity"]["not_before"])
        return Certificate(
            der, cka_id, label, _lenient_key(body["subject_public_key_info"]), subject, since, usage, is_ca
        )
    except _BROKEN as error:
        raise ValueError(f"not a certificate: {error}") from error


def certificate_names(der: bytes) -> tuple[bytes, bytes, bytes]:
    """Subject, issuer and serial number of a certificate, each in DER, as CKA_SUBJECT and its like hold them.

    Raises ValueError for broken DER.
    """
    try:
        body = x509.Certificate.load(der, strict=True)["tbs_certificate"]
        return body["subject"].dump(), body["issuer"].dump(), body["serial_number"].dump()
    except _BROKEN as error:
        raise ValueError(f"not a certificate: {error}") from error


def _lenient_key(info: Any) -> PublicKey | None:
    try:
        return _from_spki(info)
    except _BROKEN:
        return None


def _epoch(time: Any) -> int | None:
    try:
        return int(time.chosen.native.timestamp())
    except _BROKEN:
        return None


def _extensions(body: Any) -> tuple[tuple[str, ...] | None, bool]:
    """Key usage (None: no such extension) and whether basicConstraints says CA. Only these two are parsed at all."""
    usage: tuple[str, ...] | None = None
    is_ca = False
    for extension in body["extensions"] or ():
        oid = extension.contents[: len(_KEY_USAGE)]
        if oid == _KEY_USAGE:
            usage = tuple(sorted(extension["extn_value"].parsed.native))
        elif oid == _BASIC_CONSTRAINTS:
            is_ca = bool(extension["extn_value"].parsed["ca"].native)
    return usage, is_ca


def name_text(name: Any) -> str:
    """A distinguished name in RFC 4514 form, most significant attribute last as in the certificate's reverse."""
    parts = []
    for rdn in reversed(name.chosen):
        pairs = []
        for entry in rdn:
            kind = entry["type"].native
            pairs.append(f"{_SHORT.get(kind, entry['type'].dotted)}={_escape(str(entry['value'].native))}")
        parts.append("+".join(pairs))
    return ",".join(parts)


def _escape(value: str) -> str:
    """RFC 4514 §2.4; control characters, too, so that a name stays on its line."""
    escaped = "".join(f"\\{ord(c):02X}" if c < " " else "\\" + c if c in ',+"\\<>;' else c for c in value)
    if len(escaped) > 1 and escaped.endswith(" "):
        escaped = escaped[:-1] + "\\ "
    return "\\" + escaped if escaped.startswith(("#", " ")) else escaped

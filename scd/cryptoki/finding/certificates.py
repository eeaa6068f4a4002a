"""X.509 certificates, read field by field: an odd field is unknown, and costs neither the others nor the key."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from asn1crypto import x509

from scd.cryptoki.finding.spki import BROKEN, Element, dotted, elements, first_element, public_key
from scd.token.model import Certificate

T = TypeVar("T")

# RFC 4514's short names, by asn1crypto's names of the attribute types.
_SHORT = {
    "common_name": "CN", "surname": "SN", "serial_number": "serialNumber", "country_name": "C",
    "locality_name": "L", "state_or_province_name": "ST", "street_address": "STREET", "organization_name": "O",
    "organizational_unit_name": "OU", "title": "title", "given_name": "GN", "email_address": "emailAddress",
    "domain_component": "DC", "user_id": "UID", "pseudonym": "pseudonym", "name": "name",
}  # fmt: skip

_VERSION, _EXTENSIONS = 0xA0, 0xA3  # explicit tags in TBSCertificate, RFC 5280 §4.1
_KEY_USAGE, _BASIC_CONSTRAINTS, _EXTENDED_USAGE = "2.5.29.15", "2.5.29.19", "2.5.29.37"
_PIV_ATTESTATION = "1.3.6.1.4.1.41482.3."  # Yubico's extensions: the key was made on this device

# Extended usages under which mail and login programs take a certificate (RFC 5280, 9336, 4556; Microsoft's own).
_PERSONAL = frozenset({
    "2.5.29.37.0", "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36", "1.3.6.1.5.2.3.4",
    "1.3.6.1.4.1.311.20.2.2", "1.3.6.1.4.1.311.10.3.12",
})  # fmt: skip
_ONLY_FOR_ISSUERS = frozenset({"key_cert_sign", "crl_sign"})

_WIDE = {0x1E: ("utf-16-be", 2), 0x1C: ("utf-32-be", 4)}  # BMPString, UniversalString
_NARROW = frozenset({0x0C, 0x12, 0x13, 0x14, 0x16, 0x19, 0x1A, 0x1B})  # UTF8String … GeneralString


def certificate(der: bytes, cka_id: bytes, label: str) -> Certificate:
    """Read one X.509 certificate; octets behind it, which cards pad their files with, are left out.

    Raises ValueError only where no certificate can be made out at all.
    """
    whole, (_serial, _algorithm, issuer, validity, subject, key, *rest) = _fields(der)
    since, until = _validity(validity)
    extensions = _extensions(rest)
    usage = _or(lambda: _key_usage(extensions.get(_KEY_USAGE)), None)
    return Certificate(
        whole, cka_id, label,
        public=_or(lambda: public_key(key.whole), None),
        subject=_or(lambda: name_text(subject), ""),
        not_before=since,
        key_usage=usage,
        is_ca=_or(lambda: _is_ca(extensions.get(_BASIC_CONSTRAINTS)), False),
        issuer=_or(lambda: name_text(issuer), ""),
        not_after=until,
        is_personal=_is_personal(extensions, usage),
    )  # fmt: skip


def certificate_names(der: bytes) -> tuple[bytes, bytes, bytes]:
    """Subject, issuer and serial number of a certificate, each in DER, as CKA_SUBJECT and its like hold them.

    Raises ValueError for broken DER.
    """
    _whole, (serial, _algorithm, issuer, _validity, subject, *_rest) = _fields(der)
    return subject.whole, issuer.whole, serial.whole


def _fields(der: bytes) -> tuple[bytes, list[Element]]:
    """The certificate's octets, and the fields of its TBSCertificate from the serial number on: six at least."""
    try:
        outer = first_element(der)
        fields = elements(first_element(outer.content).content)
    except BROKEN as error:
        raise ValueError(f"not a certificate: {error}") from error
    if fields and fields[0].tag == _VERSION:
        del fields[0]
    if len(fields) < 6:
        raise ValueError(f"not a certificate: {len(fields)} fields")
    return outer.whole, fields


def _or(read: Callable[[], T], unknown: T) -> T:
    """What `read` gives, or `unknown` for a field that cannot be read."""
    try:
        return read()
    except BROKEN:
        return unknown


def _validity(validity: Element) -> tuple[int | None, int | None]:
    nothing: list[Element] = []
    times = _or(partial(elements, validity.content), nothing)
    since, until, *_ = (*(_or(partial(_epoch, one), None) for one in times), None, None)
    return since, until


def _epoch(time: Element) -> int | None:
    return int(x509.Time.load(time.whole, strict=True).native.timestamp())


def _extensions(rest: list[Element]) -> dict[str, bytes]:
    """The content of each extension by its object identifier; what cannot be read is left out."""
    found: dict[str, bytes] = {}
    nothing: list[Element] = []
    for field in rest:
        if field.tag == _EXTENSIONS:
            for extension in _or(partial(_within, field), nothing):
                with contextlib.suppress(*BROKEN):
                    oid, *_critical, value = elements(extension.content)
                    found[dotted(oid)] = value.content
    return found


def _within(explicit: Element) -> list[Element]:
    return elements(first_element(explicit.content).content)


def _key_usage(value: bytes | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(sorted(x509.KeyUsage.load(value, strict=True).native))


def _is_ca(value: bytes | None) -> bool:
    return value is not None and bool(x509.BasicConstraints.load(value, strict=True)["ca"].native)


def _is_personal(extensions: dict[str, bytes], usage: tuple[str, ...] | None) -> bool | None:
    """See the model."""
    if any(oid.startswith(_PIV_ATTESTATION) for oid in extensions) or (usage and _ONLY_FOR_ISSUERS.issuperset(usage)):
        return False
    value = extensions.get(_EXTENDED_USAGE)
    if value is None:
        return None
    return _or(lambda: any(dotted(oid) in _PERSONAL for oid in elements(first_element(value).content)), None)


def name_text(name: Element) -> str:
    """A distinguished name in RFC 4514 form, most significant attribute last as in the certificate's reverse."""
    return ",".join(
        "+".join(_or(partial(_attribute, attribute), "unknown") for attribute in elements(rdn.content))
        for rdn in reversed(elements(name.content))
    )


def _attribute(attribute: Element) -> str:
    kind, value = elements(attribute.content)
    name: Any = x509.NameType.load(kind.whole, strict=True)
    return f"{_SHORT.get(name.native, name.dotted)}={_value(value)}"


def _value(value: Element) -> str:
    """The text, whatever the string type promises: there is Latin-1 in UTF8String, and UTF-8 in IA5String.

    What is no text at all is shown in hex, as RFC 4514 §2.4 has it.
    """
    if value.tag in _WIDE:
        codec, size = _WIDE[value.tag]
        return _escape(value.content[: len(value.content) // size * size].decode(codec, "replace"))
    if value.tag not in _NARROW:
        return f"#{value.whole.hex()}"
    try:
        return _escape(value.content.decode())
    except UnicodeDecodeError:
        return _escape(value.content.decode("latin-1"))


def _escape(value: str) -> str:
    """RFC 4514 §2.4; control characters, too, so that a name stays on its line."""
    escaped = "".join(f"\\{ord(c):02X}" if c < " " else "\\" + c if c in ',+"\\<>;' else c for c in value)
    if len(escaped) > 1 and escaped.endswith(" "):
        escaped = escaped[:-1] + "\\ "
    return "\\" + escaped if escaped.startswith(("#", " ")) else escaped

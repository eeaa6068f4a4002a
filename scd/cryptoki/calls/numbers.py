"""PKCS#11's numbers that scd uses (v3.1, pkcs11t.h), under the standard's names without CKA_, CKK_, CKM_, CKO_, CKF_.

python-pkcs11 has most of them, and a test holds these against it. Every worker would wait for its import, which brings
thousands of other numbers and asn1crypto.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

TRUE, FALSE = b"\1", b"\0"
"""CK_TRUE and CK_FALSE as a CK_BBOOL attribute's octets."""

USER_SO, USER = 0, 1
"""CKU_SO, CKU_USER."""

X_509 = 0
"""CKC_X_509."""

KDF_NULL = 1
"""CKD_NULL: the shared secret as it is."""


class ObjectClass(IntEnum):
    """CKO_…"""

    DATA = 0
    CERTIFICATE = 1
    PUBLIC_KEY = 2
    PRIVATE_KEY = 3
    SECRET_KEY = 4


class KeyType(IntEnum):
    """CKK_…"""

    RSA = 0x00
    EC = 0x03
    GENERIC_SECRET = 0x10
    EC_EDWARDS = 0x40
    EC_MONTGOMERY = 0x41


class Attribute(IntEnum):
    """CKA_…"""

    CLASS = 0x000
    TOKEN = 0x001
    PRIVATE = 0x002
    LABEL = 0x003
    APPLICATION = 0x010
    VALUE = 0x011
    CERTIFICATE_TYPE = 0x080
    ISSUER = 0x081
    SERIAL_NUMBER = 0x082
    CERTIFICATE_CATEGORY = 0x087
    KEY_TYPE = 0x100
    SUBJECT = 0x101
    ID = 0x102
    SENSITIVE = 0x103
    ENCRYPT = 0x104
    DECRYPT = 0x105
    WRAP = 0x106
    UNWRAP = 0x107
    SIGN = 0x108
    VERIFY = 0x10A
    DERIVE = 0x10C
    MODULUS = 0x120
    MODULUS_BITS = 0x121
    PUBLIC_EXPONENT = 0x122
    PRIVATE_EXPONENT = 0x123
    PRIME_1 = 0x124
    PRIME_2 = 0x125
    EXPONENT_1 = 0x126
    EXPONENT_2 = 0x127
    COEFFICIENT = 0x128
    PUBLIC_KEY_INFO = 0x129
    VALUE_LEN = 0x161
    EXTRACTABLE = 0x162
    MODIFIABLE = 0x170
    EC_PARAMS = 0x180
    EC_POINT = 0x181
    ALWAYS_AUTHENTICATE = 0x202


class Mechanism(IntEnum):
    """CKM_…"""

    RSA_PKCS_KEY_PAIR_GEN = 0x0000
    RSA_PKCS = 0x0001
    RSA_X_509 = 0x0003
    EC_KEY_PAIR_GEN = 0x1040
    ECDSA = 0x1041
    ECDH1_DERIVE = 0x1050
    ECDH1_COFACTOR_DERIVE = 0x1051
    EC_EDWARDS_KEY_PAIR_GEN = 0x1055
    EC_MONTGOMERY_KEY_PAIR_GEN = 0x1056
    EDDSA = 0x1057


class TokenFlag(IntFlag):
    """CKF_… of CK_TOKEN_INFO."""

    WRITE_PROTECTED = 0x000002
    LOGIN_REQUIRED = 0x000004
    USER_PIN_INITIALIZED = 0x000008
    PROTECTED_AUTHENTICATION_PATH = 0x000100
    TOKEN_INITIALIZED = 0x000400
    USER_PIN_COUNT_LOW = 0x010000
    USER_PIN_FINAL_TRY = 0x020000
    USER_PIN_LOCKED = 0x040000
    SO_PIN_COUNT_LOW = 0x100000
    SO_PIN_FINAL_TRY = 0x200000
    SO_PIN_LOCKED = 0x400000


def key_type_name(number: int) -> str:
    """A key type as a message names it. python-pkcs11 knows those that scd does not serve, and is loaded for them."""
    from pkcs11 import KeyType as EveryKeyType

    known = number in set(EveryKeyType)
    # It hides those that it does not serve itself behind an underscore.
    return f"CKK_{EveryKeyType(number).name.removeprefix('_')}" if known else f"0x{number:X}"

"""What one PKCS#11 module needs to be told: plain data, made from the configuration, sent to the worker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModuleConfig:
    """One configured module.

    `name` is the configuration's word for it and stands in messages; `library` a path; `init_args` the text
    handed to C_Initialize as pReserved, None for none. `private_mask` has the incumbent's bits (1 sign,
    2 sign-recover, 4 decrypt, 8 unwrap; 0 asks the token). `quirks` are values of
    `scd.cryptoki.profile.Quirk`; `profile` is the name of the provider profile that was matched, empty for none;
    `environment` are the variables that this profile says the module reads. `verify_signatures`: every signature,
    not only the first of each key.
    """

    name: str
    library: str
    init_args: str | None = None
    private_mask: int = 0
    cert_private: bool = False
    allow_protected_auth: bool = False
    quirks: tuple[str, ...] = ()
    profile: str = ""
    environment: tuple[str, ...] = ()
    verify_signatures: bool = False

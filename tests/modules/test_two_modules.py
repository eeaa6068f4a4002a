"""One key on the tokens of two modules of different make: whichever is present serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from scd.gcrypt.privkey import parse_private_key
from tests.e2e.user import encrypt_and_decrypt, is_gnupg_22, key_by_grip, make_stubs, sign_and_verify
from tests.harness.gnupg import GnupgHome
from tests.modules.beds import nss, softhsm
from tests.modules.beds.bed import Bed, Presence, Unavailable
from tests.modules.port import open_port
from tests.unit.gcrypt.keytocard import KEYTOCARD

GRIP, SEXP = KEYTOCARD["nistp256"]
PRIVATE, _ = parse_private_key(SEXP)


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Bed, Bed]]:
    """SoftHSM and an NSS database, each with the same key beside those of its own."""
    with ExitStack() as stack:
        made = []
        for name, open_bed in (("softhsm", softhsm.open_bed), ("nss", nss.open_bed)):
            folder = tmp_path / name
            folder.mkdir()
            try:
                bed = stack.enter_context(open_bed(folder))
            except Unavailable as reason:
                pytest.skip(f"{name}: {reason}")
            with open_port(bed, tmp_path / f"{name}-port") as port:
                port.login()
                port.run(port.take_in(PRIVATE, b"\x5c"))
            made.append(bed)
        yield made[0], made[1]


@pytest.fixture
def home(gnupg_home: Callable[..., GnupgHome]) -> GnupgHome:
    """A GnuPG home, and a person who knows the PIN of either token: they are the same."""
    assert softhsm.PIN == nss.PIN
    made: GnupgHome = gnupg_home(None, config="")
    made.pinentry.always(softhsm.PIN)
    return made


def configure(home: GnupgHome, *beds: Bed) -> None:
    """These modules, from the next start of the agent on."""
    home.stop_agent()
    lines = [f"log-file {home.daemon_log}", "verbose", f"providers {', '.join(bed.name for bed in beds)}"]
    for bed in beds:
        home.env.update(bed.env)
        lines += [f"provider-{bed.name}-library {bed.module}", *bed.options]
    home.write("scd.conf", "\n".join([*lines, ""]))


def test_the_key_serves_from_whichever_module_has_it(both: tuple[Bed, Bed], home: GnupgHome) -> None:
    presence: Presence | None = both[0].presence
    assert presence is not None
    configure(home, both[0])
    make_stubs(home)
    fingerprint = key_by_grip(home, "ECDSA", GRIP, subkey=("ECDH", GRIP))
    configure(home, *both)
    sign_and_verify(home, fingerprint)
    home.pinentry.forget_prompts()

    presence.take_away()
    sign_and_verify(home, fingerprint)
    encrypt_and_decrypt(home, fingerprint)
    assert [prompt.description.split('"')[1] for prompt in home.pinentry.prompts] == [nss.LABEL]

    presence.put_back()
    sign_and_verify(home, fingerprint)
    encrypt_and_decrypt(home, fingerprint)
    asked = [prompt.description.split('"')[1] for prompt in home.pinentry.prompts[1:]]
    # From 2.4 on the agent demands no card, and the database is logged in already.
    assert asked == ([softhsm.LABEL] if is_gnupg_22() else [])

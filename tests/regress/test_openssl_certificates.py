"""What `openssl req -x509` makes (CA:TRUE, no keyUsage) was taken for a CA's, and hid the private key until login:
gnupg-pkcs11-scd lists such keys and uses them, and after the switch gpg 2.4 asked for the card without end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.user import key_by_grip, make_stubs
from tests.harness.gnupg import GnupgHome
from tests.regress.tokens import ANSWERS, PIN, PlainTokens, daemon, new_key, openssl, public_of, self_signed


@pytest.fixture
def tokens(tmp_path: Path) -> PlainTokens:
    made = PlainTokens(tmp_path / "softhsm")
    made.init("card")
    return made


def grip(key: Path) -> str:
    return public_of(key).keygrip.hex().upper()


def issued(key: Path, ca: Path, *extensions: str) -> Path:
    """A certificate by the CA whose key this is and whose certificate lies beside it."""
    request, path, text = key.with_suffix(".csr"), key.with_suffix(".crt"), key.with_suffix(".ext")
    openssl("req", "-new", "-key", key, "-subj", "/CN=Alice", "-out", request)
    text.write_text("".join(f"{one}\n" for one in extensions))
    by = ("-CA", ca.with_suffix(".crt"), "-CAkey", ca, "-CAcreateserial", "-CAserial", ca.with_suffix(".srl"))
    openssl("x509", "-req", "-in", request, *by, "-days", "30", "-extfile", text, "-outform", "DER", "-out", path)
    return path


@pytest.mark.parametrize(
    ("kind", "cka_id"),
    [("rsa", ("--id", "01")), ("rsa", ()), ("prime256v1", ("--id", "01")), ("prime256v1", ())],
    ids=["RSA", "RSA without CKA_ID", "P-256", "P-256 without CKA_ID"],
)
def test_the_key_is_listed_before_login_and_signs(
    tokens: PlainTokens, tmp_path: Path, kind: str, cka_id: tuple[str, ...]
) -> None:
    key = new_key(kind, tmp_path)
    tokens.write("card", "privkey", key, *cka_id)
    tokens.write("card", "cert", self_signed(key), *cka_id)
    with daemon(tokens, tmp_path) as client:
        assert [line[:40] for line in client.transact("LEARN --force").values("KEYPAIRINFO")] == [grip(key)]
        assert client.transact(f"READKEY {grip(key)}").ok
        assert client.transact(f"KEYINFO {grip(key)}").ok
        assert client.transact("SETDATA " + "AB" * 32).ok
        assert client.transact(f"PKSIGN --hash=sha256 {grip(key)}", ANSWERS).ok


def test_a_ca_that_issued_another_certificate_of_the_token_is_not_listed(tokens: PlainTokens, tmp_path: Path) -> None:
    ca, key = new_key("rsa", tmp_path, "ca"), new_key("rsa", tmp_path)
    tokens.write("card", "privkey", key, "--id", "01")
    tokens.write("card", "cert", self_signed(ca, name="/CN=CA"), "--id", "02")
    tokens.write("card", "cert", issued(key, ca), "--id", "01")
    with daemon(tokens, tmp_path) as client:
        learned = client.transact("LEARN --force")
        assert [line[:40] for line in learned.values("KEYPAIRINFO")] == [grip(key)]
        assert len(learned.values("CERTINFO")) == 2


def test_an_intermediate_ca_s_certificate_is_not_listed(tokens: PlainTokens, tmp_path: Path) -> None:
    root, between, key = (new_key("rsa", tmp_path, name) for name in ("root", "between", "key"))
    self_signed(root, name="/CN=Root")
    ca = issued(between, root, "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
    tokens.write("card", "privkey", key, "--id", "01")
    tokens.write("card", "cert", ca, "--id", "02")
    tokens.write("card", "cert", self_signed(key), "--id", "01")
    with daemon(tokens, tmp_path) as client:
        assert [line[:40] for line in client.transact("LEARN --force").values("KEYPAIRINFO")] == [grip(key)]


def test_stubs_and_openpgp_keys_live_on_after_the_switch(
    tokens: PlainTokens, tmp_path: Path, gnupg_home: Callable[..., GnupgHome]
) -> None:
    """The daemon is new, the stub is there, nobody has logged in: gpg signs, and asks for the PIN alone."""
    key = new_key("rsa", tmp_path)
    tokens.write("card", "privkey", key, "--id", "01")
    tokens.write("card", "cert", self_signed(key), "--id", "01")
    home = gnupg_home(tokens)
    home.pinentry.always(PIN)
    make_stubs(home)
    fingerprint = key_by_grip(home, "RSA", grip(key))
    home.stop_agent()
    home.pinentry.forget_prompts()
    assert home.gpg("-u", fingerprint, "--sign", input=b"a letter").stdout
    assert [prompt.kind for prompt in home.pinentry.prompts] == ["pin"]


def test_a_stub_is_evidence_for_a_key_whose_certificate_can_do_nothing_but_certify(
    tokens: PlainTokens, tmp_path: Path, gnupg_home: Callable[..., GnupgHome]
) -> None:
    """Somebody's own CA: its key is hidden before the login, and yet signs in a daemon that was just started."""
    root, key, other = (new_key("rsa", tmp_path, name) for name in ("root", "key", "other"))
    self_signed(root, name="/CN=Root")
    tokens.write("card", "privkey", key, "--id", "01")
    ca = issued(key, root, "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
    tokens.write("card", "cert", ca, "--id", "01")
    tokens.load("card", other, "02")
    home = gnupg_home(tokens)
    home.pinentry.always(PIN)
    home.connect_agent("SCD LEARN --force", "SCD CHECKPIN OPENPGP.1", "LEARN --force")
    fingerprint = key_by_grip(home, "RSA", grip(key))
    home.stop_agent()
    home.pinentry.forget_prompts()
    assert home.gpg("-u", fingerprint, "--sign", input=b"a letter").stdout
    assert [prompt.kind for prompt in home.pinentry.prompts] == ["pin"]

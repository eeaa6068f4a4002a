"""Tokens as people have them: made by softhsm2-util, pkcs11-tool and openssl with default flags, not from fixtures.

    tokens = PlainTokens(tmp_path / "softhsm")
    tokens.init("card")
    tokens.generate("card", "rsa:2048")                          # pkcs11-tool --keypairgen, nothing else chosen
    key = new_key("prime256v1", tmp_path)                        # openssl; tokens.write stores it, or parts of it
    tokens.write("card", "privkey", key, "--id", "01")
    tokens.write("card", "cert", self_signed(key), "--id", "01")

They are `Minted`: `gnupg_home(tokens)` runs a real gpg-agent on them, `daemon(tokens, tmp_path)` scd alone, and
`tests.softhsm.loaded.loaded(tokens)` the in-process module. `rawtoken.py` makes what these programs cannot.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey
from tests.harness.assuan_client import AssuanClient, pin_reply, run_scd
from tests.harness.gnupg import scd_config
from tests.harness.tokens import Minted, MintedToken, softhsm_library

# Of softhsm-fixtures/, which the line above has made importable.
from pkcs11_objects import USES, certificate_object, private_object, public_object  # isort: skip
from rawtoken import Attribute, octets  # isort: skip

PIN, SO_PIN = "123456", "87654321"
ANSWERS = {"NEEDPIN": pin_reply(PIN)}
"""For `AssuanClient.transact`: the PIN when it is asked for."""

_HALVES = ("private", "public")
_CURVES = {"secp256r1": "NIST P-256", "secp384r1": "NIST P-384", "secp521r1": "NIST P-521"}


class PlainTokens(Minted):
    """A folder with an own SOFTHSM2_CONF; `tokens` fills with `init`."""

    def __init__(self, folder: Path, module: Path | None = None) -> None:
        super().__init__(folder, module or softhsm_library(), {})
        (folder / "tokens").mkdir(parents=True)
        self.config.write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n", encoding="utf-8")

    def init(self, label: str) -> None:
        """softhsm2-util --init-token."""
        self._run("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN)
        self.tokens[label] = MintedToken(label, "", PIN, SO_PIN, {})

    def generate(self, label: str, kind: str, *options: str) -> None:
        """pkcs11-tool --keypairgen; `kind` as in `rsa:2048`, `EC:prime256v1`, `EC:edwards25519`."""
        self.tool(label, "--keypairgen", "--key-type", kind, *options)

    def write(self, label: str, kind: str, file: Path, *options: str) -> None:
        """pkcs11-tool --write-object; `kind` is privkey, pubkey or cert, `file` of DER."""
        self.tool(label, "--write-object", str(file), "--type", kind, *options)

    def create(self, label: str, part: str, key: Path, cka_id: str, *uses: str) -> None:
        """C_CreateObject of the private or public half that may do just this, of sign, decrypt and derive."""
        private = load_der_private_key(key.read_bytes(), None)
        half = _HALVES.index(part)
        unsaid = {one: False for names in USES.values() for one in names[half]}
        made = (private_object, public_object)[half](private, uses)
        attributes = unsaid | made | {Attribute.CKA_ID: bytes.fromhex(cka_id)}
        self.create_odd(label, {int(number): octets(value) for number, value in attributes.items()})

    def write_private_certificate(self, label: str, file: Path, cka_id: str) -> None:
        """A CKA_PRIVATE one: pkcs11-tool 0.23 has no ear for --private here, and writes a public one."""
        made = certificate_object(ssl.DER_cert_to_PEM_cert(file.read_bytes()).encode())
        attributes = made | {Attribute.CKA_PRIVATE: True, Attribute.CKA_ID: bytes.fromhex(cka_id)}
        self.create_odd(label, {int(number): octets(value) for number, value in attributes.items()})

    def create_odd(self, label: str, attributes: Mapping[int, bytes]) -> None:
        """C_CreateObject with just these attributes, which need make no sense."""
        script = Path(__file__).with_name("odd_object.py")
        text = json.dumps({number: value.hex() for number, value in attributes.items()})
        self._run(sys.executable, str(script), str(self.module), label, PIN, input=text)

    def load(self, label: str, key: Path, cka_id: str) -> None:
        """softhsm2-util --import: both halves, and Ed25519 as well, which pkcs11-tool 0.23 cannot write."""
        pem = key.with_suffix(".pem")
        openssl("pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-in", key, "-out", pem)
        options = ("--token", label, "--pin", PIN, "--label", key.stem, "--id", cka_id)
        self._run("softhsm2-util", "--import", str(pem), *options)

    def tool(self, label: str, *arguments: str) -> str:
        """pkcs11-tool, logged in; gives what it printed."""
        options = ("--module", str(self.module), "--token-label", label, "--login", "--pin", PIN)
        return self._run("pkcs11-tool", *options, *arguments)

    def _run(self, *command: str, input: str | None = None) -> str:
        env = os.environ | self.env
        done = subprocess.run(command, input=input, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout


def new_key(kind: str, folder: Path, name: str = "key") -> Path:
    """A private key made by openssl, in DER; `kind` is rsa, ed25519 or a curve. Its public half lies in NAME.pub."""
    plain = {"rsa": ("RSA", "-pkeyopt", "rsa_keygen_bits:2048"), "ed25519": ("ED25519",)}
    algorithm = plain.get(kind, ("EC", "-pkeyopt", f"ec_paramgen_curve:{kind}", "-pkeyopt", "ec_param_enc:named_curve"))
    path = folder / f"{name}.der"
    openssl("genpkey", "-algorithm", *algorithm, "-outform", "DER", "-out", path)
    openssl("pkey", "-inform", "DER", "-in", path, "-pubout", "-outform", "DER", "-out", path.with_suffix(".pub"))
    return path


def self_signed(key: Path, *options: str, name: str = "/CN=Alice", days: int = 30) -> Path:
    """`openssl req -x509`, which says CA:TRUE and has no keyUsage unless `options` add one; in DER, beside `key`."""
    path = key.with_suffix(".crt")
    openssl("req", "-x509", "-key", key, "-subj", name, "-days", str(days), "-outform", "DER", "-out", path, *options)
    return path


def openssl(*arguments: str | Path) -> None:
    """Run openssl."""
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def public_of(key: Path) -> PublicKey:
    """The public half of a private key in DER; `public_of(key).keygrip.hex().upper()` is its keygrip."""
    public = load_der_private_key(key.read_bytes(), None).public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return RsaPublicKey(numbers.n.to_bytes(public.key_size // 8, "big"), numbers.e.to_bytes(3, "big"))
    if isinstance(public, ec.EllipticCurvePublicKey):
        point, size = public.public_numbers(), (public.key_size + 7) // 8
        octets = b"\x04" + point.x.to_bytes(size, "big") + point.y.to_bytes(size, "big")
        return EccPublicKey(_CURVES.get(public.curve.name, public.curve.name), octets)
    assert isinstance(public, ed25519.Ed25519PublicKey)
    return EccPublicKey("Ed25519", public.public_bytes_raw())


@contextmanager
def daemon(tokens: Minted, folder: Path, config: str = "", *, beside: str = "") -> Iterator[AssuanClient]:
    """scd alone on these tokens, one worker; `config` is added to its configuration, `folder` is its GnuPG home.

    `beside` names a second module, which `config` then describes.
    """
    text = f"{scd_config(tokens, folder / 'scd.log')}provider-softhsm-workers 1\n{config}"
    if beside:
        text = text.replace("providers softhsm\n", f"providers softhsm,{beside}\n")
    (folder / "scd.conf").write_text(text, encoding="utf-8")
    env = {"GNUPGHOME": str(folder), "HOME": str(folder), "TMPDIR": "/tmp"} | tokens.env
    with run_scd(["--multi-server"], env, stderr=folder / "stderr") as running:
        yield running.client

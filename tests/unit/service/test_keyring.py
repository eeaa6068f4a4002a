"""The user's keyrings, as gpg 2.2.40 wrote them; keyboxd's database with the tables of GnuPG 2.4."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from io import BytesIO
from pathlib import Path

import pytest

from scd.gcrypt.curves import CURVES
from scd.gcrypt.fingerprint import key_material
from scd.gcrypt.pubkey import EccPublicKey, PublicKey, RsaPublicKey
from scd.service.kept.keyblocks import Wanted, in_keybox, in_packets
from scd.service.kept.keyring import LONGEST_KEYRING, Attached, Keyring
from tests.unit.gcrypt.openpgp import KEYS, VERSION_5, OpenpgpKey

RINGS = Path(__file__).with_name("keyrings")
ECDH = 18
ED25519, NISTP256 = (next(key for key in KEYS if key.name == name) for name in ("ed25519-22", "nistp256-19"))
PACKET_HEADER = b"\x99"

SCHEMA = """
CREATE TABLE pubkey (ubid BLOB NOT NULL PRIMARY KEY, type INTEGER NOT NULL, ephemeral INTEGER NOT NULL DEFAULT 0,
    revoked INTEGER NOT NULL DEFAULT 0, keyblob BLOB NOT NULL);
CREATE TABLE fingerprint (fpr BLOB NOT NULL PRIMARY KEY, kid BLOB NOT NULL, keygrip BLOB NOT NULL,
    subkey INTEGER NOT NULL, ubid BLOB NOT NULL REFERENCES pubkey);
"""


def home_with(tmp_path: Path, *rings: str) -> Path:
    for ring in rings:
        shutil.copy(RINGS / ring, tmp_path / ring.replace("deleted", "pubring"))
    return tmp_path


def expected(key: OpenpgpKey) -> Attached:
    return Attached(key.created, key.fingerprint, key.algorithm == ECDH)


def packet(body: bytes) -> bytes:
    return PACKET_HEADER + len(body).to_bytes(2, "big") + body


def body_of(key: OpenpgpKey, *, created: int | None = None, algorithm: int | None = None, tail: bytes = b"") -> bytes:
    """A key packet made by hand, without KDF parameters."""
    when = (key.created if created is None else created).to_bytes(4, "big")
    number = key.algorithm if algorithm is None else algorithm
    return b"\4" + when + bytes((number,)) + key_material(key.public, encryption=False) + tail


def found(octets: bytes, key: OpenpgpKey) -> list[Attached]:
    return [attached for _, attached in in_packets(octets, Wanted([key.public]))]


def attached(keyring: Keyring, public: PublicKey, *, encryption: bool | None = None) -> Attached | None:
    asyncio.run(keyring.look([public]))
    return keyring.attached(public, encryption=encryption)


@pytest.mark.parametrize("ring", ["pubring.kbx", "pubring.gpg"])
@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_keys_of_gpg_are_found(tmp_path: Path, ring: str, key: OpenpgpKey) -> None:
    """Both P-384 keys, too, whose KDF parameters gpg 2.2 chose unlike 2.4."""
    assert attached(Keyring(str(home_with(tmp_path, ring))), key.public) == expected(key)


def test_a_deleted_key_is_gone(tmp_path: Path) -> None:
    """gpg leaves it in the file."""
    home = home_with(tmp_path, "deleted.kbx")
    assert key_material(ED25519.public, encryption=False) in (home / "pubring.kbx").read_bytes()
    assert attached(Keyring(str(home)), ED25519.public) is None
    assert attached(Keyring(str(home)), NISTP256.public) == expected(NISTP256)


@pytest.mark.parametrize("home", [None, "/nonexistent"])
def test_without_a_home_nothing_is_attached(home: str | None) -> None:
    assert attached(Keyring(home), ED25519.public) is None


@pytest.mark.parametrize("name", sorted(CURVES))
def test_keys_that_are_not_there_are_not_found(tmp_path: Path, name: str) -> None:
    curve = CURVES[name]
    public = EccPublicKey(name, b"\4" + bytes(curve.q_bytes - 1))
    assert attached(Keyring(str(home_with(tmp_path, "pubring.kbx", "pubring.gpg"))), public) is None


def test_a_number_no_packet_has_room_for_is_not_looked_for(tmp_path: Path) -> None:
    public = RsaPublicKey(b"\x80" + bytes(8191), b"\3")
    assert attached(Keyring(str(home_with(tmp_path, "pubring.kbx"))), public) is None


def test_a_changed_keyring_is_read_again(tmp_path: Path) -> None:
    keyring = Keyring(str(tmp_path))
    assert attached(keyring, ED25519.public) is None
    home_with(tmp_path, "pubring.kbx")
    assert attached(keyring, ED25519.public) == expected(ED25519)
    (tmp_path / "pubring.kbx").unlink()
    assert attached(keyring, ED25519.public) is None


def test_others_are_served_while_a_long_keyring_is_read(tmp_path: Path) -> None:
    ring = (RINGS / "pubring.kbx").read_bytes()
    first = int.from_bytes(ring[:4], "big")
    (tmp_path / "pubring.kbx").write_bytes(ring[:first] + ring[first:] * 500)
    keyring, turns = Keyring(str(tmp_path)), 0

    async def main() -> None:
        nonlocal turns
        looking = asyncio.create_task(keyring.look([key.public for key in KEYS]))
        while not looking.done():
            turns += 1
            await asyncio.sleep(0)

    asyncio.run(main())
    assert turns > 10  # one or two if it were read on the loop
    assert all(keyring.attached(key.public, encryption=key.algorithm == ECDH) == expected(key) for key in KEYS)


@pytest.mark.parametrize("key", VERSION_5, ids=lambda key: key.name)
def test_version_5_keys_are_found(key: OpenpgpKey) -> None:
    material = key_material(key.public, encryption=False)
    since_when = key.created.to_bytes(4, "big") + bytes((key.algorithm,))
    body = b"\5" + since_when + len(material).to_bytes(4, "big") + material
    assert found(packet(body), key) == [expected(key)]


def test_an_unchanged_keyring_is_read_once(tmp_path: Path) -> None:
    """Same time, size and inode, other octets: what was read stays."""
    path = home_with(tmp_path, "pubring.kbx") / "pubring.kbx"
    keyring = Keyring(str(tmp_path))
    attached(keyring, ED25519.public)
    times = path.stat()
    path.write_bytes(bytes(times.st_size))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert attached(keyring, ED25519.public) == expected(ED25519)


def test_a_key_twice_in_the_keyring_is_the_first_or_the_wanted_one(tmp_path: Path) -> None:
    kdf = bytes.fromhex("03010807")
    signing = body_of(NISTP256, created=300)
    bodies = [signing, body_of(NISTP256, created=100, algorithm=ECDH, tail=kdf), body_of(NISTP256, created=200)]
    (tmp_path / "pubring.gpg").write_bytes(b"".join(map(packet, bodies)))
    keyring = Keyring(str(tmp_path))
    wanted = {
        encryption: attached(keyring, NISTP256.public, encryption=encryption) for encryption in (None, False, True)
    }
    assert {encryption: one.created for encryption, one in wanted.items() if one} == {None: 300, False: 300, True: 100}


def test_a_key_of_the_other_kind_is_better_than_none(tmp_path: Path) -> None:
    home = home_with(tmp_path, "pubring.kbx")
    assert attached(Keyring(str(home)), NISTP256.public, encryption=True) == expected(NISTP256)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pubring.kbx")
    assert attached(Keyring(str(tmp_path)), ED25519.public) is None


def test_a_directory_is_no_keyring(tmp_path: Path) -> None:
    (tmp_path / "pubring.kbx").mkdir()
    assert attached(Keyring(str(tmp_path)), ED25519.public) is None


def test_a_keyring_too_long_is_left_alone(tmp_path: Path) -> None:
    home_with(tmp_path, "pubring.kbx")
    os.truncate(tmp_path / "pubring.kbx", LONGEST_KEYRING + 1)
    assert attached(Keyring(str(tmp_path)), ED25519.public) is None


def database(home: Path, key: OpenpgpKey, block: bytes | str, kind: int = 1) -> Path:
    path = home / "public-keys.d" / "pubring.db"
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA)
    ubid = key.fingerprint
    connection.execute("INSERT INTO pubkey (ubid, type, keyblob) VALUES (?, ?, ?)", (ubid, kind, block))
    row = (key.fingerprint, key.fingerprint[-8:], key.keygrip, 0, ubid)
    connection.execute("INSERT INTO fingerprint VALUES (?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    return path


def test_keyboxds_database_is_looked_into(tmp_path: Path) -> None:
    home = tmp_path / "odd # home?"
    home.mkdir()
    path = database(home, ED25519, (RINGS / "pubring.gpg").read_bytes())
    before = path.read_bytes()
    assert attached(Keyring(str(home)), ED25519.public) == expected(ED25519)
    assert attached(Keyring(str(home)), NISTP256.public) is None
    assert path.read_bytes() == before


@pytest.mark.parametrize(("block", "kind"), [("text", 1), (packet(body_of(ED25519)), 2)])
def test_what_is_no_openpgp_key_in_the_database_is_left_out(tmp_path: Path, block: bytes | str, kind: int) -> None:
    database(tmp_path, ED25519, block, kind)
    assert attached(Keyring(str(tmp_path)), ED25519.public) is None


def test_a_locked_or_broken_database_has_nothing(tmp_path: Path) -> None:
    path = database(tmp_path, ED25519, packet(body_of(ED25519)))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    assert attached(Keyring(str(tmp_path)), ED25519.public) is None
    connection.close()
    assert attached(Keyring(str(tmp_path)), ED25519.public) == expected(ED25519)
    path.write_bytes(b"nonsense" * 1000)
    assert attached(Keyring(str(tmp_path)), ED25519.public) is None


@pytest.mark.parametrize(
    "header",
    [b"\x98%c", b"\x99\0%c", b"\x9a\0\0\0%c", b"\xb8%c", b"\xc6%c", b"\xce%c", b"\xc6\xff\0\0\0%c"],
    ids=lambda header: header[:1].hex(),
)
def test_all_forms_of_headers_are_read(header: bytes) -> None:
    """RFC 4880 §4.2.1 and §4.2.2, behind another packet."""
    body = body_of(ED25519)
    assert found(b"\xb4\4test" + header % len(body) + body, ED25519) == [expected(ED25519)]


def test_the_two_octet_length_is_read() -> None:
    """RFC 4880 §4.2.2.2 by way of an RSA key of 271 octets: (C0 - C0) * 256 + 4F + C0."""
    rsa = KEYS[0]
    assert len(body_of(rsa)) == (0xC0 - 0xC0) * 256 + 0x4D + 0xC0
    assert found(b"\xc6\xc0\x4d" + body_of(rsa), rsa) == [expected(rsa)]


@pytest.mark.parametrize(
    "octets",
    [
        packet(body_of(ED25519))[:-1],
        b"\x9b" + body_of(ED25519),
        b"\xc6\xe5" + body_of(ED25519),
        b"\x39" + packet(body_of(ED25519))[1:],
        b"\xff\xff\xff\xff\xff\xff" + packet(body_of(ED25519)),
        b"\xb4\x60" + packet(body_of(ED25519)) + bytes(0x60),
        b"\x95" + packet(body_of(ED25519))[1:],
        packet(b"\5" + body_of(ED25519)[1:]),
        packet(body_of(ED25519, algorithm=1)),
        packet(body_of(ED25519, tail=b"\0")),
        packet(body_of(ED25519, algorithm=ECDH)),
        packet(body_of(ED25519, algorithm=ECDH, tail=b"\3\2\x08\x07")),
        packet(body_of(ED25519, algorithm=ECDH, tail=b"\4\1\x08\x07")),
        packet(body_of(ED25519)[:7]),
        packet(b""),
    ],
    ids=[
        "cut off", "indeterminate length", "partial length", "no packet", "endless packet", "inside of a user id",
        "secret key", "version 5", "other algorithm", "more behind", "no KDF", "unknown KDF", "wrong length of KDF",
        "no material", "empty",
    ],
)  # fmt: skip
def test_what_is_no_key_packet_is_not_taken_for_one(octets: bytes) -> None:
    assert found(octets, ED25519) == []


def test_a_keybox_that_makes_no_sense_ends_the_search() -> None:
    wanted = Wanted([ED25519.public])
    good = (RINGS / "pubring.kbx").read_bytes()
    first = int.from_bytes(good[:4], "big")
    assert list(in_keybox(BytesIO(good), wanted)) == [(ED25519.public, expected(ED25519))]
    assert list(in_keybox(BytesIO(good[:first] + bytes(16) + good[first:]), wanted)) == []
    assert list(in_keybox(BytesIO(good[: first + 10]), wanted)) == []


def test_a_blobs_keyblock_ends_with_the_blob() -> None:
    """Its header claims more than it has, with the key in what follows."""
    follows = packet(body_of(ED25519))
    blob = (16).to_bytes(4, "big") + b"\2\1\0\0" + (16).to_bytes(4, "big") + len(follows).to_bytes(4, "big")
    assert list(in_keybox(BytesIO(blob + follows), Wanted([ED25519.public]))) == []

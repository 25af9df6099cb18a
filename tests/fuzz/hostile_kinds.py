"""The ways in which a package is made hostile: one function each, in a table.

Where a kind signs again it does so with the venue's real key: then only the form can refuse it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from protocols.evidence.package import manifest_text, sign_package
from protocols.evidence.verifier import CERTIFICATES, ORDER, PAYLOAD, SIGNATURE, TAGS
from tests.protocols.evidence import sample_package as sample
from tests.protocols.messages.wire_keys import CTL, GUEST, SESSION, Key

HASHES: Final = f"data/streams/{CTL}/{'1' * 32}/hashes.txt"
SEALS: Final = f"data/streams/{CTL}/{'1' * 32}/seals.jsonl"
RECORDS: Final = (
    "data/record/session.json", "data/record/witness.json", "data/record/appraisal.json",
    "data/av/index.json",
)  # fmt: skip
SPARSE_BYTES: Final = 600 * 1024 * 1024
OUTSIDE: Final = "secret.txt"


@cache
def _sound() -> dict[str, bytes]:
    return sample.bag(sample.payload())


@dataclass
class Package:
    """Files by name, and what is done on the disk behind them: `(place, outside) -> None`."""

    files: dict[str, bytes]
    acts: list[Callable[[Path, Path], None]] = field(default_factory=list)

    @classmethod
    def sound(cls) -> Package:
        """The sample, signed by the guest venue."""
        return cls(dict(_sound()))

    def bag(self) -> None:
        """Manifests and signature again around what the files are now."""
        payload = {name: raw for name, raw in self.files.items() if name.startswith("data/")}
        self.files = sample.bag(payload)

    def sign(self, key: Key = GUEST) -> None:
        """The tag manifest and the signature again; the payload's manifest stays as it is."""
        tags = {
            name: hashlib.sha256(raw).hexdigest()
            for name, raw in self.files.items()
            if not name.startswith("data/") and name not in (TAGS, SIGNATURE)
        }
        self.files[TAGS] = manifest_text(tags)
        name, raw = sign_package(
            org="changsha", session=SESSION, tag_manifest=self.files[TAGS], public=key.pub,
            sign=key.private.sign,
        )  # fmt: skip
        self.files[name] = raw

    def list(self, line: bytes) -> None:
        """One more line of the payload's manifest, signed."""
        self.files[PAYLOAD] += line + b"\n"
        self.sign()

    def write(self, place: Path, outside: Path) -> None:
        """Onto the disk; a name the disk cannot hold is left to the manifests."""
        for name, raw in self.files.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)
        for act in self.acts:
            act(place, outside)


def _any(package: Package, chance: Random) -> str:
    return chance.choice(sorted(package.files))


def flipped(package: Package, chance: Random) -> None:
    """A byte anywhere."""
    name = _any(package, chance)
    raw = bytearray(package.files[name])
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    package.files[name] = bytes(raw)


def cut(package: Package, chance: Random) -> None:
    """A file that ends too early, goes on, or is not there."""
    name = _any(package, chance)
    raw = package.files[name]
    match chance.randrange(3):
        case 0:
            package.files[name] = raw[: chance.randrange(len(raw))]
        case 1:
            package.files[name] = raw + chance.randbytes(chance.randint(1, 40))
        case _:
            del package.files[name]


def outside(package: Package, chance: Random) -> None:
    """A listed name that leads out of the package, to a file that is there as listed."""
    digest = hashlib.sha256(b"outside\n").hexdigest()
    name = chance.choice(
        (
            "data/../../outside/secret.txt", "../outside/secret.txt", "/etc/hostname",
            "data/..\\..\\outside\\secret.txt", "data//record/session.json", "data/./x",
            "C:\\secret.txt", "data/%2e%2e/secret.txt", "data/..", "data/x/../session.json",
            "//host/share/x", "data/\x00/x", "data/x\ty", "data/" + "a" * 600,
        )
    )  # fmt: skip
    package.list(f"{digest}  {name}".encode())


def unlisted(package: Package, chance: Random) -> None:
    """A file no manifest knows, at any place."""
    name = chance.choice(
        ("x", "data/x", "data/record/session.json.bak", ".hidden", "data/.x", "data/av/cam1/x.mp4",
         "tagmanifest-sha512.txt", "manifest-md5.txt", "data/record/SESSION.JSON",
         "DATA/record/session.json", "Bagit.txt")
    )  # fmt: skip
    package.files[name] = chance.randbytes(9)


def link(package: Package, chance: Random) -> None:
    """A symbolic link instead of a file or beside it: to the inside, the outside, nothing."""
    name = _any(package, chance)
    target = chance.choice(
        ("../outside/secret.txt", "/etc/hostname", "nowhere", Path(name).name, "bagit.txt", "/",
         "/dev/zero", ".")
    )  # fmt: skip
    beside = chance.random() < 0.5
    if not beside:
        del package.files[name]

    def act(place: Path, _outside: Path) -> None:
        path = place / (name + ".link" if beside else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    package.acts.append(act)


def same_file(package: Package, chance: Random) -> None:
    """A whole folder behind a link, or a file of the outside by a hard link."""
    folder = chance.choice(("data/av", "data/record", "data/streams", "data/keys"))
    hard = chance.random() < 0.5

    def act(place: Path, outside: Path) -> None:
        if hard:
            os.link(outside / OUTSIDE, place / folder / OUTSIDE)
        else:
            moved = place.parent / f"moved-{place.name}"
            (place / folder).rename(place / "aside")
            (place / folder).symlink_to(moved if chance.random() < 0.3 else "../aside")

    package.acts.append(act)


def special(package: Package, chance: Random) -> None:
    """A pipe or a folder where a file should be."""
    name = _any(package, chance)
    pipe = chance.random() < 0.5
    del package.files[name]

    def act(place: Path, _outside: Path) -> None:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        if pipe:
            os.mkfifo(place / name)
        else:
            (place / name).mkdir()

    package.acts.append(act)


def twice(package: Package, chance: Random) -> None:
    """A name listed twice, with its own hash or another."""
    name = chance.choice([one for one in sorted(package.files) if one.startswith("data/")])
    digest = hashlib.sha256(package.files[name]).hexdigest()
    package.list(f"{chance.choice((digest, '0' * 64))}  {name}".encode())


def twins(package: Package, chance: Random) -> None:
    """Two names that some system takes for one, all of it listed and signed."""
    name = chance.choice(RECORDS)
    folder, _, last = name.rpartition("/")
    twin = chance.choice(
        (f"{folder}/{last.upper()}", f"{folder}/{last.title()}", f"{folder.upper()[5:]}/{last}",
         f"{folder}/{last}.", f"{folder}/{last} ", f"{folder}/{last}::$DATA", f"{folder}/con.json",
         f"{folder}/NUL", f"{folder}/a\u0301.json", f"{folder}/\u212aelvin", f"{folder}/\u202ex",
         f"{folder}/x\u200b", f"{folder}/x\x9b", f"{folder}/\ufeffx", f"{folder}/a|b")
    )  # fmt: skip
    twin = twin if twin.startswith("data/") else "data/" + twin
    package.files[twin] = package.files[name]
    if twin.upper().startswith("DATA/RECORD") or "/" in twin:
        package.bag()


def other_form(package: Package, chance: Random) -> None:
    """A name on the disk in another Unicode form or without a text at all."""
    name = chance.choice((b"data/\xff\xfe", b"data/a\xcc\x81", b"data/\xed\xa0\x80", b"\x80"))

    def act(place: Path, _outside: Path) -> None:
        Path(os.fsdecode(os.path.join(os.fsencode(place), name))).write_bytes(b"x")  # noqa: PTH118

    if chance.random() < 0.3:
        package.files[unicodedata.normalize("NFD", "data/é.json")] = b"{}"
        package.bag()
        return
    package.acts.append(act)


def hash_form(package: Package, chance: Random) -> None:
    """A manifest's line in another way of writing; signed again."""
    name = chance.choice((PAYLOAD, TAGS))
    lines = package.files[name].splitlines()
    at = chance.randrange(len(lines))
    digest, _, listed = lines[at].partition(b"  ")
    based = base64.b64encode(bytes.fromhex(digest.decode()))
    lines[at] = chance.choice(
        (digest.swapcase() + b"  " + listed, digest + b" *" + listed, digest + b" " + listed,
         digest + b"\t" + listed, based + b"  " + listed, b"0x" + digest + b"  " + listed,
         digest[:-1] + b"  " + listed, digest + b"  " + listed + b"\r", b" " + lines[at],
         digest + b"   " + listed, lines[at] + b"\x00", b"\xef\xbb\xbf" + lines[at],
         digest + b"  ./" + listed, "０".encode() + digest[1:] + b"  " + listed)
    )  # fmt: skip
    package.files[name] = b"\n".join(lines) + b"\n"
    if digest.swapcase() == digest:
        package.files[name] += b"\n"
    if name == PAYLOAD:
        package.sign()
    else:
        signed, raw = sign_package(
            org="changsha", session=SESSION, tag_manifest=package.files[TAGS], public=GUEST.pub,
            sign=GUEST.private.sign,
        )  # fmt: skip
        package.files[signed] = raw


def signature_form(package: Package, chance: Random) -> None:
    """The venue's signature in another way of writing: the same numbers, other bytes."""
    head, tail = package.files[SIGNATURE].splitlines()
    one = json.loads(tail)["sigs"][0]
    raw = bytes.fromhex(one["sig"])
    moved = int.from_bytes(raw[32:], "little") + ORDER
    other = raw[:32] + moved.to_bytes(32, "little")
    forms: tuple[tuple[bytes, object], ...] = (
        (head, {"sigs": [{**one, "sig": one["sig"].upper()}]}),
        (head, {"sigs": [{**one, "kid": one["kid"].upper() + " "}]}),
        (head, {"sigs": [{**one, "sig": base64.b64encode(raw).decode()}]}),
        (head, {"sigs": [{**one, "sig": other.hex()}]}),
        (head, {"sigs": [{**one, "sig": " " + one["sig"]}]}),
        (head, {"sigs": [one, one]}),
        (head, {"sigs": [one, {**one, "kid": "0" * 16}]}),
        (head, {"sigs": [], "sigs2": [one]}),
        (head, {"sigs": [{**one, "role": "home_manager"}]}),
        (head, {"sigs": [dict(reversed(one.items()))]}),
        (head.replace(b":", b": "), {"sigs": [one]}),
        (b"\xef\xbb\xbf" + head, {"sigs": [one]}),
        (head + b"\r", {"sigs": [one]}),
        (head, {"sigs": [one], "a": float("nan")}),
        (head, {"sigs": [one], "a": 10**400}),
    )
    first, last = chance.choice(forms)
    ends = chance.choice((b"\n", b"", b"\r\n", b"\n\n", b"\n\x00", b" \n"))
    written = json.dumps(last, separators=chance.choice(((",", ":"), (", ", ": ")))).encode()
    package.files[SIGNATURE] = first + b"\n" + written + ends


def other_key(package: Package, chance: Random) -> None:
    """Signed by a key of the attacker's, which the package itself declares to be the venue's."""
    other = Key(f"attacker {chance.randrange(9)}")
    trust = json.loads(package.files["data/keys/trust.json"])
    for venue in trust["venues"]:
        if venue["org"] == "changsha":
            venue.update(pub=other.pub.hex(), kid=other.kid)
    package.files["data/keys/trust.json"] = sample.compact(trust)
    payload = {name: raw for name, raw in package.files.items() if name.startswith("data/")}
    package.files = sample.bag(payload, key=other, org=chance.choice(("changsha", "hubei")))


def broken_json(package: Package, chance: Random) -> None:
    """A record that readers of JSON understand differently or choke on; signed by the venue."""
    name = chance.choice(RECORDS)
    good = package.files[name]
    inner = good[1:]
    package.files[name] = chance.choice(
        (
            b'{"session":"s-1",' + inner if b'"session"' in inner else b"[" + good + b"]",
            b'{"a":NaN,' + inner, b'{"a":-Infinity,' + inner, b'{"a":1e999,' + inner,
            b'{"a":' + b"9" * chance.choice((17, 400, 4000, 5000)) + b"," + inner,
            b'{"a":' + b"[" * 30 + b"]" * 30 + b"," + inner,
            b'{"a":' + b"[" * 9000 + b"]" * 9000 + b"," + inner,
            b'{"a":' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"," + inner,
            b"\xef\xbb\xbf" + good, b"\x00" + good, good + b"\x00", good + good,
            b'{"a":"\\ud800",' + inner, b'{"\\udfff":1,' + inner, b'{"a":"\xed\xa0\x80",' + inner,
            good.decode().encode("utf-16"), b'{"a":01,' + inner, b"[]", b"null", b"",
            b'{"a":"x\ny",' + inner, b"{'a':1," + inner,
        )
    )  # fmt: skip
    package.bag()


def bomb(package: Package, chance: Random) -> None:
    """Much of something: one huge file, many files, many folders, many lines, one long line."""
    match chance.randrange(6):
        case 0:
            package.acts.append(_sparse)
        case 1:
            package.files.update({f"data/many/{n}": b"" for n in range(chance.randint(50, 400))})
        case 2:
            package.files["data/" + "d/" * chance.randint(50, 200) + "x"] = b"x"
        case 3:
            package.files[HASHES] = b"\n" * chance.randint(10**5, 10**6)
            package.bag()
        case 4:
            package.files[CERTIFICATES] = b'{"raw":"' + b"A" * 2**21 + b'"}\n'
            package.bag()
        case _:
            package.files[PAYLOAD] += b"".join(
                b"%064x  data/n%d\n" % (n, n) for n in range(chance.randint(10**3, 10**5))
            )
            package.sign()


def _sparse(place: Path, _outside: Path) -> None:
    with (place / "data" / "record" / "policy.json").open("ab") as file:
        file.truncate(SPARSE_BYTES)


def fetched(package: Package, chance: Random) -> None:
    """A bag that asks to fetch something, its list signed or not."""
    name = chance.choice(("fetch.txt", "FETCH.TXT", "Fetch.txt"))
    where = chance.choice(("https://example.org/x", "file:///etc/hostname", "../x"))
    package.files[name] = f"{where} 9 data/x.mp4\n".encode()
    if chance.random() < 0.7:
        package.sign()


def other_lines(package: Package, chance: Random) -> None:
    """Line ends, marks and lengths nobody here writes, in what is read by lines; signed."""
    name = chance.choice((HASHES, PAYLOAD, "bagit.txt"))
    good = package.files[name]
    package.files[name] = chance.choice(
        (good.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + good, good[:-1], good + b"\n",
         good.replace(b"\n", b"\x00\n", 1), b" " + good, good + b"x" * 2**20 + b"\n",
         good.replace(b"\n", b"\x0b", 1), good.replace(b"\n", "\u2028".encode(), 1), b"\n" + good)
    )  # fmt: skip
    if name == HASHES:
        package.bag()
    else:
        package.sign()


def base64_form(package: Package, chance: Random) -> None:
    """A certificate's base64 with other bits behind its end, blanks or another alphabet; signed."""
    lines = package.files[CERTIFICATES].splitlines()
    at = chance.randrange(len(lines))
    text = json.loads(lines[at])["raw"]
    raw = base64.b64decode(text)
    while len(raw) % 3 != 1:
        raw += b"\n"
    bits = base64.b64encode(raw).decode()
    loose = bits[:-3] + chr(ord(bits[-3]) + 1) + "=="
    forms = (loose, text + "\n", " " + text, text.rstrip("=") + "====", text[:9] + " " + text[9:],
             text + "=", raw.hex(), text[:-1])  # fmt: skip
    lines[at] = json.dumps({"raw": chance.choice(forms)}).encode()
    package.files[CERTIFICATES] = b"\n".join(lines) + b"\n"
    package.bag()


def seal_form(package: Package, chance: Random) -> None:
    """A seal whose signature or numbers are written in another way; signed by the venue."""
    lines = package.files[SEALS].splitlines()
    seal = json.loads(lines[0])
    one = json.loads(seal["sigs"])["sigs"][0]
    raw = bytes.fromhex(one["sig"])
    moved = (int.from_bytes(raw[32:], "little") + ORDER).to_bytes(32, "little")
    sig = chance.choice(
        (one["sig"].upper(), base64.b64encode(raw).decode(), (raw[:32] + moved).hex(), "0" * 128,
         one["sig"] + "00")
    )  # fmt: skip
    seal["sigs"] = json.dumps({"sigs": [{**one, "sig": sig}]})
    lines[0] = json.dumps(seal).encode()
    package.files[SEALS] = b"\n".join(lines) + b"\n"
    package.bag()


KINDS: Final[dict[str, Callable[[Package, Random], None]]] = {
    one.__name__: one
    for one in (
        flipped, cut, outside, unlisted, link, same_file, special, twice, twins, other_form,
        hash_form, signature_form, other_key, broken_json, bomb, fetched, other_lines, base64_form,
        seal_form,
    )
}  # fmt: skip
"""By name, in the order in which packages take them in turn."""

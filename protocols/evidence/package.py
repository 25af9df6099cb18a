"""What the hub needs to write a hand-over package that `verifier` finds sound.

Pure: texts of tag files, seals and lists, the venue's signature, and the rule which records go in
(WIRE §9). The layout is described in docs/package-format.md.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from protocols.evidence.verifier import BAGIT, PAYLOAD, PAYLOAD_SM3, SIGNATURE, TAGS
from protocols.messages.errors import LocalError
from protocols.messages.identity import kid
from protocols.messages.signed import Sign, Signer, seal_message
from protocols.messages.strict import HEX64, dump

ALWAYS_SHOWN: Final = ("epoch.opened", "record.gap")
"""Shared events that every package shows: where streams begin and what is missing in them."""

VERIFY_PY: Final = "verify.py"
INDEX: Final = "index.sqlite"


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A payload file as listed: size in bytes, SHA-256 and, where it can be made, SM3 in hex."""

    size: int
    sha256: str
    sm3: str = ""


def file_info(content: bytes, *, sm3: str = "") -> FileInfo:
    """The listing of a small file held in memory."""
    return FileInfo(size=len(content), sha256=hashlib.sha256(content).hexdigest(), sm3=sm3)


def manifest_text(hashes: Mapping[str, str]) -> bytes:
    """A manifest: `hash  name`, sorted by name, a line feed after each."""
    return "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes)).encode()


def bag_info_text(payload: Mapping[str, FileInfo], info: Mapping[str, str]) -> bytes:
    """`bag-info.txt`: the given fields, and the Payload-Oxum the verifier counts again."""
    total = sum(one.size for one in payload.values())
    lines = [f"{key}: {value}" for key, value in info.items()]
    lines.append(f"Payload-Oxum: {total}.{len(payload)}")
    if any("\n" in line for line in lines):
        raise LocalError("a field of bag-info has a line feed", where="bag-info.txt")
    return ("\n".join(lines) + "\n").encode()


def bag_files(
    payload: Mapping[str, FileInfo], *, info: Mapping[str, str], tags: Mapping[str, FileInfo]
) -> dict[str, bytes]:
    """All texts of the bag: bagit, bag-info, manifests, and the tag manifest over them.

    `payload`: every file under `data/`; `tags`: further tag files (verify.py, index.sqlite). The
    SM3 manifest is written only where every file has an SM3.
    """
    stray = [name for name in payload if not name.startswith("data/")]
    stray += [name for name in tags if name.startswith("data/")]
    if stray:
        raise LocalError(
            "a file stands on the wrong side of the bag", where=stray[0], expected="data/ = payload"
        )
    texts = {
        "bagit.txt": BAGIT,
        "bag-info.txt": bag_info_text(payload, info),
        PAYLOAD: manifest_text({name: one.sha256 for name, one in payload.items()}),
    }
    if all(one.sm3 for one in payload.values()):
        texts[PAYLOAD_SM3] = manifest_text({name: one.sm3 for name, one in payload.items()})
    listed = {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
    listed.update({name: one.sha256 for name, one in tags.items()})
    return {**texts, TAGS: manifest_text(listed)}


def sign_package(
    *, org: str, session: str, tag_manifest: bytes, public: bytes, sign: Sign
) -> tuple[str, bytes]:
    """Name and bytes of the venue's detached signature over the tag manifest's exact bytes."""
    header = {
        "org": org,
        "session": session,
        "pub": public.hex(),
        "sha256": hashlib.sha256(tag_manifest).hexdigest(),
    }
    signers = [Signer(kid=kid(public), role="venue", sign=sign)]
    return SIGNATURE, seal_message(ctx="er1/package", header=header, lines=(), signers=signers)


def seal_line(raw_batch: bytes) -> bytes:
    """A line of `seals.jsonl` from a batch as it was received: its header and signature lines."""
    lines = raw_batch.removesuffix(b"\n").split(b"\n")
    return seal_line_of(header_line=lines[0], trailer=lines[-1])


def seal_line_of(
    *, header_line: bytes, trailer: bytes, others: Mapping[int, str] | None = None
) -> bytes:
    """The same from the two lines kept, without line feeds.

    `others`: seq -> hash of lines of the batch that were not recorded as they were sent.
    """
    value: dict[str, object] = {"header": header_line.decode(), "sigs": trailer.decode()}
    if others:
        value["others"] = hash_list(others).decode().splitlines()
    return dump(value, where="seals.jsonl") + b"\n"


def certificate_line(raw: bytes) -> bytes:
    """A line of `certificates.jsonl` from a signed `er1/cert` message."""
    value = {"raw": base64.b64encode(raw).decode("ascii")}
    return dump(value, where="certificates.jsonl") + b"\n"


def hash_list(hashes: Mapping[int, str]) -> bytes:
    """`hashes.txt`: `seq hash` in ascending order."""
    for seq, digest in hashes.items():
        if seq < 1 or HEX64.match(digest) is None:
            raise LocalError("not a record's hash", where=f"hashes.txt {seq}", got=digest)
    return "".join(f"{seq} {hashes[seq]}\n" for seq in sorted(hashes)).encode()


def log_places(rows: Mapping[int, tuple[str, str, int]]) -> bytes:
    """`places.txt`: index in the log -> (ctl, epoch, seq), rows that follow one another in a line.

    A line is `ctl epoch first count index`: rows `first`, `first`+1 … stand at `index`, `index`+1 …
    """
    lines: list[tuple[str, str, int, int, int]] = []
    for index in sorted(rows):
        ctl, epoch, seq = rows[index]
        if lines:
            last_ctl, last_epoch, first, count, at = lines[-1]
            if (ctl, epoch, seq, index) == (last_ctl, last_epoch, first + count, at + count):
                lines[-1] = (ctl, epoch, first, count + 1, at)
                continue
        lines.append((ctl, epoch, seq, 1, index))
    return "".join(" ".join(map(str, line)) + "\n" for line in lines).encode()


def log_proof(hashes: Iterable[bytes]) -> bytes:
    """`proof.txt`: what a joint proof consists of, in hex, one a line."""
    return "".join(one.hex() + "\n" for one in hashes).encode()


@dataclass(frozen=True, slots=True)
class SealSpan:
    """A kept seal: which rows it covers, and what the hub finds it by.

    `others`: numbers in between at which its batch had something else than the record.
    """

    ctl: str
    epoch: str
    first: int
    last: int
    key: int
    others: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Window:
    """Rows of one stream that lie in [prepared, end + uploads]; also a lone later `record.gap`."""

    ctl: str
    epoch: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class RowInfo:
    """What selection must know of a row; `session` '' for shared facts."""

    seq: int
    type: str
    session: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What goes in of one stream: seals by key, the hashes they need, the rows shown in full."""

    ctl: str
    epoch: str
    seals: tuple[int, ...]
    hashes: tuple[int, ...]
    shown: tuple[int, ...]


Rows = Callable[[str, str, int, int], Iterable[RowInfo]]
"""(ctl, epoch, first, last) -> the recorded rows in between, ascending."""


def select_streams(
    *,
    session: str,
    places: frozenset[str],
    windows: Sequence[Window],
    seals: Sequence[SealSpan],
    rows: Rows,
) -> list[Selection]:
    """What a session's package shows (WIRE §9). `places`: the venue's own controllers.

    Hashes: all lines of every seal that touches a window. Bytes: events of this session, shared
    events of `places` inside a window, every `epoch.opened` and `record.gap`. Hidden is not
    missing: another session's events keep their hash.
    """
    found: list[Selection] = []
    for ctl, epoch in sorted({(one.ctl, one.epoch) for one in windows}):
        spans = [(w.first, w.last) for w in windows if (w.ctl, w.epoch) == (ctl, epoch)]
        touching = [
            seal
            for seal in seals
            if (seal.ctl, seal.epoch) == (ctl, epoch) and _touches(seal.first, seal.last, spans)
        ]
        hashes: set[int] = set()
        shown: set[int] = set()
        for seal in touching:
            for row in rows(ctl, epoch, seal.first, seal.last):
                if row.seq in seal.others:
                    continue  # another seal proves it, and brings it in where it belongs here
                hashes.add(row.seq)
                inside = _touches(row.seq, row.seq, spans)
                shared = row.session == "" and ctl in places and inside
                if row.session == session or shared or row.type in ALWAYS_SHOWN:
                    shown.add(row.seq)
        keys = tuple(seal.key for seal in sorted(touching, key=lambda one: (one.first, one.key)))
        selection = Selection(ctl, epoch, keys, tuple(sorted(hashes)), tuple(sorted(shown)))
        found.append(selection)
    return found


def _touches(first: int, last: int, spans: Iterable[tuple[int, int]]) -> bool:
    return any(first <= end and begin <= last for begin, end in spans)


def standalone_source(verifier_source: str, tail: str) -> str:
    """The package's `verify.py`: the verifier and the few lines that read a folder.

    `LocalError` if the two do not make one program.
    """
    source = verifier_source.rstrip() + "\n\n\n" + tail.lstrip()
    try:
        compile(source, VERIFY_PY, "exec")
    except SyntaxError as error:
        raise LocalError(
            "the verifier does not compile", where=f"{VERIFY_PY}:{error.lineno}", got=str(error)
        ) from None
    return source

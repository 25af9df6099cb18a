"""Checkpoints of the log and their signatures, byte for byte as C2SP writes them.

A signed note is a text, an empty line, and signature lines `— name base64(key id ‖ signature)`
(C2SP signed-note v1). A checkpoint is a note whose text is origin, tree size and root, each on a
line of its own (tlog-checkpoint v1). The log signs the text (type 01, Ed25519); a witness signs
`cosignature/v1`, a time and the text (type 04, tlog-cosignature v1), and says with it that this is
the largest consistent tree it has seen. What the hub asks a witness is the body of tlog-witness'
add-checkpoint; what the witness answers is the checkpoint's note with its own line.

Pure: signing and checking are arguments. Anything that is not the one form is refused.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from protocols.evidence.merkle import HASH_BYTES, PROOF_HASHES_MAX, SIZE_MAX
from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.signed import Sign, Verify

NOTE_BYTES_MAX: Final = 4 * 1024
"""16 signatures with the longest names; two such notes stay below one event's 16 KiB."""
SIGNATURES_MAX: Final = 16
"""The fewest that C2SP lets a reader accept, and far more than venues of one session."""
NAME_CHARS_MAX: Final = 128
ORIGINS_MAX: Final = 9_999
"""A new origin needs an administrator's act; no hub is restored more often."""
TIME_MAX: Final = 2**63 - 1
TYPE_LOG: Final = 0x01
TYPE_COSIGNATURE: Final = 0x04

_SIGNATURE_BYTES: Final = 64
_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z")
_ORIGIN: Final = re.compile(r"evalroom/(h-[0-9a-f]{12})/([1-9][0-9]{0,3})\Z")
_LINE: Final = re.compile(r"— ([^ ]+) ([A-Za-z0-9+/]+={0,2})\Z")
_TEXT_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: its origin, how many entries it has, and their head."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> bytes:
        """The note's text, with its last line feed: what is signed."""
        root = base64.b64encode(self.root).decode("ascii")
        return f"{self.origin}\n{self.size}\n{root}\n".encode()


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the key's name and id, and the bytes behind the id."""

    name: str
    key_id: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        """The line with its line feed."""
        raw = base64.b64encode(self.key_id + self.body).decode("ascii")
        return f"— {self.name} {raw}\n".encode()


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint and the signatures under it; parsed is not checked."""

    checkpoint: Checkpoint
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """The note's bytes."""
        return self.checkpoint.text + b"\n" + b"".join(one.line for one in self.signatures)

    def by(self, name: str, key_id: bytes) -> tuple[NoteSignature, ...]:
        """The signatures that claim to be this key's."""
        return tuple(one for one in self.signatures if (one.name, one.key_id) == (name, key_id))


@dataclass(frozen=True, slots=True)
class Question:
    """What a witness is asked: is this checkpoint one that begins with the tree of size `old`?"""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    def encode(self) -> bytes:
        """The body of tlog-witness' add-checkpoint."""
        hashes = "".join(base64.b64encode(one).decode("ascii") + "\n" for one in self.proof)
        return f"old {self.old}\n{hashes}\n".encode() + self.note.encode()


def log_entry(ctl: str, epoch: str, seq: int, digest: str) -> bytes:
    """What the log says of one recorded row: its place, and the SHA-256 of its bytes in hex."""
    return f"er1/row {ctl} {epoch} {seq} {digest}".encode()


def origin_name(hub: str, n: int) -> str:
    """The name of a hub's n-th log, from 1; a hub that lost entries must begin another."""
    name = f"evalroom/{hub}/{n}"
    if _ORIGIN.match(name) is None or not 1 <= n <= ORIGINS_MAX:
        raise LocalError(
            "no such log", where="origin", expected="h- + 12 hex and 1..9999", got=name
        )
    return name


def read_origin(name: str) -> tuple[str, int]:
    """The hub and number in a log's name. `RemoteError` for another name."""
    match = _ORIGIN.match(name)
    if match is None:
        _refuse("origin", "evalroom/h-…/n", name)
    return match[1], int(match[2])


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """The four bytes by which a signature line names its key."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:_ID_BYTES]


def sign_checkpoint(checkpoint: Checkpoint, *, public: bytes, sign: Sign) -> Note:
    """The log's own signature, under the origin's name."""
    name = checkpoint.origin
    found = NoteSignature(name, key_id(name, TYPE_LOG, public), sign(checkpoint.text))
    return parse_note(Note(checkpoint, (found,)).encode())


def signed_by_log(note: Note, public: bytes, verify: Verify) -> bool:
    """Whether the log of this key signed the note, and nothing under its name is false."""
    name = note.checkpoint.origin
    found = note.by(name, key_id(name, TYPE_LOG, public))
    return bool(found) and all(verify(public, one.body, note.checkpoint.text) for one in found)


def cosigned_bytes(checkpoint: Checkpoint, time_s: int) -> bytes:
    """What a witness signs: `time_s` is seconds since 1970."""
    return f"cosignature/v1\ntime {time_s}\n".encode() + checkpoint.text


def cosign(
    checkpoint: Checkpoint, *, name: str, public: bytes, time_s: int, sign: Sign
) -> NoteSignature:
    """A witness's line under a checkpoint whose consistency it has checked."""
    if not 0 <= time_s <= TIME_MAX:
        raise LocalError("no such time", where="cosignature", expected="0..2^63-1", got=time_s)
    body = time_s.to_bytes(_TIME_BYTES, "big") + sign(cosigned_bytes(checkpoint, time_s))
    return NoteSignature(name, key_id(name, TYPE_COSIGNATURE, public), body)


def cosigned_at(note: Note, *, name: str, public: bytes, verify: Verify) -> int | None:
    """When this witness co-signed the note, in seconds since 1970; None if it did not.

    One false signature under its name and id makes all of them count for nothing.
    """
    times = []
    for one in note.by(name, key_id(name, TYPE_COSIGNATURE, public)):
        time_s = int.from_bytes(one.body[:_TIME_BYTES], "big")
        message = cosigned_bytes(note.checkpoint, time_s)
        if time_s > TIME_MAX or not verify(public, one.body[_TIME_BYTES:], message):
            return None
        times.append(time_s)
    return max(times, default=None)


def parse_note(raw: bytes) -> Note:
    """A checkpoint's note from its bytes. `RemoteError` for anything but its one form."""
    lines = _lines(raw)
    if len(lines) < _TEXT_LINES + 2 or lines[_TEXT_LINES]:
        _refuse("note", "origin, size, root, an empty line, signatures", raw[:80])
    checkpoint = _checkpoint(lines[:_TEXT_LINES])
    given = lines[_TEXT_LINES + 1 :]
    if len(given) > SIGNATURES_MAX:
        _refuse("note", f"at most {SIGNATURES_MAX} signatures", len(given))
    return Note(checkpoint, tuple(_signature(line) for line in given))


def parse_question(raw: bytes) -> Question:
    """What a witness is asked, from its bytes. `RemoteError` for anything but its one form."""
    head, gap, rest = raw.partition(b"\n\n")
    lines = _lines(head + b"\n")
    old = lines[0].removeprefix("old ") if lines and lines[0].startswith("old ") else ""
    if not gap or len(lines) > 1 + PROOF_HASHES_MAX or not old:
        _refuse("question", "old N, a consistency proof, an empty line, a note", raw[:80])
    proof = tuple(_hash(line) for line in lines[1:])
    return Question(_number(old), proof, parse_note(rest))


def joined(note: Note, more: Iterable[NoteSignature]) -> Note:
    """The note with further signature lines, each once."""
    return Note(note.checkpoint, tuple(dict.fromkeys((*note.signatures, *more))))


def _lines(raw: bytes) -> list[str]:
    if not raw.endswith(b"\n") or len(raw) > NOTE_BYTES_MAX:
        _refuse("note", f"at most {NOTE_BYTES_MAX} bytes that end in a line feed", raw[:80])
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        _refuse("note", "UTF-8", raw[:80])
    if any(char < " " and char != "\n" for char in text):
        _refuse("note", "no control characters", raw[:80])
    return text.split("\n")[:-1]


def _checkpoint(lines: Sequence[str]) -> Checkpoint:
    origin, size, root = lines
    if not origin or len(origin) > NAME_CHARS_MAX:
        _refuse("checkpoint.origin", f"1 to {NAME_CHARS_MAX} characters", origin)
    return Checkpoint(origin, _number(size), _hash(root))


def _number(text: str) -> int:
    if _NUMBER.match(text) is None or int(text) > SIZE_MAX:
        _refuse("checkpoint.size", f"0..{SIZE_MAX} without zeroes in front", text)
    return int(text)


def _hash(text: str) -> bytes:
    raw = _base64(text)
    if len(raw) != HASH_BYTES:
        _refuse("checkpoint.root", f"{HASH_BYTES} bytes in base64", text)
    return raw


def _signature(line: str) -> NoteSignature:
    match = _LINE.match(line)
    if match is None or len(match[1]) > NAME_CHARS_MAX or "+" in match[1] or _spaced(match[1]):
        _refuse("note.signature", "— name base64", line)
    raw = _base64(match[2])
    known = (_ID_BYTES + _SIGNATURE_BYTES, _ID_BYTES + _TIME_BYTES + _SIGNATURE_BYTES)
    if len(raw) not in known:
        _refuse("note.signature", f"{known[0]} or {known[1]} bytes", line)
    return NoteSignature(match[1], raw[:_ID_BYTES], raw[_ID_BYTES:])


def _spaced(name: str) -> bool:
    return any(char.isspace() for char in name)


def _base64(text: str) -> bytes:
    """The bytes that have this one form in base64."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if not raw or base64.b64encode(raw).decode("ascii") != text:
        _refuse("note", "base64 in its one form", text)
    return raw


def _refuse(where: str, expected: str, got: object) -> NoReturn:
    raise RemoteError("not a checkpoint", where=where, expected=expected, got=got)

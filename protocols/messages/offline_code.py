"""The offline order code (WIRE §7): an order read over the duty phone when no line is left.

The home room's controller draws a code for each slot of each guest venue and signs the list of
their hashes; a guest room takes the list from its plan only with that signature, so that the hub,
which carries it, can neither make codes nor read them. A slot is the order's number and what it
says: a code counts exactly where the signed order of that number would, once, and never again.
"""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from protocols.messages.acts import COMMITTEE, ORDERS, Order
from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.signed import Signed, Signer, Verify, fields, parse_message, seal_message
from protocols.messages.strict import TOKEN
from protocols.messages.topics import EVENT_BYTES_MAX
from protocols.messages.trust import ROLE_CONTROLLER, Keyring

CODE_BYTES: Final = 10
"""80 bits: nobody finds one by trying, not even who has the hashes."""
NUMBERS_MAX: Final = 24
"""Orders 1 to 24 of a session have codes; a usual day has nine. Those beyond go by QR."""
WORDS: Final = tuple(
    word
    for order in ORDERS
    for word in ([f"end.{said}" for said in COMMITTEE] if order == "end" else [order])
    # Whom it releases cannot be read out in a code: that order goes by QR.
    if order != "member_release"
)
"""What an order by code can say; `end` with the home manager's word for the committee."""
LIST_BYTES_MAX: Final = EVENT_BYTES_MAX - 1024
"""A list travels in one event, beside its envelope."""

_CTX: Final = "er1/codes"
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: without I, L, O, U, which are misread or misheard."""
_VALUES: Final[Mapping[str, int]] = {
    **{letter: value for value, letter in enumerate(_ALPHABET)},
    "O": 0,
    "I": 1,
    "L": 1,
}
_CHARS: Final = 16
_GROUP: Final = 4
_HASH_BYTES: Final = 32


class CodeTextError(ValueError):
    """What was typed cannot be any code: a slip of ear or finger, which costs no try.

    `reason`: `length`, `letter`, or `check` for a check character that does not fit the others.
    """

    def __init__(self, reason: str) -> None:
        """Keeps the reason; the text itself is not repeated."""
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of one order: its number in the session, and one of `WORDS`."""

    n: int
    word: str

    @property
    def text(self) -> str:
        """As it is hashed: `5.sign`."""
        return f"{self.n}.{self.word}"

    @property
    def order(self) -> str:
        """The order of WIRE §7."""
        return self.word.partition(".")[0]

    @property
    def committee(self) -> str:
        """The home manager's word for the committee, '' but with `end`."""
        return self.word.partition(".")[2]


SLOTS: Final = tuple(Slot(n, word) for word in WORDS for n in range(1, NUMBERS_MAX + 1))
"""All of them, as a list has their hashes: word by word, numbers ascending."""


def slot_of(order: Order) -> Slot | None:
    """The slot of a signed order; None where no code can say the same as it does."""
    word = f"end.{order.committee}" if order.order == "end" else order.order
    whole = word in WORDS and order.n <= NUMBERS_MAX and not order.exceptions
    return Slot(order.n, word) if whole else None


def code_text(code: bytes) -> str:
    """A code as it is read out: four groups of four characters and the check character."""
    if len(code) != CODE_BYTES:
        raise LocalError("no code", where="code", expected=f"{CODE_BYTES} bytes", got=len(code))
    number = int.from_bytes(code, "big")
    values = [number >> (5 * (_CHARS - 1 - at)) & 31 for at in range(_CHARS)]
    text = "".join(_ALPHABET[value] for value in [*values, _check(values)])
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def read_code(text: str) -> bytes:
    """The code in what was typed, forgiving of case, spaces, hyphens, O, I, L and wide letters.

    Raises:
        CodeTextError: it is no code; no try was made.
    """
    # An input method that was left on types letters of another width.
    typed = unicodedata.normalize("NFKC", text).upper()
    letters = [letter for letter in typed if not (letter.isspace() or letter in "-‐‑–—−_.")]
    if any(letter not in _VALUES for letter in letters):
        raise CodeTextError("letter")
    if len(letters) != _CHARS + 1:
        raise CodeTextError("length")
    *values, check = (_VALUES[letter] for letter in letters)
    if check != _check(values):
        raise CodeTextError("check")
    number = 0
    for value in values:
        number = number << 5 | value
    return number.to_bytes(CODE_BYTES, "big")


def _check(values: Sequence[int]) -> int:
    """One symbol of a Reed-Solomon code over GF(32), x⁵ + x² + 1.

    Every character has another weight, so one wrong character or two exchanged ones never pass.
    """
    total = 0
    for value in values:
        total ^= value
        total = total << 1 ^ (0b100101 if total & 0b10000 else 0)
    return total


def code_hash(session: str, venue: str, slot: Slot, code: bytes) -> bytes:
    """SHA-256(`er1/code` ‖ session ‖ venue ‖ slot ‖ code), 00 between; `code` is its ten bytes."""
    parts = (b"er1/code", session.encode(), venue.encode(), slot.text.encode(), code)
    return hashlib.sha256(b"\x00".join(parts)).digest()


@dataclass(frozen=True, slots=True)
class CodeList:
    """The hashes of one venue's codes of one session; `hashes` in the order of `SLOTS`."""

    session: str
    venue: str
    hashes: tuple[bytes, ...]

    @classmethod
    def of(cls, session: str, venue: str, codes: Sequence[bytes]) -> CodeList:
        """The list of codes, one for each of `SLOTS`."""
        pairs = zip(SLOTS, codes, strict=True)
        return cls(session, venue, tuple(code_hash(session, venue, *pair) for pair in pairs))

    def find(self, code: bytes) -> Slot | None:
        """The slot that a code opens, None for a wrong one."""
        for slot, digest in zip(SLOTS, self.hashes, strict=True):
            if code_hash(self.session, self.venue, slot, code) == digest:
                return slot
        return None

    def seal(self, signers: Sequence[Signer]) -> bytes:
        """The signed message's bytes: a line per word, its hashes in base64."""
        lines = []
        for at, word in enumerate(WORDS):
            mine = self.hashes[at * NUMBERS_MAX : (at + 1) * NUMBERS_MAX]
            lines.append(f"{word} ".encode() + base64.b64encode(b"".join(mine)))
        header = {"session": self.session, "venue": self.venue}
        return seal_message(ctx=_CTX, header=header, lines=lines, signers=signers)

    @classmethod
    def read(cls, signed: Signed) -> CodeList:
        """The list in a parsed message. `RemoteError` if it is none."""
        reader = fields(signed, _CTX)
        session, venue = reader.text("session", TOKEN), reader.text("venue", TOKEN)
        reader.end()
        found = [line.split(b" ", 1) for line in signed.lines]
        if [one[0] for one in found] != [word.encode() for word in WORDS]:
            raise RemoteError(
                "not the orders of this version", where=_CTX, expected=" ".join(WORDS)
            )
        hashes = [_hashes(one[-1]) for one in found]
        return cls(session, venue, tuple(digest for row in hashes for digest in row))


def _hashes(text: bytes) -> list[bytes]:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != NUMBERS_MAX * _HASH_BYTES:
        expected = f"base64 of {NUMBERS_MAX} hashes"
        raise RemoteError("not a list of hashes", where=_CTX, expected=expected, got=text[:40])
    return [raw[at : at + _HASH_BYTES] for at in range(0, len(raw), _HASH_BYTES)]


def judge_codes(
    raw: bytes, keyring: Keyring, verify: Verify, *, session: str, venue: str, home_org: str
) -> CodeList:
    """The list in `raw`, if the home venue's own controller signed it for this session and venue.

    Raises:
        RemoteError: anything else; no code of it counts.
    """
    signed = parse_message(raw, limit=LIST_BYTES_MAX)
    found = CodeList.read(signed)
    if (found.session, found.venue) != (session, venue):
        raise RemoteError(
            "codes of another place",
            where=_CTX,
            expected=f"{session} at {venue}",
            got=f"{found.session} at {found.venue}",
        )
    for actor in keyring.signers(signed, verify):
        who = actor.principal
        ours = who.kind == "controller" and actor.role == ROLE_CONTROLLER
        if ours and who.venue_org == home_org:
            return found
    raise RemoteError(
        "not signed by the home venue's controller",
        where=_CTX,
        expected=f"a controller that {home_org} certified",
    )

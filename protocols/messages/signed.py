"""The signed message of WIRE §2: header line, body lines, signature line; LF after each.

Signed bytes: `ctx ‖ 00 ‖ header line as sent ‖ 0A ‖ SHA-256(H(line 1) ‖ … ‖ H(line n))`, H = raw
SHA-256 of a body line without LF. Nothing is ever re-serialised to check it: header and lines
stay the bytes that came. There is this one parser.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.strict import HEX128, KID, NAME, Json, Reader, dump, load
from protocols.messages.topics import EVENT_BYTES_MAX

Sign = Callable[[bytes], bytes]
"""message -> 64-byte Ed25519 signature."""
Verify = Callable[[bytes, bytes, bytes], bool]
"""(raw public key, signature, message) -> whether it holds. Never raises."""

CONTEXTS: Final = tuple(
    "er1/" + name
    for name in "batch ack plan cmd order statement cert receipt package codes".split()  # noqa: SIM905
)
SUITE: Final = "INTL"
"""Ed25519 + SHA-256. `SM` is reserved; anything unknown is refused."""

HEADER_BYTES_MAX: Final = EVENT_BYTES_MAX
"""The header is an object of fields, never bulk."""
SIGNATURES_MAX: Final = 8
"""The most any act needs is two; eight bounds the work a hostile message can ask for."""
LINES_MAX: Final = 8192
"""A batch of 128 KiB has far fewer; bounds memory, not use."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: key id, the role it signs in, and the act of signing."""

    kid: str
    role: str
    sign: Sign


@dataclass(frozen=True, slots=True)
class Signature:
    """One entry of the last line; `sig` is 64 raw bytes."""

    kid: str
    role: str
    sig: bytes


@dataclass(frozen=True, slots=True)
class Signed:
    """A parsed message. Parsed is not checked: see `check_signatures`."""

    ctx: str
    header: Json
    header_line: bytes
    lines: tuple[bytes, ...]
    sigs: tuple[Signature, ...]
    raw: bytes


@dataclass(frozen=True, slots=True)
class SignatureVerdict:
    """Whether one signature holds. reason: ok, unknown_key, bad_signature."""

    kid: str
    role: str
    ok: bool
    reason: str


def line_hash(line: bytes) -> bytes:
    """Raw SHA-256 of a body line without its line feed."""
    return hashlib.sha256(line).digest()


def signing_bytes(ctx: str, header_line: bytes, lines: Iterable[bytes]) -> bytes:
    """The bytes that are signed."""
    return signing_bytes_from_hashes(ctx, header_line, (line_hash(line) for line in lines))


def signing_bytes_from_hashes(ctx: str, header_line: bytes, hashes: Iterable[bytes]) -> bytes:
    """The same from raw 32-byte line hashes: a seal can be checked with its events hidden."""
    body = hashlib.sha256(b"".join(hashes)).digest()
    return ctx.encode("ascii") + b"\x00" + header_line + b"\x0a" + body


def seal_message(
    *, ctx: str, header: Mapping[str, Any], lines: Sequence[bytes], signers: Sequence[Signer]
) -> bytes:
    """The message's bytes. `LocalError` if it could not be parsed back."""
    if ctx not in CONTEXTS or "ctx" in header or "suite" in header:
        raise LocalError(
            "no such message",
            where="seal_message",
            expected="a known ctx, and a header without ctx and suite",
            got=ctx,
        )
    if not signers:
        raise LocalError("nobody signs", where=ctx, expected="at least one signer")
    header_line = dump({"ctx": ctx, "suite": SUITE, **header}, where=ctx)
    payload = signing_bytes(ctx, header_line, lines)
    sigs = [
        {"kid": signer.kid, "role": signer.role, "sig": signer.sign(payload).hex()}
        for signer in signers
    ]
    trailer = dump({"sigs": sigs}, where=ctx)
    raw = b"".join(part + b"\n" for part in (header_line, *lines, trailer))
    try:
        parsed = parse_message(raw, limit=len(raw))
    except RemoteError as error:
        raise LocalError(
            "the message breaks the contract",
            where=error.where,
            expected=error.expected,
            got=error.got,
        ) from None
    if parsed.lines != tuple(lines):
        raise LocalError("a body line has a line feed in it", where=ctx, expected="single lines")
    return raw


def parse_message(raw: bytes, *, limit: int) -> Signed:
    """Take a message apart; `limit` in bytes. `RemoteError` for any bytes that are not one."""
    if len(raw) > limit:
        raise RemoteError(
            "the message is too large",
            where="message",
            expected=f"at most {limit} bytes",
            got=f"{len(raw)} bytes",
        )
    parts = raw.split(b"\n", LINES_MAX + 3)
    if len(parts) < 3 or len(parts) > LINES_MAX + 3 or parts[-1] != b"":  # noqa: PLR2004
        raise RemoteError(
            "not a signed message",
            where="message",
            expected=f"a header, 0..{LINES_MAX} lines and signatures, LF after each",
            got=raw[:80],
        )
    header_line, lines, trailer = parts[0], tuple(parts[1:-2]), parts[-2]
    if b"" in lines:
        raise RemoteError("an empty line", where="message", expected="body lines with content")
    header = _header(header_line)
    return Signed(
        ctx=str(header["ctx"]),
        header=header,
        header_line=header_line,
        lines=lines,
        sigs=_signatures(trailer),
        raw=raw,
    )


def _header(line: bytes) -> Json:
    if len(line) > HEADER_BYTES_MAX:
        raise RemoteError(
            "the header is too large",
            where="message.header",
            expected=f"at most {HEADER_BYTES_MAX} bytes",
            got=f"{len(line)} bytes",
        )
    header = load(line, where="message.header")
    reader = Reader(header, where="message.header")
    reader.one_of("ctx", CONTEXTS)
    reader.one_of("suite", (SUITE,))
    return header


def _signatures(line: bytes) -> tuple[Signature, ...]:
    if len(line) > HEADER_BYTES_MAX:
        raise RemoteError(
            "the signature line is too large",
            where="message.sigs",
            expected=f"at most {HEADER_BYTES_MAX} bytes",
            got=f"{len(line)} bytes",
        )
    reader = Reader(load(line, where="message.sigs"), where="message")
    entries = reader.objects("sigs", items_max=SIGNATURES_MAX)
    reader.end()
    sigs: list[Signature] = []
    for entry in entries:
        one = Signature(
            kid=entry.text("kid", KID),
            role=entry.text("role", NAME),
            sig=bytes.fromhex(entry.text("sig", HEX128)),
        )
        entry.end()
        sigs.append(one)
    if not sigs or len({one.kid for one in sigs}) != len(sigs):
        reader.fail("sigs", "1 or more signatures of different keys", [one.kid for one in sigs])
    return tuple(sigs)


def fields(signed: Signed, ctx: str) -> Reader:
    """A reader over the header behind ctx and suite. `RemoteError` if it is another message."""
    if signed.ctx != ctx:
        raise RemoteError("another message", where="message.ctx", expected=ctx, got=signed.ctx)
    rest = {key: value for key, value in signed.header.items() if key not in ("ctx", "suite")}
    return Reader(rest, where=ctx)


def check_signatures(
    signed: Signed, lookup: Callable[[str], bytes | None], verify: Verify
) -> list[SignatureVerdict]:
    """A verdict per signature. `lookup` gives a kid's raw public key, or None if unknown."""
    payload = signing_bytes(signed.ctx, signed.header_line, signed.lines)
    verdicts: list[SignatureVerdict] = []
    for one in signed.sigs:
        public = lookup(one.kid)
        if public is None:
            verdicts.append(SignatureVerdict(one.kid, one.role, ok=False, reason="unknown_key"))
            continue
        ok = verify(public, one.sig, payload)
        reason = "ok" if ok else "bad_signature"
        verdicts.append(SignatureVerdict(one.kid, one.role, ok=ok, reason=reason))
    return verdicts

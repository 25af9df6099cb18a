"""Enrolment over the wire: a one-time code, a controller's own keys, and what proves both.

The room makes its keys and sends the public halves with a certificate request; its signature over
all of it and the code's hash proves that it has the signing key and knows the code. People compare
the fingerprint at both ends, so that nobody in between can have put his own keys in.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.strict import load

CODE_BYTES: Final = 20
"""160 random bits are 32 letters and digits without a remainder."""
CODE_HOURS: Final = 24
REQUEST_BYTES_MAX: Final = 8_192
TLS_PREFIX: Final = b"er1/tls\x00"
"""Before the hash of a certificate request in the signature of a room that asks for another one."""
FINGERPRINT_CHARS: Final = 32
"""128 bits: whoever wants other keys with the same fingerprint has 2^128 pairs to try."""

_CODE: Final = re.compile(r"[a-z2-7]{32}\Z")
_KEY: Final = re.compile(r"[0-9a-f]{64}\Z")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}\Z")
_FIELDS: Final = ("code", "csr", "sign_pub", "seal_pub", "sig")
_CONTEXT: Final = b"er1/enrol\x00"
_GROUP: Final = 4


def code_text(entropy: bytes) -> str:
    """A code for a person to type, in groups of four."""
    if len(entropy) != CODE_BYTES:
        raise LocalError(
            "no code can be made of this",
            where="code",
            expected=f"{CODE_BYTES} bytes",
            got=f"{len(entropy)} bytes",
        )
    return _grouped(base64.b32encode(entropy).decode("ascii").lower(), "-")


def read_code(typed: str) -> str:
    """A typed code as it is hashed: without groups, in small letters.

    Raises:
        RemoteError: not 32 letters and digits.
    """
    code = typed.strip().lower().replace("-", "").replace(" ", "")
    if _CODE.match(code) is None:
        raise _wrong("code", "32 letters and digits a-z 2-7", f"{len(code)} characters")
    return code


def code_hash(code: str) -> str:
    """What the hub keeps of a code; 64 hex digits."""
    return hashlib.sha256(read_code(code).encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class EnrolmentRequest:
    """What a room sends.

    Args:
        code: as it was typed.
        csr: PEM, for the TLS key.
        sign_pub, seal_pub: raw public keys in hex, Ed25519 and X25519.
        sig: signature of `signed` in hex.
    """

    code: str
    csr: str
    sign_pub: str
    seal_pub: str
    sig: str = ""

    @property
    def signed(self) -> bytes:
        """The bytes that the signing key signs."""
        return _CONTEXT + bytes.fromhex(code_hash(self.code)) + self._keys

    @property
    def fingerprint(self) -> str:
        """Of all three keys; what people compare, in groups of four."""
        digest = hashlib.sha256(_CONTEXT + self._keys).hexdigest()
        return _grouped(digest[:FINGERPRINT_CHARS], " ")

    @property
    def _keys(self) -> bytes:
        csr = hashlib.sha256(self.csr.encode("utf-8")).digest()
        return csr + bytes.fromhex(self.sign_pub) + bytes.fromhex(self.seal_pub)

    def proven(self, verify: Callable[[bytes, bytes, bytes], bool]) -> bool:
        """Whether the sender has the signing key and knows the code."""
        return verify(bytes.fromhex(self.sign_pub), bytes.fromhex(self.sig), self.signed)

    def encode(self) -> bytes:
        """JSON, for the wire."""
        return json.dumps({name: getattr(self, name) for name in _FIELDS}).encode("ascii")

    @classmethod
    def decode(cls, raw: bytes) -> EnrolmentRequest:
        """Reads what came from the wire.

        Raises:
            RemoteError: too long, no JSON, or a field of another shape.
        """
        if len(raw) > REQUEST_BYTES_MAX:
            raise _wrong("request", f"at most {REQUEST_BYTES_MAX} bytes", f"{len(raw)} bytes")
        body = load(raw, where="request")
        if set(body) != set(_FIELDS):
            raise _wrong("request", "the fields " + ", ".join(_FIELDS), "others")
        if not all(isinstance(body[name], str) for name in _FIELDS) or not body["csr"].isascii():
            raise _wrong("request", "texts", "something else")
        for name, shape in (("sign_pub", _KEY), ("seal_pub", _KEY), ("sig", _SIGNATURE)):
            if shape.match(body[name]) is None:
                raise _wrong(name, "hex digits of a key or signature", "something else")
        read_code(body["code"])
        return cls(**body)


def _grouped(text: str, between: str) -> str:
    return between.join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def _wrong(where: str, expected: str, got: str) -> RemoteError:
    return RemoteError("no request to enrol", where=where, expected=expected, got=got)

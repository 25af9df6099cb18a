"""The request of a room that enrols itself: what it proves, and what is no request."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edge import crypto
from protocols.messages.enrolment import (
    CODE_BYTES,
    REQUEST_BYTES_MAX,
    EnrolmentRequest,
    code_hash,
    code_text,
    read_code,
)
from protocols.messages.errors import LocalError, RemoteError

CODE = code_text(bytes(range(CODE_BYTES)))
PUBLIC, SIGN = crypto.signer(b"s" * 32)
BARE = EnrolmentRequest(CODE, "csr", PUBLIC.hex(), "ab" * 32)
REQUEST = replace(BARE, sig=SIGN(BARE.signed).hex())


def test_a_code_is_typed_in_any_case_with_or_without_its_groups() -> None:
    assert CODE == "aaaq-eaye-auda-ocaj-bifq-ydio-b4ib-ceqt"
    assert read_code(f" {CODE.upper().replace('-', ' ')} ") == CODE.replace("-", "")
    assert code_hash(CODE) == code_hash(CODE.upper())
    with pytest.raises(RemoteError, match="32 letters"):
        read_code(CODE[:-1] + "0")
    with pytest.raises(LocalError):
        code_text(b"short")


def test_a_request_survives_the_wire_and_proves_its_key_and_code() -> None:
    got = EnrolmentRequest.decode(REQUEST.encode())

    assert got == REQUEST
    assert got.proven(crypto.verify)
    assert len(got.fingerprint.replace(" ", "")) == 32


@pytest.mark.parametrize(
    "change",
    [
        {"csr": "other"},
        {"seal_pub": "cd" * 32},
        {"sign_pub": crypto.signer(b"t" * 32)[0].hex()},
        {"code": code_text(bytes(CODE_BYTES))},
    ],
    ids=lambda one: next(iter(one)),
)
def test_nothing_in_a_request_can_be_exchanged(change: dict[str, str]) -> None:
    other = replace(REQUEST, **change)

    assert not other.proven(crypto.verify)
    if "code" not in change:
        assert other.fingerprint != REQUEST.fingerprint


FIELDS = json.loads(REQUEST.encode())


@pytest.mark.parametrize(
    "raw",
    [
        b"x" * (REQUEST_BYTES_MAX + 1),
        b"{",
        b"[" * 4_000,
        b"[]",
        json.dumps({**FIELDS, "more": ""}).encode(),
        json.dumps({**FIELDS, "csr": 1}).encode(),
        json.dumps({**FIELDS, "csr": "证"}).encode(),
        json.dumps({**FIELDS, "sig": "zz"}).encode(),
        json.dumps({**FIELDS, "seal_pub": "ab"}).encode(),
        json.dumps({**FIELDS, "code": "short"}).encode(),
    ],
)
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    with pytest.raises(RemoteError):
        EnrolmentRequest.decode(raw)

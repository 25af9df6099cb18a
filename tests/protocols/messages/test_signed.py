"""The one parser of signed messages (WIRE §2)."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.signed import (
    CONTEXTS,
    LINES_MAX,
    Signer,
    check_signatures,
    fields,
    line_hash,
    parse_message,
    seal_message,
    signing_bytes,
    signing_bytes_from_hashes,
)
from tests.protocols.messages.wire_keys import HOME, ROOM, verify

LIMIT = 128 * 1024


def sealed(lines=(b"one", b"two"), *, ctx="er1/batch", signers=None, **header) -> bytes:
    return seal_message(
        ctx=ctx, header={"n": 1, **header}, lines=lines, signers=signers or [ROOM.signer()]
    )


def look_up(kid):
    return {ROOM.kid: ROOM.pub, HOME.kid: HOME.pub}.get(kid)


def test_signed_bytes_are_as_the_contract_says():
    raw = sealed()
    header_line = raw.split(b"\n")[0]
    body = hashlib.sha256(hashlib.sha256(b"one").digest() + hashlib.sha256(b"two").digest())

    expected = b"er1/batch\x00" + header_line + b"\x0a" + body.digest()

    assert header_line == b'{"ctx":"er1/batch","suite":"INTL","n":1}'
    assert signing_bytes("er1/batch", header_line, [b"one", b"two"]) == expected
    hashes = [line_hash(b"one"), line_hash(b"two")]
    assert signing_bytes_from_hashes("er1/batch", header_line, hashes) == expected
    assert ROOM.private.sign(expected).hex().encode() in raw


@given(
    lines=st.lists(st.binary(min_size=1, max_size=50).filter(lambda b: b"\n" not in b), max_size=9),
    ctx=st.sampled_from(CONTEXTS),
)
def test_what_is_sealed_parses_and_verifies(lines, ctx):
    raw = sealed(lines, ctx=ctx, signers=[ROOM.signer(), HOME.signer("venue")])
    signed = parse_message(raw, limit=LIMIT)

    assert (signed.ctx, signed.lines, signed.raw) == (ctx, tuple(lines), raw)
    assert signed.header == {"ctx": ctx, "suite": "INTL", "n": 1}
    assert [(v.kid, v.role, v.ok, v.reason) for v in check_signatures(signed, look_up, verify)] == [
        (ROOM.kid, "controller", True, "ok"),
        (HOME.kid, "venue", True, "ok"),
    ]


def test_every_flipped_byte_is_refused_or_fails_its_check():
    raw = sealed()
    good = [(ROOM.kid, "controller", True)]

    for i in range(len(raw)):
        bad = raw[:i] + bytes([raw[i] ^ 1]) + raw[i + 1 :]
        try:
            verdicts = check_signatures(parse_message(bad, limit=LIMIT), look_up, verify)
        except RemoteError:
            continue
        assert [(v.kid, v.role, v.ok) for v in verdicts] != good


def test_unknown_keys_and_bad_signatures_are_told_apart():
    other = Signer(kid=ROOM.kid, role="controller", sign=HOME.private.sign)
    strange = Signer(kid="f" * 16, role="controller", sign=HOME.private.sign)
    signed = parse_message(sealed(signers=[other, strange]), limit=LIMIT)

    assert [v.reason for v in check_signatures(signed, look_up, verify)] == [
        "bad_signature",
        "unknown_key",
    ]


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_refused(raw):
    try:
        parse_message(raw, limit=LIMIT)
    except RemoteError:
        return


@given(st.data())
def test_any_damage_of_a_message_is_a_message_or_refused(data):
    raw = bytearray(sealed())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        parse_message(bytes(raw), limit=LIMIT)
    except RemoteError:
        return


SIGS = '{"sigs":[{"kid":"' + "a" * 16 + '","role":"venue","sig":"' + "b" * 128 + '"}]}\n'
HEAD = '{"ctx":"er1/ack","suite":"INTL"}\n'


def test_the_smallest_message():
    assert parse_message((HEAD + SIGS).encode(), limit=LIMIT).lines == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        HEAD,
        HEAD + SIGS[:-1],
        HEAD + "\n" + SIGS,
        HEAD.replace("INTL", "SM") + SIGS,
        HEAD.replace("er1/ack", "er1/nack") + SIGS,
        HEAD.replace('"INTL"', '["INTL"]') + SIGS,
        HEAD.replace("}", ',"x":1.5}') + SIGS,
        HEAD.replace("}", ',"x":"' + "y" * 20000 + '"}') + SIGS,
        '{"suite":"INTL"}\n' + SIGS,
        "[]\n" + SIGS,
        HEAD + '{"sigs":[]}\n',
        HEAD + '{"sigs":[1]}\n',
        HEAD + '{"sigs":1}\n',
        HEAD + "{}\n",
        HEAD + SIGS.replace("]}", '],"x":1}'),
        HEAD + SIGS.replace('"venue"', '"Venue"'),
        HEAD + SIGS.replace("b" * 128, "B" * 128),
        HEAD + SIGS.replace('"role"', '"y":1,"role"'),
        HEAD + SIGS.replace("}]", "}" + "," + SIGS[9:-4] + "]"),
        HEAD + SIGS.replace("}]}", "}" + ("," + SIGS[9:-4]) * 8 + "]}"),
        HEAD + '{"sigs":' + " " * 20000 + SIGS[8:],
        HEAD + "x\n" * (LINES_MAX + 1) + SIGS,
    ],
)
def test_refused(text):
    with pytest.raises(RemoteError):
        parse_message(text.encode(), limit=LIMIT)


def test_the_limit_is_the_callers():
    raw = sealed()

    assert parse_message(raw, limit=len(raw)).raw == raw
    with pytest.raises(RemoteError, match="too large"):
        parse_message(raw, limit=len(raw) - 1)


@pytest.mark.parametrize(
    "change",
    [
        {"ctx": "er1/nothing"},
        {"header": {"ctx": "er1/ack"}},
        {"header": {"suite": "INTL"}},
        {"header": {"x": 0.5}},
        {"lines": [b"a\nb"]},
        {"lines": [b""]},
        {"signers": []},
        {"signers": [ROOM.signer(), ROOM.signer()]},
        {"signers": [ROOM.signer("Not A Role")]},
    ],
)
def test_misuse_is_our_bug(change):
    good = {"ctx": "er1/ack", "header": {}, "lines": [b"x"], "signers": [ROOM.signer()]}

    with pytest.raises(LocalError):
        seal_message(**{**good, **change})


def test_fields_want_the_right_message():
    signed = parse_message(sealed(), limit=LIMIT)

    assert fields(signed, "er1/batch").integer("n") == 1
    with pytest.raises(RemoteError, match="another message"):
        fields(signed, "er1/ack")

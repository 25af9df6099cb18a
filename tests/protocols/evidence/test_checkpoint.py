"""Checkpoints and co-signatures: others' vectors, the one form, and what is refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.evidence.checkpoint import (
    NOTE_BYTES_MAX,
    SIGNATURES_MAX,
    TIME_MAX,
    TYPE_COSIGNATURE,
    TYPE_LOG,
    Checkpoint,
    NoteSignature,
    Question,
    cosign,
    cosigned_at,
    cosigned_bytes,
    joined,
    key_id,
    origin_name,
    parse_note,
    parse_question,
    read_origin,
    sign_checkpoint,
    signed_by_log,
)
from protocols.messages.errors import LocalError, RemoteError
from tests.protocols.messages.wire_keys import CTL, HUB, HUB_KEY, ROOM, Key, verify

SPEC = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501
"""The example of C2SP tlog-cosignature v1.0.0."""
POINT = Checkpoint(origin_name(HUB, 1), 1234, bytes(range(32)))
NOTE = sign_checkpoint(POINT, public=HUB_KEY.pub, sign=HUB_KEY.private.sign)


def line(
    key: Key = ROOM, *, point: Checkpoint = POINT, name: str = CTL, time_s: int = 1_800_000_000
):
    return cosign(point, name=name, public=key.pub, time_s=time_s, sign=key.private.sign)


def test_the_example_of_the_specification_is_read_and_written_byte_for_byte():
    note = parse_note(SPEC.encode())

    assert note.encode() == SPEC.encode()
    assert (note.checkpoint.origin, note.checkpoint.size) == (
        "example.com/behind-the-sofa",
        20852163,
    )
    assert int.from_bytes(note.signatures[1].body[:8], "big") == 1_679_315_147
    assert cosigned_bytes(note.checkpoint, 1_679_315_147) == (
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
        b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )


def test_a_note_signed_by_gos_own_implementation_has_our_key_id_and_holds():
    # golang.org/x/mod/sumdb/note: the verifier key and message of its documentation.
    public = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
    signed = base64.b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    text = (
        b"If you think cryptography is the answer to your problem,\n"
        b"then you don't know what your problem is.\n"
    )

    assert key_id("PeterNeumann", TYPE_LOG, public) == bytes.fromhex("c74f20a3") == signed[:4]
    assert verify(public, signed[4:], text)


def test_the_log_signs_under_its_own_name():
    assert signed_by_log(NOTE, HUB_KEY.pub, verify)
    assert parse_note(NOTE.encode()) == NOTE
    assert not signed_by_log(NOTE, ROOM.pub, verify)
    other = Checkpoint(POINT.origin, POINT.size + 1, POINT.root)
    assert not signed_by_log(
        parse_note(other.text + b"\n" + NOTE.signatures[0].line), HUB_KEY.pub, verify
    )


def test_a_witness_co_signs_and_the_time_is_signed_too():
    note = joined(NOTE, [line()])

    assert cosigned_at(note, name=CTL, public=ROOM.pub, verify=verify) == 1_800_000_000
    assert parse_note(note.encode()) == note
    assert joined(note, [line()]) == note
    one = line()
    later = NoteSignature(one.name, one.key_id, (9).to_bytes(8, "big") + one.body[8:])
    assert cosigned_at(joined(NOTE, [later]), name=CTL, public=ROOM.pub, verify=verify) is None


def test_a_co_signature_counts_for_its_key_its_name_and_its_checkpoint_alone():
    note = joined(NOTE, [line()])
    other = joined(
        sign_checkpoint(
            Checkpoint(POINT.origin, POINT.size, bytes(32)),
            public=HUB_KEY.pub,
            sign=HUB_KEY.private.sign,
        ),
        [line()],
    )

    assert cosigned_at(note, name="c-ffffffffffff", public=ROOM.pub, verify=verify) is None
    assert cosigned_at(note, name=CTL, public=HUB_KEY.pub, verify=verify) is None
    assert cosigned_at(other, name=CTL, public=ROOM.pub, verify=verify) is None
    assert cosigned_at(NOTE, name=CTL, public=ROOM.pub, verify=verify) is None


def test_one_false_line_of_a_known_key_spoils_the_true_ones():
    false = NoteSignature(CTL, key_id(CTL, TYPE_COSIGNATURE, ROOM.pub), bytes(72))
    note = joined(NOTE, [line(), false])
    twice = joined(NOTE, [NoteSignature(POINT.origin, NOTE.signatures[0].key_id, bytes(64))])

    assert cosigned_at(note, name=CTL, public=ROOM.pub, verify=verify) is None
    assert not signed_by_log(twice, HUB_KEY.pub, verify)


def test_a_time_beyond_the_specification_is_neither_signed_nor_taken():
    one = line()
    beyond = NoteSignature(one.name, one.key_id, (TIME_MAX + 1).to_bytes(8, "big") + one.body[8:])

    assert cosigned_at(joined(NOTE, [beyond]), name=CTL, public=ROOM.pub, verify=verify) is None
    with pytest.raises(LocalError):
        line(time_s=TIME_MAX + 1)


def test_what_a_witness_is_asked_comes_back_whole():
    question = Question(17, tuple(bytes([n]) * 32 for n in range(3)), NOTE)
    first = Question(0, (), NOTE)

    assert parse_question(question.encode()) == question
    assert parse_question(first.encode()) == first
    assert first.encode() == b"old 0\n\n" + NOTE.encode()


def test_a_log_has_a_number_of_its_own():
    assert read_origin(origin_name(HUB, 12)) == (HUB, 12)
    for name in ("evalroom/h-0123456789ab/0", "evalroom/c-0123456789ab/1", "evalroom/h-1/1", ""):
        with pytest.raises(RemoteError):
            read_origin(name)
    for hub, n in ((HUB, 0), (HUB, 10_000), ("h", 1)):
        with pytest.raises(LocalError):
            origin_name(hub, n)


RAW = NOTE.encode()
SIGNATURE = NOTE.signatures[0].line


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        RAW[:-1],
        RAW + b"\n",
        POINT.text + b"\n",
        POINT.text + SIGNATURE,
        POINT.text + b"more\n\n" + SIGNATURE,
        RAW.replace(b"1234", b"01234"),
        RAW.replace(b"1234", b"-1"),
        RAW.replace(b"1234", b"1" * 17),
        RAW.replace(b"1234", str(2**53).encode()),
        RAW.replace(b"\n", b"\r\n"),
        b"\n" + RAW.partition(b"\n")[2],
        b"x" * 129 + RAW[RAW.index(b"\n") :],
        RAW.replace(b"AAECAwQ", b"AAECAw"),
        RAW.replace("— ".encode(), b"- "),
        RAW.replace(b"/1 ", b"/+ "),
        RAW.replace(b"/1 ", "/\u00a0 ".encode()),
        RAW.replace(b"/1 ", b"/1  "),
        RAW[:-2] + b"\n",
        RAW.replace(b"evalroom/h", b"\xff"),
        RAW.replace(b"1234", b"12\x0034"),
        POINT.text + b"\n" + NoteSignature("a", b"\x00" * 4, b"\x00" * 65).line,
        POINT.text + b"\n" + SIGNATURE * (SIGNATURES_MAX + 1),
        RAW + b"x" * NOTE_BYTES_MAX + b"\n",
    ],
)
def test_what_is_not_in_the_one_form_is_refused(raw):
    with pytest.raises(RemoteError):
        parse_note(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"old 1\n",
        RAW,
        b"old \n\n" + RAW,
        b"old 01\n\n" + RAW,
        b"new 1\n\n" + RAW,
        b"old 1\nAAAA\n\n" + RAW,
        b"old 1\n" + b"AAAA\n" * 64 + b"\n" + RAW,
        b"old 1\n\n" + RAW[:-1],
        b"\n\n" + RAW,
    ],
)
def test_a_question_that_is_none_is_refused(raw):
    with pytest.raises(RemoteError):
        parse_question(raw)


@given(st.integers(0, len(RAW) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused_or_breaks_the_signature(at, mask):
    raw = bytearray(RAW)
    raw[at] ^= mask
    try:
        note = parse_note(bytes(raw))
    except RemoteError:
        return
    assert not signed_by_log(note, HUB_KEY.pub, verify)

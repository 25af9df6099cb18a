"""Where inputs begin: published frames of the boards, and messages this program makes itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from protocols.evidence.checkpoint import Question, joined
from protocols.messages.bodies import CommandWrapper, Ping, Telemetry, Will, plan_body
from protocols.messages.offline_code import CODE_BYTES, SLOTS, CodeList, code_text
from protocols.messages.signed import parse_message, seal_message
from protocols.messages.topics import UP_LEAVES
from protocols.wire import idcard, idcard_text, ld2410, megatec
from tests.protocols.evidence import sample_package as sample
from tests.protocols.evidence import test_checkpoint as checkpoints
from tests.protocols.messages import test_bodies as body
from tests.protocols.messages.wire_keys import (
    CTL,
    EPOCH,
    HOME,
    HUB_KEY,
    ROOM,
    certify,
    chain,
    trust_file,
)
from tests.protocols.policy.record_bench import PREPARED
from tests.protocols.policy.record_bench import S as SESSION

FRAMES: Final[dict[str, str]] = {
    "idcard": """
        AA AA AA 96 69 00 03 10 FF EC / AA AA AA 96 69 00 03 20 01 22
        AA AA AA 96 69 00 03 30 01 32 / AA AA AA 96 69 00 04 61 FF 50 CA
        AA AA AA 96 69 00 08 00 00 9F 00 00 00 00 97 / AA AA AA 96 69 00 04 00 00 80 84
        AA AA AA 96 69 00 0C 00 00 90 00 00 00 00 00 00 00 00 9C""",
    "lockboard": """
        8A 01 01 11 9B / 8A 01 00 11 9A / 8A 01 01 00 8A / 80 01 01 33 B3 / 80 01 00 33 B2
        80 01 01 11 91 / 80 01 00 00 02 33 B0 / 80 02 05 03 33 B7 / 8A 01 01 11 03 98
        90 01 02 02 02 93 / 9A 01 01 11 8B / 9B 01 01 11 8A / 82 01 01 11 93""",
    "cu16": """
        02 00 30 03 35 / 02 00 31 03 36 / 02 0F 31 03 45 / 02 11 31 03 47
        02 00 35 FF FF 00 00 03 38""",
    "ld2410": """
        FD FC FB FA 04 00 FF 00 01 00 04 03 02 01 / FD FC FB FA 02 00 FE 00 04 03 02 01
        FD FC FB FA 04 00 A1 00 05 00 04 03 02 01
        F4 F3 F2 F1 0D 00 02 AA 03 3C 00 64 00 00 00 51 00 55 00 F8 F7 F6 F5""",
}
"""Frames that others published, as in the tests of each codec; `/` or a new line ends one."""

PORTIONS: Final = (b"\x00", b"\x07", b"\xfe", b"\xff")
"""First byte: the role that hears, and how many bytes at once."""


def frames(name: str) -> list[bytes]:
    """The published frames of one board."""
    told = FRAMES.get(name, "").replace("\n", "/").split("/")
    return [bytes.fromhex(one) for one in told if one.strip()]


def _card() -> bytes:
    number = "11010519491231002X"
    card = idcard_text.Card(
        idcard_text.Layout.RESIDENT, "张三", number, "1", "01", "19491231", "长期"
    )
    return idcard_text.encode_text(card)


def _lines(name: str) -> list[bytes]:
    if name == "idcard":
        whole = idcard.encode_answer(idcard.read_answer(_card(), bytes(idcard.PHOTO_BYTES)))
        return [whole, b"\xaa" * 64, idcard.PREAMBLE * 40]
    if name == "ld2410":
        gates = tuple(range(ld2410.GATES))
        still = ld2410.Report(ld2410.Target.STILL, 1, 2, 3, 4, 5, gates, gates, 9, out_pin=True)
        return [ld2410.encode_event(still), ld2410.encode_event(ld2410.Ack(0x62, ok=True))]
    if name == "megatec":
        answer = b"(208.4 140.0 208.4 034 59.9 2.05 35.0 00110000\r"
        return [megatec.QUERY, answer, b"(---.- 140.0 208.4 --- 59.9 13.5 --.- 10000001\r", b"T\r"]
    return []


def of_line(name: str) -> Callable[[], list[bytes]]:
    """Seeds of one serial line: each frame, all together, with noise between them."""

    def seeds() -> list[bytes]:
        if name == "idcard_text":
            card = _card()
            return [card, card[:248] + b"J\x00" + card[250:], card[:248] + b"Y\x00" + card[250:]]
        each = [*frames(name), *_lines(name)]
        noisy = b"\x00\xff".join(each)
        return [portion + one for one in [*each, noisy, b"".join(each)] for portion in PORTIONS]

    return seeds


def signed() -> list[bytes]:
    """One real message of every kind."""
    by = [HOME.signer("home_manager")]
    order = body.ORDER.seal(by)
    return [
        sample.seal_batch(ctl=CTL, epoch=EPOCH, first=1, lines=chain(2), signers=[ROOM.signer()]),
        body.ACK.seal([HUB_KEY.signer("hub")]),
        order,
        body.STATEMENT.seal(by),
        body.COMMAND.seal([*by, ROOM.signer("witness")]),
        CommandWrapper(CTL, "", "1" * 32, "order", order).seal([HUB_KEY.signer("hub")]),
        certify(ROOM, CTL, kind="controller", roles=["controller"]),
        body.seal_plan(ctl=CTL, generation=1, n=1, body=body.BODY, signers=by),
    ]


def messages() -> list[bytes]:
    """Those, and one that is as wide and one as deep as a message may be."""
    deep = b'{"ctx":"er1/ack","suite":"INTL","a":' + b"[" * 2000 + b"]" * 2000 + b"}\n"
    many = seal_message(ctx="er1/batch", header={}, lines=[b"a"] * 2000, signers=[ROOM.signer()])
    return [*signed(), deep + b'{"sigs":[]}\n', many]


def plain() -> list[bytes]:
    """Bodies that are not signed."""
    return [
        body.BIRTH.encode(),
        Will(CTL, "b0").encode(),
        body.PONG.encode(),
        Telemetry(5, {"power": {"mains": "on"}}).encode(),
        Ping("ab" * 8).encode(),
        trust_file().encode(),
        plan_body(body.BODY),
    ]


def bodies() -> list[bytes]:
    """Unsigned bodies, and signed ones without their last line."""
    parted = [parse_message(raw, limit=len(raw)) for raw in signed()]
    return [*plain(), *(b"\n".join((one.header_line, *one.lines)) for one in parted)]


def notes() -> list[bytes]:
    """Checkpoints with and without a witness' line, and what a witness is asked about them."""
    both = joined(checkpoints.NOTE, [checkpoints.line()])
    asked = Question(17, tuple(bytes([n]) * 32 for n in range(11)), checkpoints.NOTE)
    spec = checkpoints.SPEC.encode()
    return [spec, checkpoints.NOTE.encode(), both.encode(), asked.encode(), b"old 0\n\n" + spec]


def codes() -> list[bytes]:
    """Codes as they are read out and typed, and the lines of a whole list."""
    drawn = [bytes((at % 256,)) * CODE_BYTES for at in range(len(SLOTS))]
    listed = CodeList.of(SESSION, "changsha", drawn).seal([ROOM.signer()])
    text = code_text(drawn[7])
    typed = [text, text.lower().replace("-", " "), text.replace("0", "O").replace("1", "l")]
    return [*(one.encode() for one in typed), b"\n".join(parse_message(listed, limit=16_384).lines)]


def _line(kind: str, data: dict[str, object], session: str = "") -> bytes:
    return chain(1, type=kind, data=data, session=session)[0]


def event_lines() -> list[bytes]:
    """One event of every kind that a room's state hears."""
    no, locker = {"no": 3}, {"locker": 1}
    told: list[tuple[str, dict[str, object]]] = [
        ("session.prepared", dict(PREPARED)),
        ("phase.changed", {"from": "prepared", "to": "check_in", "by": "order"}),
        ("member.identified", {**no, "method": "card"}),
        ("deposit.declared", {**no, "items": ["phone"]}),
        ("locker.opening", {**locker, **no, "why": "deposit", "intent": "i-1", "by": []}),
        ("locker.state", {**locker, "door": "open", "item": "absent"}),
        ("locker.opened", {**locker, "intent": "i-1"}),
        ("seat.state", {"station": 1, "state": "vacant"}),
        ("record.gap", {"epoch": "a" * 32, "from": 1, "to": 2, "cause": "rot"}),
        (
            "epoch.opened",
            {"pred_epoch": "", "pred_seq": 0, "pred_hash": "0" * 64, "cause": "start"},
        ),
        ("device.state", {"device": "locker", "state": "lost"}),
        ("clock.fix", {"mono_ms": 1, "at": "2026-05-07T01:02:03.004Z", "step_ms": 1}),
    ]
    return [_line(kind, data, SESSION) for kind, data in told]


def events() -> list[bytes]:
    """Each alone and all together."""
    lines = event_lines()
    return [*lines, b"\n".join(lines[:8])]


def ingest() -> list[bytes]:
    """Messages as they are on each topic, and lines for the room to seal."""
    sealed = len(UP_LEAVES)  # the two kinds behind the leaves, see `tests.fuzz.record`
    told = [*signed()[:2], *plain()[:3], *notes()[:2]]
    raw = [bytes((leaf,)) + one for leaf in range(sealed) for one in told]
    lines = [line.replace(CTL.encode(), b"$CTL") for line in event_lines()]
    opened = [line for line in lines if b"epoch.opened" in line]
    return [
        *raw,
        *(bytes((kind, 0)) + one for kind in (sealed, sealed + 1) for one in [*lines, *opened]),
    ]


def words(every: list[bytes]) -> list[bytes]:
    """Words of the seeds worth putting anywhere: keys and texts of JSON, tricks of old."""
    found = {word for raw in every for word in raw.split(b'"') if 1 < len(word) <= 40}
    tricks = [
        b"1e999", b"NaN", b"-0", b"9" * 400, b"\\ud800", b"\\u0000", b"\xef\xbb\xbf", b"null",
        b"true", b"[]", b"{}", b"\r\n", b"\x00", b"../", b"9999-12-31T23:59:59.999-23:59",
        b"2026-02-31", b"0000-01-01", "２０２６".encode(), json.dumps("\u202e").encode(),
    ]  # fmt: skip
    return sorted(found)[:400] + tricks

"""Messages: the one parser, the event decoder with the fold behind it, the strict bodies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from protocols.evidence.checkpoint import (
    cosigned_at,
    parse_note,
    parse_question,
    signed_by_log,
)
from protocols.messages.bodies import (
    Ack,
    Certificate,
    Command,
    CommandWrapper,
    Order,
    Ping,
    Statement,
    TrustFile,
    decode_batch,
    decode_status,
    decode_tm,
    parse_plan_body,
    read_plan,
)
from protocols.messages.errors import RemoteError
from protocols.messages.event import Event, decode_event, encode_event, envelope_of
from protocols.messages.offline_code import CodeList, CodeTextError, code_text, read_code
from protocols.messages.recording import read_gap, read_opened
from protocols.messages.signed import Signed, check_signatures, parse_message
from protocols.messages.status import OtherWire
from protocols.messages.strict import load
from protocols.messages.topics import MESSAGE_BYTES_MAX
from protocols.policy.room_state import UnreadableEvent, apply
from tests.fuzz.judge import Run
from tests.protocols.messages.wire_keys import CTL, HOME, HUB_KEY, ROOM, verify
from tests.protocols.policy.record_bench import Record

PUBLIC: Final = {key.kid: key.pub for key in (HOME, HUB_KEY, ROOM)}
EVENTS_MAX: Final = 8


def _wrapped(signed: Signed) -> object:
    return CommandWrapper.read(signed).parse_inner()


SIGNED: Final[tuple[Callable[[Signed], Any], ...]] = (
    decode_batch, Ack.read, read_plan, CommandWrapper.read, _wrapped, Order.read, Statement.read,
    Certificate.read, Command.read,
)  # fmt: skip


def _plan_body(raw: bytes) -> object:
    return parse_plan_body(raw, hashlib.sha256(raw).hexdigest())


def _trust(raw: bytes) -> None:
    trust = TrustFile.decode(raw)
    assert TrustFile.decode(trust.encode()) == trust


def _status(raw: bytes) -> None:
    status = decode_status(raw)
    if isinstance(status, OtherWire):
        return  # read as far as is needed to say so, and never written
    assert decode_status(status.encode()) == status


def _tm(raw: bytes) -> None:
    body = decode_tm(raw)
    assert decode_tm(body.encode()) == body


BODIES: Final[tuple[Callable[[bytes], Any], ...]] = (
    _status, _tm, Ping.decode, _trust, _plan_body,
)  # fmt: skip


def message(data: bytes) -> None:
    """Any bytes are a message or refused; what was signed is what came."""
    try:
        signed = parse_message(data, limit=MESSAGE_BYTES_MAX)
    except RemoteError:
        return
    parts = (signed.header_line, *signed.lines)
    assert signed.raw == data
    assert data.startswith(b"".join(part + b"\n" for part in parts))
    for verdict in check_signatures(signed, PUBLIC.get, verify):
        assert verdict.ok is (verdict.reason == "ok")


def bodies(data: bytes) -> None:
    """Each reader takes a body apart or refuses it; the signatures are another target's."""
    for read in BODIES:
        with suppress(RemoteError):
            read(data)
    first, *lines = data.split(b"\n")
    try:
        header = load(first, where="message.header")
    except RemoteError:
        return
    for reader in SIGNED:
        ctx = str(header.get("ctx"))
        with suppress(RemoteError):
            reader(Signed(ctx, header, first, tuple(lines), (), data))


def codes(data: bytes) -> None:
    """Whatever is typed is a code or a slip; any body is a list of hashes or refused."""
    with suppress(CodeTextError):
        code = read_code(data.decode("utf-8", "replace"))
        assert read_code(code_text(code)) == code
    header = {"ctx": "er1/codes", "session": "s-1", "venue": "v"}
    with suppress(RemoteError):
        found = CodeList.read(Signed("er1/codes", header, b"", tuple(data.split(b"\n")), (), data))
        assert found.find(b"0123456789") is None


def _fold(state: Any, event: Event) -> Any:
    try:
        return apply(
            state, event.type, event.session, event.data,
            seq=event.seq, mono_ms=event.mono_ms, at=event.at, epoch=event.epoch,
        )  # fmt: skip
    except UnreadableEvent:
        return state


def make_events() -> Run:
    """Lines are events or refused; what is one can be written, dated and folded."""
    prepared = Record().prepared().state

    def run(data: bytes) -> None:
        state = prepared
        for line in data.split(b"\n", EVENTS_MAX)[:EVENTS_MAX]:
            with suppress(RemoteError):
                envelope_of(line)
            try:
                event = decode_event(line)
            except RemoteError:
                continue
            assert decode_event(encode_event(event)) == event
            assert datetime.fromisoformat(event.at).tzinfo is not None
            for read in (read_opened, read_gap):
                with suppress(RemoteError):
                    read(event)
            state = _fold(state, event)

    return run


def notes(data: bytes) -> None:
    """Any bytes are a checkpoint's note or a question about one, in its one form, or refused."""
    with suppress(RemoteError):
        note = parse_note(data)
        assert note.encode() == data
        signed_by_log(note, HUB_KEY.pub, verify)
        cosigned_at(note, name=CTL, public=ROOM.pub, verify=verify)
    with suppress(RemoteError):
        assert parse_question(data).encode() == data

"""Bodies of the messages: there and back, and every field strict."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace

import pytest

from protocols.messages.bodies import (
    Ack,
    Birth,
    Command,
    CommandWrapper,
    Expect,
    Order,
    OtherWire,
    Ping,
    PlanRef,
    PlanVerdict,
    Pong,
    RoomKeys,
    Statement,
    Telemetry,
    Will,
    decode_batch,
    decode_status,
    decode_tm,
    judge_plan,
    parse_plan_body,
    read_plan,
    seal_batch,
    seal_plan,
    statement_id,
)
from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.event import GENESIS
from protocols.messages.signed import parse_message, seal_message
from tests.protocols.messages.wire_keys import (
    CTL,
    EPOCH,
    HOME,
    HUB_KEY,
    ROOM,
    SESSION,
    chain,
)

LIMIT = 128 * 1024
BIRTH = Birth(
    ctl=CTL,
    boot="b0",
    epoch=EPOCH,
    seq=9,
    ask="ab" * 16,
    plan=PlanRef(1, 2, "c" * 64),
    software="evalroom 0.1.0",
    keys=RoomKeys(ROOM.pub.hex(), "d" * 64),
)
PONG = Pong(
    re="aa" * 8,
    ask="bb" * 8,
    epoch=EPOCH,
    seq=9,
    acked=8,
    outbox=1,
    journal_ok=True,
    loop_ms=3,
)
ACK = Ack(
    ctl=CTL,
    generation=0,
    run="a" * 32,
    n=1,
    epoch=EPOCH,
    upto=0,
    hash=GENESIS,
    re="bb" * 8,
)
ORDER = Order(
    id="0" * 32,
    session=SESSION,
    n=1,
    order="start",
    by="p-0123456789ab",
    venues=("hubei",),
    exceptions=("av:一路摄像头待修",),
    reason="按时开始",
)
STATEMENT = Statement(SESSION, "3", "report", "signed_with_dissent", "d" * 64)
COMMAND = Command("1" * 32, "locker.override", {"locker": 3}, Expect("locker-3", EPOCH, 4))
BODY = {
    "v": 1,
    "place": {},
    "pack": {"factor": 0.5},
    "calendar": [],
    "certs": [],
    "sessions": [],
}


def parsed(raw: bytes):
    return parse_message(raw, limit=LIMIT)


def resealed(raw: bytes, *, lines=None, **changes):
    """The same message with other header fields, signed again."""
    signed = parsed(raw)
    header = {k: v for k, v in signed.header.items() if k not in ("ctx", "suite")}
    header.update(changes)
    header = {k: v for k, v in header.items() if v != "gone"}
    return parsed(
        seal_message(
            ctx=signed.ctx,
            header=header,
            lines=signed.lines if lines is None else lines,
            signers=[HOME.signer("x")],
        )
    )


def changed(raw: bytes, **changes) -> bytes:
    value = {**json.loads(raw), **changes}
    return json.dumps({k: v for k, v in value.items() if v != "gone"}).encode()


def test_status_there_and_back():
    assert decode_status(BIRTH.encode()) == BIRTH
    assert decode_status(Will(CTL, "b0").encode()) == Will(CTL, "b0")


def test_a_birth_says_its_plan_as_version_and_hash():
    assert json.loads(BIRTH.encode())["plan"] == {"version": [1, 2], "hash": "c" * 64}


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "death"},
        {"ctl": "h-0123456789ab"},
        {"seq": -1},
        {"wire": 0},
        {"more": 1},
        {"ask": "gone"},
        {"ask": "xyz"},
        {"keys": {}},
        {"keys": []},
        {"keys": {"sign": "d" * 64, "seal": "", "tls": ""}},
        {"plan": {"version": [1], "hash": ""}},
        {"plan": {"version": [1, -1], "hash": ""}},
        {"plan": {"version": [1, True], "hash": ""}},
        {"plan": {"version": 1, "hash": ""}},
        {"plan": {"version": [0, 0], "hash": "", "x": 1}},
        {"software": "s" * 129},
        {"software": 1},
    ],
)
def test_births_are_strict(changes):
    with pytest.raises(RemoteError):
        decode_status(changed(BIRTH.encode(), **changes))


def test_a_birth_of_another_wire_is_told_apart_whatever_else_it_says():
    newer = changed(BIRTH.encode(), wire=2, more=1, plan="elsewhere")
    assert decode_status(newer) == OtherWire(CTL, 2)


def test_a_will_has_nothing_more():
    with pytest.raises(RemoteError):
        decode_status(changed(Will(CTL, "b0").encode(), seq=1))


def test_tm_there_and_back():
    telemetry = Telemetry(5, {"ups": {"charge_pct": 80}})

    assert decode_tm(PONG.encode()) == PONG
    assert decode_tm(telemetry.encode()) == telemetry


@pytest.mark.parametrize("changes", [{"journal_ok": 1}, {"x": 1}, {"loop_ms": "3"}])
def test_pongs_are_strict(changes):
    with pytest.raises(RemoteError):
        decode_tm(changed(PONG.encode(), **changes))


def test_ping_there_and_back():
    assert Ping.decode(Ping("ab" * 8).encode()) == Ping("ab" * 8)
    with pytest.raises(RemoteError):
        Ping.decode(b'{"nonce":"ab"}')


def test_batches_there_and_back():
    lines = chain(3)
    raw = seal_batch(ctl=CTL, epoch=EPOCH, first=1, lines=lines, signers=[ROOM.signer()])
    batch = decode_batch(parsed(raw))

    assert (batch.ctl, batch.epoch, batch.first, batch.count) == (CTL, EPOCH, 1, 3)
    assert batch.lines == tuple(lines)
    assert batch.last == 3
    with pytest.raises(RemoteError, match="count"):
        decode_batch(resealed(raw, count=4))
    with pytest.raises(RemoteError):
        decode_batch(resealed(raw, more=1))


def test_a_batch_above_the_limit_is_our_bug():
    with pytest.raises(LocalError, match="too large"):
        seal_batch(ctl=CTL, epoch=EPOCH, first=1, lines=[b"x" * 16000] * 9, signers=[ROOM.signer()])


def test_acks_there_and_back():
    raw = ACK.seal([HUB_KEY.signer("hub")])

    assert Ack.read(parsed(raw)) == ACK
    for changes in ({"credit": 5}, {"run": ""}, {"n": 0}, {"resend": 1}, {"x": 1}):
        with pytest.raises(RemoteError):
            Ack.read(resealed(raw, **changes))
    with pytest.raises(RemoteError):
        Ack.read(resealed(raw, lines=[b"x"]))


def test_orders_there_and_back():
    end = Order("0" * 32, SESSION, 2, "end", "hub", committee="complete", prev_order="a")
    release = Order("0" * 32, SESSION, 3, "member_release", "hub", members=("3",))

    for order in (ORDER, end, release):
        assert Order.read(parsed(order.seal([HOME.signer("home_manager")]))) == order


@pytest.mark.parametrize(
    "changes",
    [
        {"order": "begin"},
        {"order": "end"},
        {"order": "member_release"},
        {"members": ["x1"]},
        {"order": "end", "committee": "complete", "members": ["x1"]},
        {"committee": "complete"},
        {"by": "x-0123456789ab"},
        {"n": 0},
        {"venues": ["hubei", "hubei"]},
        {"venues": "hubei"},
        {"venues": [1]},
        {"members": ["3"] * 300},
        {"exceptions": ["line\nfeed"]},
        {"reason": "r" * 501},
        {"ctl": CTL},
        {"id": ""},
        {"lines": [b"x"]},
    ],
)
def test_orders_are_strict(changes):
    with pytest.raises(RemoteError):
        Order.read(resealed(ORDER.seal([HOME.signer("x")]), **changes))


def test_statements_there_and_back():
    raw = STATEMENT.seal([HOME.signer("system")])

    assert Statement.read(parsed(raw)) == STATEMENT
    for changes in ({"document": "letter"}, {"outcome": "ok"}, {"digest": ""}, {"x": 1}):
        with pytest.raises(RemoteError):
            Statement.read(resealed(raw, **changes))


def test_a_statement_has_the_same_id_whoever_signs_it():
    first = parsed(STATEMENT.seal([HOME.signer("system")]))
    second = parsed(STATEMENT.seal([ROOM.signer("witness"), HOME.signer("home_manager")]))

    assert statement_id(first) == statement_id(second)
    assert len(statement_id(first)) == 32


def test_commands_there_and_back():
    for command in (
        COMMAND,
        Command("2" * 32, "device.selftest"),
        Command("3" * 32, "station.swap", {}, Expect("station-1")),
    ):
        assert Command.read(parsed(command.seal([HOME.signer("technician")]))) == command


@pytest.mark.parametrize(
    "changes",
    [
        {"verb": "locker.open"},
        {"args": []},
        {"expect": "gone"},
        {"expect": {"obj": "x"}},
        {"expect": {"obj": "x", "rev": [EPOCH]}},
        {"expect": {"obj": "x", "rev": ["", 1]}},
        {"expect": {"obj": "x", "rev": [EPOCH, 0]}},
        {"expect": {"obj": "x", "rev": [EPOCH, True]}},
        {"expect": {"obj": "x", "rev": 1}},
        {"expect": {"obj": "x", "rev": [EPOCH, 1], "y": 1}},
        {"x": 1},
    ],
)
def test_commands_are_strict(changes):
    with pytest.raises(RemoteError):
        Command.read(resealed(COMMAND.seal([HOME.signer("x")]), **changes))


@pytest.mark.parametrize(
    ("kind", "inner"), [("order", ORDER), ("statement", STATEMENT), ("command", COMMAND)]
)
def test_a_wrapper_leaves_the_issuers_bytes_untouched(kind, inner):
    raw = inner.seal([HOME.signer("home_manager")])
    wrapper = CommandWrapper(CTL, "ab" * 8, inner.id if kind != "statement" else "s", kind, raw)
    read = CommandWrapper.read(parsed(wrapper.seal([HUB_KEY.signer("hub")])))

    assert read == wrapper
    assert read.parse_inner().raw == raw


def test_wrappers_are_strict():
    raw = ORDER.seal([HOME.signer("home_manager")])
    wrapped = CommandWrapper(CTL, "", "1", "order", raw).seal([HUB_KEY.signer("hub")])

    with pytest.raises(RemoteError, match="base64"):
        CommandWrapper.read(resealed(wrapped, lines=[b"!!"]))
    with pytest.raises(RemoteError, match="one body line"):
        CommandWrapper.read(resealed(wrapped, lines=[]))
    with pytest.raises(RemoteError):
        CommandWrapper.read(resealed(wrapped, kind="plan"))
    with pytest.raises(RemoteError, match="something else"):
        CommandWrapper.read(resealed(wrapped, kind="command")).parse_inner()
    with pytest.raises(RemoteError):
        CommandWrapper.read(resealed(wrapped, lines=[base64.b64encode(b"x")])).parse_inner()


def test_plans_there_and_back():
    raw = seal_plan(ctl=CTL, generation=1, n=2, body=BODY, signers=[HUB_KEY.signer("hub")])
    plan = read_plan(parsed(raw))

    assert (plan.ctl, plan.body) == (CTL, BODY)
    assert plan.ref == PlanRef(1, 2, plan.hash)
    with pytest.raises(RemoteError, match="signed one"):
        read_plan(resealed(raw, hash="0" * 64))
    with pytest.raises(RemoteError, match="one body line"):
        read_plan(resealed(raw, lines=[b"1", b"2"]))


def test_a_large_plan_goes_by_hash():
    body = {**BODY, "pack": {"text": "x" * 140_000}}
    raw = seal_plan(ctl=CTL, generation=1, n=2, body=body, signers=[HUB_KEY.signer("hub")])
    plan = read_plan(parsed(raw))
    line = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()

    assert plan.body is None
    assert parse_plan_body(line, plan.hash) == body
    with pytest.raises(RemoteError):
        parse_plan_body(line + b" ", plan.hash)


def test_a_plan_has_all_its_parts():
    short = {"v": 1}
    signers = [HUB_KEY.signer("hub")]

    with pytest.raises(LocalError, match="lacks"):
        seal_plan(ctl=CTL, generation=1, n=1, body=short, signers=signers)
    line = b'{"v":1}'
    digest = hashlib.sha256(line).hexdigest()
    with pytest.raises(RemoteError, match="lacks"):
        parse_plan_body(line, digest)


@pytest.mark.parametrize(
    ("offered", "verdict"),
    [
        (PlanRef(1, 3, "b" * 64), PlanVerdict.APPLY),
        (PlanRef(2, 1, "b" * 64), PlanVerdict.APPLY),
        (PlanRef(1, 2, "a" * 64), PlanVerdict.SAME),
        (PlanRef(1, 2, "b" * 64), PlanVerdict.DIFFERENT),
        (PlanRef(1, 1, "a" * 64), PlanVerdict.LOWER),
        (PlanRef(0, 9, "a" * 64), PlanVerdict.LOWER),
    ],
)
def test_lower_plans_are_refused_and_different_ones_alarmed(offered, verdict):
    assert judge_plan(PlanRef(1, 2, "a" * 64), offered) is verdict


def test_a_birth_names_a_newer_generation_only_where_its_plan_does_not():
    assert decode_status(BIRTH.encode()).generation == 1
    assert b"seen" not in replace(BIRTH, seen=1).encode()
    newer = replace(BIRTH, seen=4)
    assert decode_status(newer.encode()) == newer
    assert newer.generation == 4

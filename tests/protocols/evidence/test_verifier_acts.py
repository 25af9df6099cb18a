"""Signed acts inside a package, and the keys and certificates they stand on."""

from __future__ import annotations

import json

import pytest

from protocols.messages.bodies import Command, Position, Retired, Statement
from protocols.messages.signed import seal_message
from tests.protocols.evidence.sample_package import (
    GUEST,
    HUB,
    HUB_EPOCH,
    MANAGER,
    SYSTEM,
    WITNESS,
    WITNESS_ID,
    Recorder,
    b64,
    certificate_file,
    certificates,
    found,
    order_raw,
    payload,
    verdict_on,
)
from tests.protocols.messages.wire_keys import (
    HOME,
    HUB_KEY,
    SESSION,
    Key,
    certify,
    trust_file,
)

HUB_FOLDER = f"data/streams/{HUB}/{HUB_EPOCH}"


# acts


def act(kind, raw, *, trust=None, certs=None):
    """A hub stream with one event that carries an act."""
    hub = Recorder(HUB, HUB_EPOCH, HUB_KEY, "hub")
    hub.open()
    hub.write(kind, {"id": "x", "raw": raw}, SESSION)
    hub.counted()
    hub.seal(1, hub.seq)
    changes = hub.files()
    if certs is not None:
        changes["data/keys/certificates.jsonl"] = certificate_file(certs)
    return verdict_on(changes, trust=trust)


ACT = f"{HUB_FOLDER}/events.jsonl#2"
STATEMENT = Statement(SESSION, "3", "report", "signed", "d" * 64)
OVERRIDE = Command("c1", "locker.override", {"locker": 3})
SELFTEST = Command("c2", "device.selftest")
TWO_PERSONS = [MANAGER.signer("home_manager"), WITNESS.signer("witness")]


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("order.issued", order_raw()),
        ("statement.received", STATEMENT.seal(TWO_PERSONS)),
        ("statement.received", STATEMENT.seal([SYSTEM.signer("system")])),
        ("command.issued", SELFTEST.seal([WITNESS.signer("witness")])),
        ("command.issued", OVERRIDE.seal(TWO_PERSONS)),
    ],
)
def test_acts_of_those_entitled_hold(kind, raw):
    for text in (b64(raw), raw.decode()):
        report = act(kind, text)
        assert report.code == 0
        assert report.counts["acts"] == 3


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("order.issued", order_raw(by="p-0000000000ff")),
        ("order.issued", order_raw(by="hub")),
        ("statement.received", STATEMENT.seal([WITNESS.signer("witness")])),
        ("statement.received", STATEMENT.seal([HUB_KEY.signer("hub")])),
        ("command.issued", OVERRIDE.seal([WITNESS.signer("witness")])),
        ("command.issued", OVERRIDE.seal([HUB_KEY.signer("hub"), WITNESS.signer("witness")])),
        ("command.issued", SELFTEST.seal([SYSTEM.signer("system")])),
        ("command.issued", SELFTEST.seal([Key("nobody").signer("witness")])),
        ("command.issued", SELFTEST.seal([WITNESS.signer("home_manager")])),
    ],
)
def test_acts_of_others_do_not(kind, raw):
    report = act(kind, b64(raw))

    assert (report.code, report.first_bad) == (2, ACT)


@pytest.mark.parametrize(
    ("subject", "role"), [("p-0000000000cc", "witness"), (WITNESS_ID, "home_manager")]
)
def test_two_in_one_role_or_one_in_two_roles_are_not_two(subject, role):
    other = Key("second key")
    certs = [*certificates(), certify(other, subject, roles=[role])]
    raw = STATEMENT.seal([WITNESS.signer("witness"), other.signer(role)])

    assert act("statement.received", b64(raw), certs=certs).first_bad == ACT


def test_an_order_by_a_guests_manager_does_not_hold():
    certs = [*certificates(), certify(Key("gm"), "p-0000000000cc", issuer=GUEST)]
    raw = order_raw(by="p-0000000000cc")
    header = json.loads(raw.split(b"\n")[0])
    header = {key: value for key, value in header.items() if key not in ("ctx", "suite")}
    raw = seal_message(
        ctx="er1/order", header=header, lines=[], signers=[Key("gm").signer("home_manager")]
    )

    assert act("order.issued", b64(raw), certs=certs).first_bad == ACT


@pytest.mark.parametrize(("hub_orders", "code"), [(True, 0), (False, 2)])
def test_an_order_by_the_hub_holds_only_where_the_trust_file_says_so(hub_orders, code):
    raw = order_raw(by="hub").split(b"\n")[0]
    header = {k: v for k, v in json.loads(raw).items() if k not in ("ctx", "suite")}
    sealed = seal_message(ctx="er1/order", header=header, lines=[], signers=[HUB_KEY.signer("hub")])
    report = act("order.issued", b64(sealed), trust=trust_file(hub_orders=hub_orders))

    assert report.code == code
    assert ((0, "by_hub", ACT) in found(report)) is (code == 0)


@pytest.mark.parametrize(
    "raw",
    [
        "!!",
        "eA==",
        "\u00e9",
        "{}",
        "{\n{\n",
        5,
        ["x"],
        b64(STATEMENT.seal([SYSTEM.signer("system")])),
    ],
)
def test_what_is_no_act_is_altered(raw):
    assert act("order.issued", raw).first_bad == ACT


def test_an_act_with_one_bad_signature_is_altered():
    raw = order_raw().replace(b'"sig":"', b'"sig":"00')
    at = raw.index(b'"sig":"00') + 7
    raw = raw[: at + 128] + b'"}]}\n'

    assert act("order.issued", b64(raw)).first_bad == ACT


@pytest.mark.parametrize("kind", ["order.accepted", "order.confirmed"])
def test_a_rooms_word_that_an_order_came_is_not_enough(kind):
    """Only an order by code has no signed bytes, and that is looked up in the drawn codes."""
    report = act(kind, "")

    assert (report.code, found(report)[0]) == (2, (2, "act_missing", ACT))


# keys


@pytest.mark.parametrize(
    "line", [b"{}\n", b'{"raw":"!"}\n', b"[]\n", b'{"raw":1}\n', b'{"raw":"eA=="}', b"\n"]
)
def test_a_malformed_certificate_file_is_altered(line):
    raw = payload()["data/keys/certificates.jsonl"] + line
    report = verdict_on({"data/keys/certificates.jsonl": raw})

    assert report.code == 2
    assert report.first_bad.startswith("data/keys/certificates.jsonl")


def test_certificates_that_count_for_nothing_are_only_noted():
    certs = [
        *certificates(),
        b"no message",
        certify(Key("x"), "p-0000000000dd", issuer=Key("nobody")),
        certify(Key("x"), "p-0000000000dd", issuer=HUB_KEY),
        certify(HOME, "p-0000000000dd"),
    ]
    report = verdict_on({"data/keys/certificates.jsonl": certificate_file(certs)})

    assert report.code == 0
    assert [item.key for item in report.items].count("certificate") == 4


def test_without_the_rooms_certificate_its_record_proves_nothing():
    certs = certificates()[1:]

    assert verdict_on({"data/keys/certificates.jsonl": certificate_file(certs)}).code == 2


def test_a_retired_venue_certifies_nobody():
    trust = trust_file(retired=(Retired(HOME.kid, Position(HUB, HUB_EPOCH, 1)),))

    assert verdict_on({}, trust=trust).code == 2


def test_a_system_the_hub_certified_counts_where_the_trust_file_says_so():
    by_hub = certify(SYSTEM, "system-1", kind="system", roles=["system"], issuer=HUB_KEY)
    certs = [*certificates()[:3], by_hub]
    changes = {"data/keys/certificates.jsonl": certificate_file(certs)}

    assert verdict_on(changes, trust=trust_file(hub_orders=True)).code == 0
    assert verdict_on(changes).code == 2

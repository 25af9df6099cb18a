"""Whose keys count: WIRE §1."""

from __future__ import annotations

import json

import pytest

from protocols.messages import trust
from protocols.messages.bodies import (
    Certificate,
    Keyring,
    Order,
    Position,
    Retired,
    TrustFile,
    VenueKey,
)
from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.signed import parse_message, seal_message
from tests.protocols.messages.wire_keys import (
    AT,
    CTL,
    EPOCH,
    GUEST,
    HOME,
    HUB,
    HUB_KEY,
    ROOM,
    SESSION,
    Key,
    certify,
    trust_file,
    verify,
)

ANNA = Key("anna")
PERSON = "p-00000000000a"


def test_trust_file_there_and_back():
    file = trust_file(hub_orders=True, retired=(Retired(HOME.kid, Position(CTL, EPOCH, 7)),))

    assert TrustFile.decode(file.encode()) == file


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"hub_orders": True},
        {"checkpoint": "some"},
        {"venues": [{"org": "a", "name": "a", "kid": "0" * 16, "pub": HOME.pub.hex()}]},
        {"venues": [{"org": "a", "name": "a", "kid": HOME.kid}]},
        {"hub": {"id": CTL, "kid": HUB_KEY.kid, "pub": HUB_KEY.pub.hex()}},
        {"hub": {"id": HUB, "kid": HUB_KEY.kid, "pub": HUB_KEY.pub.hex(), "x": 1}},
        {"retired": [{"kid": HOME.kid, "at": {"ctl": CTL, "epoch": EPOCH, "seq": 0}}]},
        {"retired": [{"kid": HOME.kid}]},
        {"epochs": ["x"]},
        {"x": 1},
    ],
)
def test_trust_files_are_strict(changes):
    raw = json.dumps({**json.loads(trust_file().encode()), **changes}).encode()

    with pytest.raises(RemoteError):
        TrustFile.decode(raw)


def test_a_huge_trust_file_is_refused():
    with pytest.raises(RemoteError, match="too large"):
        TrustFile.decode(b" " * (trust.TRUST_BYTES_MAX + 1))


def test_a_wrong_trust_file_cannot_be_written():
    file = trust_file(venues=())
    wrong = TrustFile(False, "none", (VenueKey("a", "a", "0" * 16, HOME.pub.hex()),), file.hub)

    with pytest.raises(LocalError):
        wrong.encode()


def test_certificates_there_and_back():
    raw = certify(ANNA, PERSON, roles=["home_manager", "witness"])
    read = Certificate.read(parse_message(raw, limit=8192))

    assert read == Certificate(
        PERSON, "person", ("home_manager", "witness"), ANNA.kid, ANNA.pub.hex(), AT
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"kid": "0" * 16},
        {"kind": "hub"},
        {"roles": ["Home Manager"]},
        {"from": "2026"},
        {"x": 1},
        {"lines": [b"x"]},
    ],
)
def test_certificates_are_strict(changes):
    signed = parse_message(certify(ANNA, PERSON), limit=8192)
    header = {k: v for k, v in signed.header.items() if k not in ("ctx", "suite")}
    lines = changes.get("lines", [])
    header.update({k: v for k, v in changes.items() if k != "lines"})
    raw = seal_message(ctx="er1/cert", header=header, lines=lines, signers=[HOME.signer("venue")])

    with pytest.raises(RemoteError):
        Certificate.read(parse_message(raw, limit=8192))


def test_keys_of_the_trust_file_and_of_its_venues_certificates_count():
    ring = Keyring(trust_file(), [certify(ANNA, PERSON)], verify)

    assert ring.rejected == ()
    person = ring.resolve(ANNA.kid)
    assert person is not None
    assert (person.subject, person.kind, person.roles) == (PERSON, "person", ("home_manager",))
    assert (person.venue_org, person.pub) == ("hubei", ANNA.pub)
    venue, hub = ring.resolve(GUEST.kid), ring.resolve(HUB_KEY.kid)
    assert venue is not None
    assert hub is not None
    assert (venue.subject, venue.kind, venue.venue_org) == ("changsha", "venue", "changsha")
    assert (hub.subject, hub.kind, hub.venue_org) == (HUB, "hub", "")
    assert ring.resolve("0" * 16) is None
    assert set(ring.known()) == {ANNA.kid, HOME.kid, GUEST.kid, HUB_KEY.kid}


def test_bad_certificates_count_for_nothing_and_block_nothing():
    """Broken bytes, an unknown issuer, the hub for a person, a person for a person, a root key."""
    berta = Key("berta")
    certs = [
        b"broken",
        certify(ANNA, PERSON, issuer=Key("nobody")),
        certify(ANNA, PERSON, issuer=HUB_KEY),
        certify(HOME, PERSON),
        certify(berta, "p-00000000000b"),
        certify(ANNA, PERSON, issuer=berta),
    ]
    ring = Keyring(trust_file(hub_orders=True), certs, verify)

    assert [index for index, _ in ring.rejected] == [0, 1, 2, 3, 5]
    assert ring.resolve(ANNA.kid) is None
    assert ring.resolve(berta.kid) is not None


@pytest.mark.parametrize("hub_orders", [True, False])
def test_the_hub_certifies_a_system_only_where_the_trust_file_says_so(hub_orders):
    certs = [certify(ANNA, "system-1", kind="system", roles=["system"], issuer=HUB_KEY)]
    ring = Keyring(trust_file(hub_orders=hub_orders), certs, verify)

    assert (ring.resolve(ANNA.kid) is not None) is hub_orders


def test_a_retired_key_counts_only_before_its_place_in_that_log():
    retired = (Retired(ROOM.kid, Position(CTL, EPOCH, 7)),)
    certs = [certify(ROOM, CTL, kind="controller", roles=["controller"])]
    ring = Keyring(trust_file(retired=retired), certs, verify)

    assert ring.resolve(ROOM.kid) is None
    assert ring.resolve(ROOM.kid, Position(CTL, EPOCH, 6)) is not None
    assert ring.resolve(ROOM.kid, Position(CTL, EPOCH, 7)) is None
    assert ring.resolve(ROOM.kid, Position(CTL, "f" * 32, 1)) is None


def test_a_retired_venue_certifies_nobody_any_more():
    retired = (Retired(HOME.kid, Position(HUB, EPOCH, 1)),)
    ring = Keyring(trust_file(retired=retired), [certify(ANNA, PERSON)], verify)

    assert ring.resolve(ANNA.kid) is None
    assert ring.resolve(ANNA.kid, Position(HUB, EPOCH, 1)) is None


def test_what_a_venue_certified_before_its_end_counts_for_what_lies_before_it():
    before, after = "d" * 32, "f" * 32
    retired = (Retired(HOME.kid, Position(HUB, EPOCH, 5)),)
    file = trust_file(retired=retired, epochs=(before, EPOCH))
    ring = Keyring(file, [certify(ANNA, PERSON)], verify)

    def at(epoch: str, seq: int) -> bool:
        return ring.resolve(ANNA.kid, Position(HUB, epoch, seq)) is not None

    assert at(EPOCH, 4)
    assert at(before, 99)
    assert not at(EPOCH, 5)
    assert not at(after, 1)
    assert ring.resolve(ANNA.kid, Position(CTL, EPOCH, 1)) is None
    assert TrustFile.decode(file.encode()) == file


def test_a_certificate_by_the_venues_next_key_outlives_the_first():
    new = Key("home's next key")
    venues = (("hubei", HOME), ("hubei", new))
    file = trust_file(venues=venues, retired=(Retired(HOME.kid, Position(HUB, EPOCH, 1)),))
    old, again = certify(ANNA, PERSON), certify(ANNA, PERSON, issuer=new)

    for certs in ([old, again], [again, old]):
        ring = Keyring(file, certs, verify)
        assert ring.resolve(ANNA.kid) is not None
        assert ring.rejected == ()


def test_too_many_certificates_are_not_even_looked_at(monkeypatch):
    monkeypatch.setattr(trust, "CERTIFICATES_MAX", 1)
    ring = Keyring(trust_file(), [b"broken", certify(ANNA, PERSON)], verify)

    assert ring.rejected[1] == (1, "beyond 1 certificates")


def test_signers_are_valid_certified_in_their_role_and_counted_once():
    second = Key("anna's second key")
    ring = Keyring(trust_file(), [certify(ANNA, PERSON), certify(second, PERSON)], verify)
    order = Order("1", SESSION, 1, "start", PERSON)

    def names(*signers):
        signed = parse_message(order.seal(signers), limit=8192)
        return [(a.principal.subject, a.role, a.kid) for a in ring.signers(signed, verify)]

    good = ANNA.signer("home_manager")
    assert names(good) == [(PERSON, "home_manager", ANNA.kid)]
    assert names(good, second.signer("home_manager")) == [(PERSON, "home_manager", ANNA.kid)]
    assert names(ANNA.signer("witness")) == []
    assert names(Key("nobody").signer("home_manager")) == []

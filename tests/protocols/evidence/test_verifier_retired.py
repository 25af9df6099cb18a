"""A retired key counts for what was recorded before its end, by position in the log."""

from __future__ import annotations

import pytest

from protocols.evidence.verifier import MemoryFiles, verify_package
from protocols.messages.bodies import Position, Retired
from tests.protocols.evidence.sample_package import (
    CTL,
    EPOCH1,
    EPOCH2,
    GUEST,
    HUB,
    HUB_EPOCH,
    HUB_KEY,
    MANAGER,
    ROOM,
    SESSION,
    Recorder,
    bag,
    certificate_file,
    certificates,
    found,
    payload,
    room,
    verdict_on,
)
from tests.protocols.messages.wire_keys import HOME, Key, certify, trust_file

CERTS = "data/keys/certificates.jsonl"
SIG = "tagmanifest-sha256.txt.sig"
EARLIER, LATER = "4" * 32, "5" * 32


def ended(key: Key, epoch: str, seq: int, *, ctl: str = HUB, epochs=()):
    """A trust file in which a key ended there."""
    return trust_file(retired=(Retired(key.kid, Position(ctl, epoch, seq)),), epochs=epochs)


def closed(*, kid: str = "", heads: bool = True, pred: Recorder | None = None) -> Recorder:
    """The hub's stream with a count that names the signer's key and the room's heads."""
    one, two = room()
    known = [(EPOCH1, one.seq, one.prev), (EPOCH2, two.seq, two.prev)] if heads else []
    rows = [{"ctl": CTL, "epoch": e, "seq": seq, "hash": digest} for e, seq, digest in known]
    closing = {"kid": kid or GUEST.kid, "heads": [*rows, 5]}
    hub = Recorder(HUB, HUB_EPOCH, HUB_KEY, "hub", closing=closing)
    hub.open(pred)
    hub.write("booking.accepted", {}, SESSION)
    hub.counted()
    hub.seal(1, hub.seq)
    return hub


def earlier() -> Recorder:
    """An epoch of the hub before the one of the package."""
    hub = Recorder(HUB, EARLIER, HUB_KEY, "hub")
    hub.open()
    hub.seal(1, 1)
    return hub


def judged(trust, hub: Recorder | None = None, **changes):
    """Code and the findings about retired keys."""
    report = verdict_on({**(hub or closed()).files(), **changes}, trust=trust)
    keys = [(verdict, key) for verdict, key, _ in found(report) if "retired" in key]
    return report.code, keys


@pytest.mark.parametrize(
    ("trust", "code", "word"),
    [
        (ended(GUEST, HUB_EPOCH, 4), 0, "retired_before"),
        (ended(GUEST, HUB_EPOCH, 3), 2, "retired_after"),
        (ended(GUEST, LATER, 1, epochs=(HUB_EPOCH, LATER)), 0, "retired_before"),
        (ended(GUEST, EARLIER, 9, epochs=(EARLIER, HUB_EPOCH)), 2, "retired_after"),
        (ended(GUEST, EARLIER, 9, epochs=(EARLIER,)), 2, "retired_after"),
        (ended(GUEST, LATER, 1), 4, "retired_unknown"),
        (ended(GUEST, HUB_EPOCH, 4, ctl=CTL), 4, "retired_unknown"),
    ],
)
def test_a_venues_signature_stands_where_the_hub_closed_its_record(trust, code, word):
    found_code, keys = judged(trust)

    assert found_code == code
    assert word in [key for _, key in keys]


def test_epochs_the_package_itself_shows_need_no_list():
    before = earlier()
    hub = closed(pred=before)
    files = before.files()

    assert judged(ended(GUEST, EARLIER, 1), hub, **files)[0] == 2
    after = Recorder(HUB, LATER, HUB_KEY, "hub")
    after.open(hub)
    after.seal(1, 1)
    assert judged(ended(GUEST, LATER, 1), hub, **after.files())[0] == 0


def test_without_the_hubs_count_nothing_tells():
    hub = Recorder(HUB, HUB_EPOCH, HUB_KEY, "hub")
    hub.open()
    hub.seal(1, 1)

    code, keys = judged(ended(GUEST, HUB_EPOCH, 9), hub)
    assert code == 3
    assert (4, "retired_unknown") in keys


def test_without_a_trust_file_nobody_knows_of_a_retirement():
    files = payload(trust=ended(GUEST, HUB_EPOCH, 1))

    assert verdict_on({**files, "data/keys/x.json": None}, trust=trust_file()).code == 0


def test_the_hubs_count_names_the_key_that_may_sign():
    report = verdict_on(closed(kid="f" * 16).files())

    assert (2, "signature_other", SIG) in found(report)


def test_a_room_whose_record_the_hub_had_otherwise_is_altered():
    hub = closed()
    hub.closing["heads"][0]["hash"] = "a" * 64
    again = Recorder(HUB, HUB_EPOCH, HUB_KEY, "hub", closing=hub.closing)
    again.open()
    again.counted()
    again.seal(1, again.seq)

    report = verdict_on(again.files())
    assert (2, "head", f"data/streams/{CTL}/{EPOCH1}/hashes.txt#6") in found(report)


def test_what_a_room_wrote_stands_where_the_hub_had_it():
    """A person's key that signed an order in the room's record."""
    assert judged(ended(MANAGER, HUB_EPOCH, 4)) == (0, [])
    assert judged(ended(MANAGER, HUB_EPOCH, 3)) == (4, [(4, "retired_unknown")])
    assert judged(ended(MANAGER, HUB_EPOCH, 4), closed(heads=False))[0] == 4


def test_an_act_in_the_hubs_own_record_is_judged_where_it_stands():
    """Row 2 of the sample's hub stream is a command the manager signed."""
    trust = ended(MANAGER, HUB_EPOCH, 2)

    assert verdict_on({}, trust=trust).code == 2


def test_certificates_of_a_retired_venue_count_before_its_end():
    assert judged(ended(HOME, HUB_EPOCH, 4))[0] == 0
    assert judged(ended(GUEST, HUB_EPOCH, 4))[0] == 0


def test_a_certificate_by_the_next_key_outlives_the_first():
    """The venue changed its key and certified its room again."""
    new = Key("the guest's next key")
    trust = trust_file(
        venues=(("hubei", HOME), ("changsha", GUEST), ("changsha", new)),
        retired=(Retired(GUEST.kid, Position(HUB, HUB_EPOCH, 1)),),
    )
    again = certify(ROOM, CTL, kind="controller", roles=["controller"], issuer=new)
    hub = closed(kid=new.kid)
    for certs in ([*certificates(), again], [again, *certificates()]):
        files = {**payload(), **hub.files(), CERTS: certificate_file(certs)}
        report = signed_by(new, files, trust)
        assert report.code == 0, report.lines()
    assert signed_by(new, {**payload(), **hub.files()}, trust).code == 4


def signed_by(key: Key, files, trust):
    """The verdict on a package signed with another key of the venue."""
    return verify_package(MemoryFiles(bag(files, key=key)), trust.encode(), "en")

"""What the verifier finds inside a package that a venue's own key signed.

Here the signature and the manifests always hold; the content is wrong.
"""

from __future__ import annotations

import hashlib
import json

import pytest

from protocols.evidence import package as make
from protocols.messages.bodies import Position, Retired
from protocols.messages.event import encode_event, event_hash
from protocols.messages.signed import seal_message
from tests.protocols.evidence.sample_package import (
    CTL,
    EPOCH1,
    EPOCH2,
    GUEST,
    MANAGER,
    ROOM,
    Recorder,
    certificate_file,
    certificates,
    found,
    media_files,
    room,
    verdict_on,
)
from tests.protocols.messages.wire_keys import (
    HUB_KEY,
    Key,
    certify,
    event,
    trust_file,
)

ONE, TWO = (f"data/streams/{CTL}/{epoch}" for epoch in (EPOCH1, EPOCH2))


# seals


def test_a_seal_by_another_key_is_altered():
    one, two = room()
    one.seals[0] = b""
    one.seal(1, 4, key=Key("nobody"))

    report = verdict_on(one.files())
    assert (2, "seal_key", f"{ONE}/seals.jsonl:2") in found(report)
    assert (2, "unsealed", f"{ONE}/hashes.txt#1") in found(report)
    del two


def test_a_venues_or_persons_key_seals_no_record():
    for key, role in ((GUEST, "venue"), (MANAGER, "home_manager"), (HUB_KEY, "hub")):
        one, _ = room()
        one.seals.clear()
        one.role = role
        one.seal(1, one.seq, key=key)
        assert verdict_on(one.files()).code == 2


def test_a_seal_with_a_wrong_signature_is_altered():
    one, _ = room()
    line = json.loads(one.seals[0])
    trailer = json.loads(line["sigs"])
    trailer["sigs"][0]["sig"] = "00" * 64
    line["sigs"] = json.dumps(trailer)
    one.seals[0] = json.dumps(line).encode() + b"\n"

    assert (2, "seal", f"{ONE}/seals.jsonl:1") in found(verdict_on(one.files()))


def test_an_event_made_later_cannot_be_put_under_an_old_seal():
    """Event 3 is written anew, its hash put into the list: the seal covers another hash."""
    one, _ = room()
    forged = encode_event(event(3, event_hash(one.lines[2]), epoch=EPOCH1, data={"x": 1}))
    one.lines[3] = forged

    keys = [key for _, key, _ in found(verdict_on(one.files()))]
    assert "seal" in keys


@pytest.mark.parametrize(
    "line",
    [
        b"{}\n",
        b"nothing\n",
        b'{"header":"{}","sigs":"{}"}\n',
        b'{"header":"\\ud800","sigs":"{}"}\n',
        b'{"header":1,"sigs":"{}"}\n',
    ],
)
def test_what_is_no_seal_is_altered(line):
    one, _ = room()
    one.seals.append(line)

    assert (2, "seal_form", f"{ONE}/seals.jsonl:3") in found(verdict_on(one.files()))


def seal_with(one, **changes):
    """A seal over other fields than the stream's, by the room's own key."""
    header = {"ctl": CTL, "epoch": EPOCH1, "first": 1, "count": 1, **changes}
    raw = seal_message(
        ctx="er1/batch", header=header, lines=[one.lines[1]], signers=[ROOM.signer()]
    )
    one.seals.append(make.seal_line(raw))


def seal_beside(one, others, *, first=2, forged=b"another version"):
    """A seal over rows 2 and 3 of which the room had sent row 2 in another version."""
    header = {"ctl": CTL, "epoch": EPOCH1, "first": first, "count": 2}
    lines = [forged, one.lines[3]]
    raw = seal_message(ctx="er1/batch", header=header, lines=lines, signers=[ROOM.signer()])
    parts = raw.removesuffix(b"\n").split(b"\n")
    line = make.seal_line_of(header_line=parts[0], trailer=parts[-1], others=others)
    one.seals.append(line)


def test_a_seal_holds_although_it_covers_a_line_that_was_not_recorded():
    one, _ = room()
    seal_beside(one, {2: event_hash(b"another version")})

    report = verdict_on(one.files())
    assert report.code == 0
    assert (0, "seal_others", f"{ONE}/seals.jsonl:3") in found(report)


def test_what_a_seal_covers_besides_is_not_sealed_by_it():
    """Nobody can put a row of his own in place of the one that was signed."""
    one, _ = room()
    one.seals.clear()
    seal_beside(one, {2: event_hash(b"another version")})

    assert (2, "unsealed", f"{ONE}/hashes.txt#1") in found(verdict_on(one.files()))
    one, _ = room()
    seal_beside(one, {2: event_hash(b"a third version")})
    assert (2, "seal", f"{ONE}/seals.jsonl:3") in found(verdict_on(one.files()))


@pytest.mark.parametrize("others", ['"2"', "[2]", '["2"]', '["0 {0}"]', '["2 {0}x"]', "[null]"])
def test_others_that_are_no_list_of_hashes_are_altered(others):
    one, _ = room()
    line = one.seals[0].rstrip(b"}\n") + b',"others":' + others.format("0" * 64).encode() + b"}\n"
    one.seals[0] = line

    assert (2, "seal_form", f"{ONE}/seals.jsonl:1") in found(verdict_on(one.files()))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"ctl": "c-ffffffffffff"}, "seal_form"),
        ({"epoch": EPOCH2}, "seal_form"),
        ({"first": 0}, "seal_form"),
        ({"count": "1"}, "seal_form"),
        ({"first": 6, "count": 2}, "seal_hashes"),
        ({"count": 2**52}, "seal_hashes"),
    ],
)
def test_a_seal_of_something_else_is_altered(changes, key):
    one, _ = room()
    seal_with(one, **changes)

    assert (2, key, f"{ONE}/seals.jsonl:3") in found(verdict_on(one.files()))


@pytest.mark.parametrize(("seq", "code"), [(7, 0), (6, 2)])
def test_a_retired_room_key_seals_only_what_came_before(seq, code):
    """The room's key ended at row 7 of the first epoch; the second epoch has the next key."""
    after = Key("room's next key")
    one, _ = room()
    two = room(after)[1]
    two.seals.clear()
    two.seal(1, two.seq, key=after)
    certs = [*certificates(), certify(after, CTL, kind="controller", roles=["controller"])]
    changes = {
        **one.files(),
        **two.files(),
        "data/keys/certificates.jsonl": certificate_file(certs),
    }
    trust = trust_file(retired=(Retired(ROOM.kid, Position(CTL, EPOCH1, seq)),))

    assert verdict_on(changes, trust=trust).code == code


# hash lists, events, chains


@pytest.mark.parametrize(
    "text",
    [b"x\n", b"0 " + b"a" * 64 + b"\n", b"1 " + b"A" * 64 + b"\n", b"1 " + b"a" * 64, b"\xff\n"],
)
def test_a_malformed_hash_list_is_altered(text):
    report = verdict_on({f"{ONE}/hashes.txt": text})

    assert report.code == 2
    assert report.first_bad.startswith(f"{ONE}/hashes.txt")


def test_a_hash_list_out_of_order_is_altered():
    files = room()[0].files()
    lines = files[f"{ONE}/hashes.txt"].splitlines(keepends=True)
    text = b"".join([lines[1], lines[0], *lines[2:]])

    assert verdict_on({f"{ONE}/hashes.txt": text}).first_bad == f"{ONE}/hashes.txt:2"


def events_of(recorder, change):
    """The stream's files with its list of shown lines changed."""
    files = recorder.files()
    name = f"data/streams/{recorder.ctl}/{recorder.epoch}/events.jsonl"
    lines = files[name].splitlines()
    change(lines)
    return {**files, name: b"".join(line + b"\n" for line in lines)}


@pytest.mark.parametrize(
    ("change", "key", "line"),
    [
        (lambda lines: lines.__setitem__(1, lines[1].replace(b"1124", b"1125")), "event_hash", 2),
        (lambda lines: lines.insert(1, lines[0]), "event_place", 2),
        (lambda lines: lines.reverse(), "event_place", 2),
        (lambda lines: lines.append(encode_event(event(99, epoch=EPOCH1))), "event_place", 7),
        (lambda lines: lines.append(encode_event(event(7, epoch=EPOCH2))), "event_place", 7),
        (lambda lines: lines.append(b"nothing"), "event_hash", 7),
        (lambda lines: lines.__setitem__(0, b"nothing"), "event_hash", 1),
        (lambda lines: lines.append(b'{"seq":' + b" " * 17000 + b"7}"), "event_place", 7),
        (lambda lines: lines.append(b'{"seq":[]}'), "event_place", 7),
    ],
)
def test_a_shown_event_must_be_the_sealed_one_in_its_place(change, key, line):
    report = verdict_on(events_of(room()[0], change))

    assert (2, key, f"{ONE}/events.jsonl:{line}") in found(report)


def test_hidden_is_not_missing():
    """Row 4 is another session's; the sample always hides it."""
    assert verdict_on(room()[0].files(shown={1, 2, 3, 5, 6})).code == 0


def test_media_no_event_speaks_of_are_media_nobody_recorded():
    content = b"from elsewhere"
    name = f"data/av/cam1/{hashlib.sha256(content).hexdigest()}.mp4"
    report = verdict_on({name: content})

    assert report.code == 2
    assert {name for _, key, name in found(report) if key == "av_unrecorded"} == {name}


def test_an_event_nobody_can_read_is_kept_and_noted():
    one = Recorder(CTL, EPOCH1, ROOM)
    one.open()
    one.write("power.state", {"mains": "on"})
    one.lines[2] = one.lines[2].replace(b'{"mains":"on"}', b'{"mains":\xff}')
    one.seal(1, 2)

    report = verdict_on({**one.files(), **dict.fromkeys([*room()[1].files(), *media_files()])})
    assert (0, "unreadable", f"{ONE}/events.jsonl:2") in found(report)
    assert report.code == 3
    assert "no_av" in [item.key for item in report.items]


def broken_chain(seq, prev, **more):
    """A stream whose event `seq` claims another predecessor, sealed by the room itself."""
    one = Recorder(CTL, EPOCH1, ROOM)
    one.open()
    one.write("power.state", {"mains": "on"})
    one.prev = prev
    one.write("power.state", {"mains": "off"}, **more)
    one.seal(1, seq)
    return one


def test_a_broken_chain_is_altered_even_under_a_good_seal():
    report = verdict_on(broken_chain(3, "a" * 64).files())

    assert (2, "event_chain", f"{ONE}/events.jsonl#3") in found(report)


@pytest.mark.parametrize(
    "changes", [{"pred_hash": "a" * 64}, {"pred_hash": 5}, {"pred_seq": 5, "pred_hash": "b" * 64}]
)
def test_an_epoch_must_follow_what_it_names(changes):
    one, _ = room()
    two = Recorder(CTL, EPOCH2, ROOM)
    data = {"pred_epoch": EPOCH1, "pred_seq": one.seq, "pred_hash": one.prev, "cause": "start"}
    data.update(changes)
    two.prev = str(data["pred_hash"]) if len(str(data["pred_hash"])) == 64 else one.prev
    two.write("epoch.opened", data)
    two.seal(1, 1)

    report = verdict_on({**one.files(), **two.files()})
    assert (2, "event_chain", f"{TWO}/events.jsonl#1") in found(report)


def test_an_epoch_whose_predecessor_is_not_shown_is_fine():
    one, two = room()[0], Recorder(CTL, EPOCH2, ROOM)
    two.open(one)
    two.begin()
    two.write("media.lost", {"stream": "cam1", "seconds": 5})
    two.end()
    two.seal(1, two.seq)
    gone = dict.fromkeys([*one.files(), *media_files()])

    assert verdict_on({**gone, **two.files()}).code == 0


def holed(gap):
    """A first epoch whose rows 3..4 are gone, and a second one that says so, or not."""
    one = Recorder(CTL, EPOCH1, ROOM)
    one.open()
    one.begin()
    for _ in range(4):
        one.write("power.state", {"mains": "on"})
    one.seal(1, 2)
    one.seal(5, 6)
    for seq in (3, 4):
        del one.lines[seq]
    two = Recorder(CTL, EPOCH2, ROOM)
    two.open(one)
    if gap is not None:
        two.write("record.gap", {"epoch": EPOCH1, "from": 3, "to": 4, "cause": "rotten", **gap})
    two.write("media.lost", {"stream": "cam1", "seconds": 5})
    two.end(one)
    two.seal(1, two.seq)
    return {**dict.fromkeys(media_files()), **one.files(), **two.files()}


def test_a_declared_gap_is_listed_and_sound():
    report = verdict_on(holed({}))

    assert report.code == 0
    assert (0, "gap", f"{TWO}/events.jsonl:2") in found(report)


@pytest.mark.parametrize(
    ("gap", "name"),
    [
        (None, f"{ONE}#3..4"),
        ({"to": 3}, f"{ONE}#4..4"),
        ({"from": 4}, f"{ONE}#3..4"),
        ({"epoch": EPOCH2}, f"{ONE}#3..4"),
        ({"epoch": 5}, f"{ONE}#3..4"),
    ],
)
def test_an_undeclared_hole_is_incomplete(gap, name):
    report = verdict_on(holed(gap))

    assert (report.code, report.first_bad) == (3, name)


def test_a_gap_event_without_data_is_just_an_event():
    one, _ = room()
    raw = one.files()[f"{ONE}/events.jsonl"].splitlines()[0]
    value = json.loads(raw)
    value.update({"type": "record.gap", "data": None})
    line = json.dumps(value).encode()
    stream = Recorder(CTL, EPOCH1, ROOM)
    stream.lines[1] = line
    stream.seal(1, 1)

    gone = dict.fromkeys([*room()[1].files(), *media_files()])
    assert verdict_on({**stream.files(), **gone}).code == 3

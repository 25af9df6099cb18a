"""Verdicts of WIRE §9: nothing altered, removed or forged is ever called sound."""

from __future__ import annotations

import hashlib
import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.evidence import verifier
from protocols.evidence.package import sign_package
from protocols.evidence.verifier import Item, MemoryFiles, Report, TrustError, verify_package
from protocols.messages.bodies import Position, Retired
from tests.protocols.evidence.sample_package import (
    CTL,
    EPOCH1,
    GUEST,
    HUB,
    HUB_EPOCH,
    SEGMENTS,
    bag,
    found,
    payload,
)
from tests.protocols.messages.wire_keys import HOME, HUB_KEY, SESSION, Key, trust_file

TRUST = trust_file().encode()
PAYLOAD = payload()
GOOD = bag(PAYLOAD)
SIG = "tagmanifest-sha256.txt.sig"
SEGMENT = f"data/av/cam1/{hashlib.sha256(SEGMENTS[0]).hexdigest()}.mp4"
ONE = f"data/streams/{CTL}/{EPOCH1}"


def verdict(files, trust=TRUST, **more) -> Report:
    return verify_package(MemoryFiles(files), trust, "en", **more)


def without(files, *names):
    return {name: content for name, content in files.items() if name not in names}


def remade(changes=None, *, gone=(), **more) -> Report:
    """The verdict on a package whose payload was changed and that was signed again."""
    files = {**without(PAYLOAD, *gone), **(changes or {})}
    return verdict(bag(files, **more))


def test_the_sample_is_sound():
    report = verdict(GOOD)

    assert (report.code, report.first_bad) == (0, "")
    assert report.counts == {
        "files": 25,
        "seals": 4,
        "hashes": 16,
        "events": 15,
        "acts": 4,
        "segments": 2,
    }
    assert report.lines()[0] == "SOUND"


def test_without_a_trust_file_it_is_only_consistent():
    report = verdict(GOOD, None)

    assert (report.code, report.first_bad) == (4, "trust")


def flipped(name, *, step, flips):
    """(position, verdict) for flipped bytes of one file."""
    content = GOOD[name]
    for at in range(0, len(content), step):
        for flip in flips:
            bad = content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :]
            yield at, verdict({**GOOD, name: bad})


def test_a_venues_signature_that_does_not_hold_is_altered():
    raw = bytearray(GOOD[SIG])
    at = raw.index(b'"sig":"') + len(b'"sig":"')
    raw[at] = ord("0") if raw[at] != ord("0") else ord("1")
    report = verdict({**GOOD, SIG: bytes(raw)})

    assert (report.code, report.first_bad) == (2, SIG)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(GOOD))
def test_any_flipped_byte_is_altered_and_the_item_named(name):
    step = 1 if name == SIG else 1 + len(GOOD[name]) // 8

    for at, report in flipped(name, step=step, flips=[0x20]):
        assert (report.code, report.first_bad) == (2, name), at


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(GOOD))
def test_every_single_flipped_byte_is_altered_and_the_item_named(name):
    for at, report in flipped(name, step=1, flips=[1, 0x80]):
        assert (report.code, report.first_bad) == (2, name), at


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_cut_or_longer_file_is_altered(name):
    for bad in (GOOD[name][:-1], GOOD[name] + b"\n", b""):
        report = verdict({**GOOD, name: bad})
        assert (report.code, report.first_bad) == (2, name)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_any_removed_file_is_incomplete(name):
    report = verdict(without(GOOD, name))

    assert (report.code, report.first_bad) == (3, name)


def test_altered_outranks_incomplete_and_incomplete_outranks_unproven():
    cut = without(GOOD, SEGMENT)

    assert verdict(cut, None).code == 3
    assert verdict({**cut, "verify.py": b"x"}, None).code == 2


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("data/record/witness.json", "no_witness"),
        ("data/record/appraisal.json", "no_appraisal"),
        ("data/av/index.json", "no_av"),
        ("data/record/session.json", "no_session"),
        ("data/keys/certificates.jsonl", "no_keys"),
        (f"{ONE}/seals.jsonl", "missing"),
        (f"{ONE}/hashes.txt", "missing"),
        (SEGMENT, "no_segment"),
    ],
)
def test_what_a_venue_left_out_and_signed_is_incomplete(name, key):
    report = remade(gone=[name])

    assert report.code == 3
    bad = next(item for item in report.items if item.verdict == 3)
    assert bad.key == key
    assert bad.name == name.removesuffix(".mp4")


def test_a_package_without_any_record_is_incomplete():
    gone = [name for name in PAYLOAD if name.startswith("data/streams/")]

    assert remade(gone=gone).first_bad == "data/streams"


def test_a_package_signed_afresh_with_other_keys_is_altered_for_those_who_have_the_trust_file():
    """Everything made again with keys of one's own: consistent, but not for the old trust file."""
    other = Key("forger")
    witness = json.dumps({"session": SESSION, "forged": 1}).encode()
    forged = bag({**PAYLOAD, "data/record/witness.json": witness}, key=other)

    report = verdict(forged)
    assert (report.code, report.first_bad) == (2, SIG)
    assert verdict(forged, None).code == 4


def test_a_venue_cannot_sign_in_the_name_of_another():
    assert verdict(bag(PAYLOAD, key=HOME, org="changsha")).code == 2
    assert verdict(bag(PAYLOAD, key=HUB_KEY, org=HUB)).code == 2


def test_a_retired_venue_key_signs_no_package_any_more():
    """The hub's record of the session ends with row 4 of its epoch."""
    trust = trust_file(retired=(Retired(GUEST.kid, Position(HUB, HUB_EPOCH, 4)),)).encode()
    report = verdict(GOOD, trust)

    assert (2, "retired_after", SIG) in found(report)
    assert report.code == 2


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "data/../evil",
        "/data/evil",
        "data//evil",
        "data/./evil",
        "data\\evil",
        "c:evil",
        "data/evil\n",
        "data/\x7f",
        "data/" + unicodedata.normalize("NFD", "é"),
        "data/\udcff",
        "data/" + "e" * 600,
        "",
        "DATA/record/witness.json",
        "data/unlisted",
        "unlisted",
    ],
)
def test_strange_and_unlisted_names_are_never_sound(name):
    assert verdict({**GOOD, name: b"x"}).code == 2
    assert verdict({**GOOD, name: b"x"}, None).code == 2


class Linked(MemoryFiles):
    def is_link(self, name):
        return name == "verify.py"


def test_a_link_is_never_sound():
    report = verify_package(Linked(GOOD), TRUST, "en")

    assert (report.code, report.first_bad) == (2, "verify.py")


def test_bounds(monkeypatch):
    for bound, value in (
        ("FILES_MAX", 10),
        ("FILE_BYTES_MAX", 600),
        ("PARSED_BYTES_MAX", 300),
        ("CERTIFICATES_MAX", 2),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(verifier, bound, value)
            assert verdict(GOOD).code == 2, bound


def test_a_long_report_says_that_it_is_cut(monkeypatch):
    monkeypatch.setattr(verifier, "ITEMS_MAX", 1)
    report = verdict(without(GOOD, SEGMENT))

    assert report.code == 3
    assert report.items[-1].key == "more"
    assert report.first_bad == SEGMENT


def test_what_decides_the_verdict_is_always_listed(monkeypatch):
    monkeypatch.setattr(verifier, "ITEMS_MAX", 1)
    report = verdict(bag(PAYLOAD, sm3=second), None, digests={})

    assert [item.key for item in report.items] == ["sm3_skipped", "no_trust", "more"]


class Turning(MemoryFiles):
    """A disk that gives other bytes the second time."""

    def __init__(self, content):
        super().__init__(dict(content))

    def read(self, name):
        raw = self.content[name]
        self.content[name] = raw + b" "
        return raw


def test_bytes_that_change_between_two_reads_are_altered():
    report = verify_package(Turning(GOOD), TRUST, "en")

    assert report.code == 2
    turned = Turning(GOOD)
    turned.content.pop(SIG)
    assert verify_package(turned, TRUST, "en").code == 2


# manifests and bag


def retagged(**changes: bytes) -> dict[str, bytes]:
    """A package whose tag files were changed before the venue signed."""
    files = {**GOOD, **{name.replace("_", "-", 1): text for name, text in changes.items()}}
    tags = [n for n in files if not n.startswith(("data/", "tagmanifest"))]
    return signed({**files, "tagmanifest-sha256.txt": listing(files, tags)})


def listing(files, names) -> bytes:
    lines = [f"{hashlib.sha256(files[n]).hexdigest()}  {n}\n" for n in sorted(names)]
    return "".join(lines).encode()


def signed(files):
    _, signature = sign_package(
        org="changsha",
        session=SESSION,
        tag_manifest=files["tagmanifest-sha256.txt"],
        public=GUEST.pub,
        sign=GUEST.private.sign,
    )
    return {**files, SIG: signature}


def test_an_old_bagit_or_a_wrong_oxum_is_altered():
    bad = GOOD["bagit.txt"].replace(b"1.0", b"0.9")
    assert verdict(retagged(**{"bagit.txt": bad})).first_bad == "bagit.txt"
    assert verdict(retagged(**{"bag-info.txt": b"Payload-Oxum: 1.1\n"})).first_bad == "bag-info.txt"


@pytest.mark.parametrize(
    "line",
    [
        "short  data/x\n",
        "a" * 64 + " data/x\n",
        "A" * 64 + "  data/x\n",
        "a" * 64 + "  ../x\n",
        "a" * 64 + "  verify.py\n",
        "a" * 64 + "  data/record/witness.json\n",
        "a" * 64 + "  data/x",
        "\xff",
    ],
)
def test_a_malformed_manifest_is_altered(line):
    bad = GOOD["manifest-sha256.txt"] + line.encode("latin-1")

    assert verdict(retagged(**{"manifest-sha256.txt": bad})).first_bad == "manifest-sha256.txt"


def test_a_tag_manifest_never_lists_the_payload_or_itself():
    for name in ("data/record/witness.json", "tagmanifest-sha256.txt"):
        bad = GOOD["tagmanifest-sha256.txt"] + ("a" * 64 + f"  {name}\n").encode()
        report = verdict(signed({**GOOD, "tagmanifest-sha256.txt": bad}))
        assert (report.code, report.first_bad) == (2, "tagmanifest-sha256.txt")


@pytest.mark.parametrize("name", ["bagit.txt", "bag-info.txt", "manifest-sha256.txt"])
def test_a_bag_without_its_own_files_is_incomplete(name):
    files = without(GOOD, name)
    tags = [n for n in files if not n.startswith(("data/", "tagmanifest"))]
    report = verdict(signed({**files, "tagmanifest-sha256.txt": listing(files, tags)}))

    assert (report.code, report.first_bad) == (3, name)


class Sm3:
    """Stands where a Python has SM3; any second hash shows that the second list is read."""

    def __init__(self):
        self.state = hashlib.blake2s()

    def update(self, content):
        self.state.update(content)

    def hexdigest(self):
        return self.state.hexdigest()


def second(content: bytes) -> str:
    return hashlib.blake2s(content).hexdigest()


def test_sm3_is_checked_where_it_is_there_and_said_where_not():
    files = bag(PAYLOAD, sm3=second)
    digests = {"sm3": Sm3}

    assert verdict(files, digests=digests).code == 0
    skipped = verdict(files, digests={})
    assert skipped.code == 0
    assert "sm3_skipped" in [item.key for item in skipped.items]
    wrong = bag(PAYLOAD, sm3=lambda content: second(content + b"x"))
    assert verdict(wrong, digests=digests).code == 2
    assert verdict(without(files, SEGMENT), digests=digests).code == 3
    made = dict(files)
    made["manifest-sm3.txt"] = made["manifest-sm3.txt"].split(b"\n", 1)[1]
    tags = [n for n in made if not n.startswith(("data/", "tagmanifest"))]
    made["tagmanifest-sha256.txt"] = listing(made, tags)
    assert verdict(signed(made), digests=digests).first_bad == "manifest-sm3.txt"


def test_this_pythons_own_hashes():
    found = verifier.available_digests()

    if found:
        state = found["sm3"]()
        state.update(b"abc")
        # GB/T 32905-2016, example 1
        assert state.hexdigest().startswith("66c7f0f462eeedd9d1f2d46bdc10e4e2")
    assert set(found) <= {"sm3"}


def test_a_hash_openssl_does_not_have(monkeypatch):
    def new(name):
        raise ValueError(name)

    monkeypatch.setattr(verifier.hashlib, "new", new)

    assert verifier.available_digests() == {}


# trust


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"checkpoint": "maybe"},
        {"hub_orders": True},
        {"venues": {}},
        {"venues": [1]},
        {"venues": [{"org": "a", "name": "a", "kid": "0" * 16, "pub": HOME.pub.hex()}]},
        {"hub": []},
        {"hub": {"id": HUB, "pub": "x"}},
        {"retired": [{"kid": HOME.kid}]},
        {"epochs": 5},
        {"epochs": [5]},
        {"retired": [{"kid": HOME.kid, "at": {"ctl": CTL, "epoch": EPOCH1, "seq": 0}}]},
    ],
)
def test_a_trust_file_that_cannot_be_used_is_wrong_use(changes):
    raw = json.dumps({**json.loads(TRUST), **changes}).encode()

    with pytest.raises(TrustError):
        verdict(GOOD, raw)
    report = verdict(bag({**PAYLOAD, "data/keys/trust.json": raw}), None)
    assert (report.code, report.first_bad) == (2, "data/keys/trust.json")


def test_a_package_that_claims_no_keys_needs_the_trust_file():
    files = bag(without(PAYLOAD, "data/keys/trust.json"))

    assert verdict(files).code == 0
    assert verdict(files, None).code == 3


def test_where_checkpoints_are_demanded_there_must_be_one():
    trust = json.loads(TRUST)
    trust["checkpoint"] = "cosigned"

    assert verdict(GOOD, json.dumps(trust).encode()).first_bad == "data/checkpoints"


@pytest.mark.parametrize("raw", [b"[]", b"{", b'{"a":1,"a":1}', b'{"a":NaN}', b"\xff", b"[" * 9999])
@pytest.mark.parametrize("name", ["data/record/session.json", "data/record/witness.json"])
def test_a_record_that_is_no_json_object_is_altered(name, raw):
    assert remade({name: raw}).first_bad == name


def test_a_package_of_another_session_than_signed_is_altered():
    report = verdict(bag(PAYLOAD, session="s-other"))

    assert (report.code, report.first_bad) == (2, "data/record/session.json")


def test_a_signature_file_of_another_kind_is_altered():
    for raw in (
        b"\n",
        b"{}\n{}\n",
        GOOD[SIG].replace(b'"venue"', b'"hub"'),
        GOOD[SIG].replace(b"INTL", b"SM"),
        GOOD[SIG].replace(b'{"sigs":[', b'{"x":[').replace(b"]}", b"]}"),
        GOOD[SIG].replace(b'{"sigs":[', b'{"sigs":[1,'),
        GOOD[SIG].replace(b"\n{", b"\nbody\n{"),
        GOOD[SIG].split(b"\n")[0] + b'\n{"sigs":[]}\n',
    ):
        report = verdict({**GOOD, SIG: raw})
        assert (report.code, report.first_bad) == (2, SIG)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(PAYLOAD)), st.binary(max_size=80), min_size=1))
def test_any_bytes_in_any_file_give_a_verdict(changes):
    """Nothing a venue could sign makes the verifier fail; at most it is called sound or not."""
    assert remade(changes).code in (0, 2, 3)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=20), st.binary(max_size=200), max_size=4))
def test_any_folder_gives_a_verdict(files):
    assert verdict(files).code in (2, 3)


def test_texts_are_there_in_both_languages():
    for key, words in verifier.TEXTS.items():
        item = Item(2, "x", key, "detail")
        assert item.text("zh").startswith(words[0])
        assert item.text("en").startswith(words[1])
        assert Item(2, "x", key).text("en") == words[1]
    lines = verify_package(MemoryFiles(without(GOOD, SEGMENT)), TRUST).lines()
    assert lines[0] == f"不完整: {SEGMENT}"
    assert lines[2].startswith("[")

"""A package from a whole day: sound, altered, incomplete, unproven; receipts; who may build it."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bagit
import pytest
from sqlalchemy import select

from hub import crypto
from hub.archive.checking import check, judged
from hub.archive.download import tar_of
from hub.archive.reports import chinese_font
from hub.booking import erasure
from hub.problems import Problem
from hub.store.tables_business import session_plan
from hub.store.tables_core import plans
from protocols.evidence.tally import ROOM_TYPE, tally
from protocols.evidence.verifier import SIGNATURE
from protocols.messages.bodies import Position, Retired, TrustFile
from protocols.messages.signed import parse_message
from protocols.messages.topics import BROKER_BYTES_MAX
from protocols.terms import Verdict
from tests.hub.booking.roomscript import evaluated, rooms_of
from tests.hub.booking.town import PASSWORD, Town, booking_of, build_town
from tests.system.day_package import Package

pytestmark = pytest.mark.slow  # a whole day is made for them


@dataclass
class Day:
    """A finished day with the guest's package."""

    town: Town
    session: str
    answer: dict[str, Any]
    trust: bytes

    @property
    def folder(self) -> Path:
        return self.town.data / "packages" / str(self.answer["package"])


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory, published_once: Town) -> Iterator[Day]:
    """Played once; tests copy the folder."""
    town = build_town(tmp_path_factory.mktemp("day"), like=published_once)
    rooms = evaluated(town)
    session = rooms["hubei"].session
    coordinator = town.who("changsha.guest_coordinator")
    for member in (4, 5):
        town.archive.enter_appraisal(coordinator, session, member, [], None, "履职正常。")
    answer = town.archive.build_package(town.who("changsha.home_manager"), session, PASSWORD)
    yield Day(town, session, answer, town.keys.trust().encode())
    town.store.close()


@pytest.fixture
def folder(day: Day, tmp_path: Path) -> Path:
    """A copy of the package to damage."""
    copy = tmp_path / "package"
    shutil.copytree(day.folder, copy)
    return copy


def test_a_package_is_sound_and_offered(day: Day) -> None:
    report = check(day.folder, day.trust, "en")
    assert report.code == 0, "\n".join(report.lines())
    assert report.counts["segments"] == 3
    assert report.counts["acts"] >= 4
    assert day.answer["state"] == "offered"
    assert day.answer["notes"] == [] or "font" in day.answer["notes"][0]


def test_the_packages_own_program_says_the_same(day: Day, tmp_path: Path) -> None:
    trust = tmp_path / "trust.json"
    trust.write_bytes(day.trust)
    done = subprocess.run(
        [sys.executable, "-I", str(day.folder / "verify.py"), "--trust", str(trust)],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    assert not list(day.folder.rglob("__pycache__"))


def test_another_bagit_reader_finds_it_valid(folder: Path) -> None:
    (folder / "tagmanifest-sha256.txt.sig").unlink()
    (folder / "manifest-sm3.txt").unlink(missing_ok=True)
    lines = (folder / "tagmanifest-sha256.txt").read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if "sm3" not in line]
    (folder / "tagmanifest-sha256.txt").write_text("".join(kept), "utf-8")
    assert bagit.Bag(str(folder)).is_valid()


def test_every_single_flipped_byte_is_named(day: Day, folder: Path) -> None:
    for path in sorted(one for one in day.folder.rglob("*") if one.is_file()):
        name = path.relative_to(day.folder).as_posix()
        target = folder / name
        raw = bytearray(path.read_bytes())
        if not raw:
            continue
        raw[len(raw) // 2] ^= 0x01
        target.unlink()
        target.write_bytes(bytes(raw))
        report = check(folder, day.trust)
        assert report.code == 2, name
        assert report.first_bad, name
        target.write_bytes(path.read_bytes())


@pytest.mark.parametrize(
    ("gone", "item"),
    [
        ("data/record/witness.json", "witness_record"),
        ("data/record/appraisal.json", "appraisal_record"),
        ("data/av", "av"),
    ],
)
def test_a_removed_part_is_incomplete_and_the_receipt_partial(
    day: Day, folder: Path, gone: str, item: str
) -> None:
    path = folder / gone
    if path.is_dir():
        next(path.rglob("*.mp4")).unlink()
    else:
        path.unlink()
    report = check(folder, day.trust)
    assert report.code == 3
    found = judged(report, day.town.pack)
    assert found.verdict is Verdict.PARTIAL
    assert [gap.item for gap in found.gaps] == [item]


def test_a_row_of_the_session_hidden_by_the_venue_is_missing(day: Day, folder: Path) -> None:
    for recorder, kind in (("c", "member.left"), ("h", "order.issued")):
        path = stream_with(folder, recorder, kind) / "events.jsonl"
        whole = path.read_bytes()
        lines = whole.splitlines(keepends=True)
        path.write_bytes(b"".join(one for one in lines if json.loads(one)["type"] != kind))
        sign_again(day, folder)
        report = check(folder, day.trust, "en")
        assert (report.code, report.first_bad) == (3, path.parent.relative_to(folder).as_posix())
        path.write_bytes(whole)
    sign_again(day, folder)
    assert check(folder, day.trust).code == 0


def stream_with(folder: Path, recorder: str, kind: str) -> Path:
    """The folder of the recorder's epoch that shows an event of this type."""
    paths = folder.glob(f"data/streams/{recorder}-*/*/events.jsonl")
    return next(one.parent for one in paths if f'"type":"{kind}"' in one.read_text("utf-8"))


def sign_again(day: Day, folder: Path) -> None:
    """As a venue that leaves something out would: everything listed and signed with its key."""
    package = package_at(folder)
    package.list_again()
    package.sign(day.town.keys.open_venue_key("changsha", PASSWORD))


def package_at(folder: Path) -> Package:
    """The copy that lies there."""
    package = Package.__new__(Package)
    package.root = folder
    return package


def test_a_package_is_taken_away_as_one_file(day: Day, tmp_path: Path) -> None:
    town, ident = day.town, day.answer["package"]
    who = town.who("hubei.deputy")
    assert "path" not in day.answer
    folder = town.archive.download(who, ident)
    (tmp_path / "p.tar").write_bytes(b"".join(tar_of(folder, ident)))
    tar = shutil.which("tar")
    assert tar is not None
    subprocess.run([tar, "-xf", tmp_path / "p.tar", "-C", tmp_path], check=True)
    assert check(tmp_path / ident, day.trust).code == 0
    told = town.archive.who_looked(who, ident)
    assert [one["act"] for one in told].count("package.download") == 1


def test_media_of_a_package_are_the_stored_files_and_nobodys_to_write(day: Day) -> None:
    media = list(day.folder.glob("data/av/*/*.mp4"))
    assert media
    assert {one.stat().st_mode & 0o222 for one in media} == {0}


def test_a_page_that_is_drawn_again_is_one_look(day: Day) -> None:
    town, ident = day.town, day.answer["package"]
    first, second = town.who("hubei.deputy"), town.who("changsha.deputy")

    def reads(post: str) -> int:
        told = town.archive.who_looked(first, ident)
        return sum((one["post"], one["act"]) == (post, "package.read") for one in told)

    for _ in range(3):
        town.archive.get(first, ident)
        town.clock.pass_s(60)
    assert reads(first.post) == 1
    town.archive.get(second, ident)
    assert (reads(first.post), reads(second.post)) == (1, 1)
    town.clock.pass_s(600)
    town.archive.get(first, ident)
    assert reads(first.post) == 2


def test_a_package_stays_sound_when_identities_are_erased(day: Day) -> None:
    town = day.town
    who = replace(town.who("hubei.home_manager"), roles=("administrator",))
    made = erasure.erase(town, who, day.session, member=None, reason="保存期届满")
    assert made["members"] == [1, 2, 3, 4, 5]
    assert check(day.folder, day.trust).code == 0


def test_a_venues_key_retired_later_still_counts_for_the_earlier_package(day: Day) -> None:
    trust = TrustFile.decode(day.trust)
    kid = json.loads((day.folder / SIGNATURE).read_bytes().splitlines()[-1])["sigs"][0]["kid"]
    stream = stream_with(day.folder, "h", "record.closed")
    rows = [json.loads(one) for one in (stream / "events.jsonl").read_bytes().splitlines()]
    closed = next(one["seq"] for one in rows if one["type"] == "record.closed")
    for seq, code in ((closed + 1, 0), (closed, 2)):
        retired = (Retired(kid, Position(trust.hub.id, stream.name, seq)),)
        newer = replace(trust, retired=retired, epochs=(stream.name,)).encode()
        report = check(day.folder, newer, "en")
        assert report.code == code, "\n".join(report.lines())


def test_without_a_trust_file_the_origin_is_not_proven(day: Day) -> None:
    assert check(day.folder, None).code == 4


def test_a_name_that_leads_out_of_the_folder_is_altered(day: Day, folder: Path) -> None:
    """Though the venue itself listed and signed it, and what it leads to is there."""
    link = folder / "link"
    link.symlink_to("/etc/hostname")
    report = check(folder, day.trust)
    assert (report.code, report.first_bad) == (2, "link")
    link.unlink()
    inside, outside = "data/record/witness.json", "data/../../witness.json"
    (folder / inside).rename(folder / outside)
    for manifest in (folder / "manifest-sha256.txt", folder / "manifest-sm3.txt"):
        if manifest.exists():
            text = manifest.read_text("utf-8")
            manifest.write_text(text.replace(inside, outside), "utf-8")
    package = package_at(folder)
    package.list_tags()
    package.sign(day.town.keys.open_venue_key("changsha", PASSWORD))
    report = check(folder, day.trust)
    assert (report.code, report.first_bad) == (2, "manifest-sha256.txt")


def test_nobodys_name_or_number_is_in_it(day: Day) -> None:
    for path in day.folder.rglob("*"):
        if path.is_file() and path.suffix in {".json", ".jsonl", ".txt"}:
            text = path.read_text("utf-8")
            assert "赵文" not in text
            assert "4222011931" not in text


def test_records_say_what_the_rules_ask_for(day: Day) -> None:
    def load(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((day.folder / "data/record" / name).read_text("utf-8"))
        return found

    witness = load("witness.json")
    assert [one["no"] for one in witness["members"]] == [4, 5]
    assert set(witness["members"][0]["documents"]) == {"personal_sheet", "summary", "report"}
    assert [one["order"] for one in witness["orders"]] == ["open", "start", "sign", "end"]
    assert {one["post"] for one in witness["on_duty"]}
    assert [one["member"] for one in load("appraisal.json")["entries"]] == [4, 5]
    assert load("session.json")["home_org"] == "hubei"
    index = json.loads((day.folder / "data/av/index.json").read_text("utf-8"))
    assert [len(one["segments"]) for one in index["streams"]] == [3]
    assert (day.folder / "data/report/ledger.xlsx").read_bytes()[:2] == b"PK"
    pdf = day.folder / "data/report/minutes.pdf"
    assert pdf.exists() == bool(chinese_font())
    if pdf.exists():
        assert pdf.read_bytes()[:5] == b"%PDF-"


def test_the_home_venue_signs_a_receipt_and_the_duty_is_met(day: Day) -> None:
    town, ident = day.town, day.answer["package"]
    due = town.archive.deadline(day.session)
    assert due["due"]["due_on"] == "2026-11-27"
    assert due["venues"][0]["state"] == "open"
    with pytest.raises(Problem) as caught:
        town.archive.verify_and_receipt(town.who("changsha.home_manager"), ident, PASSWORD)
    assert caught.value.code == "other_organisation"
    with pytest.raises(Problem) as caught:
        town.archive.verify_and_receipt(town.who("hubei.home_manager"), ident, "wrong secret")
    assert caught.value.status == 403
    answer = town.archive.verify_and_receipt(town.who("hubei.home_manager"), ident, PASSWORD)
    assert (answer["receipt"]["verdict"], answer["verify_code"]) == ("full", 0)
    raw = base64.b64decode(answer["receipt"]["raw"])
    signed = parse_message(raw, limit=64 * 1024)
    assert signed.header["verdict"] == "full"
    signers = town.keys.keyring().signers(signed, crypto.verify)
    assert [one.principal.subject for one in signers] == ["hubei"]
    assert town.archive.deadline(day.session)["venues"][0]["state"] == "met"
    looked = town.archive.who_looked(town.who("hubei.home_manager"), ident)
    assert "package.read" in {one["act"] for one in looked}
    assert _receipted(day, "changsha") == {day.session: ident}
    assert _receipted(day, "hubei") == {}, "the home venue's own record is not handed over yet"


def test_a_batch_with_another_version_of_a_row_does_not_spoil_the_package(
    tmp_path: Path, published_once: Town
) -> None:
    """What the room said twice in two ways is kept beside; what came with it is proven."""
    town = build_town(tmp_path, like=published_once)
    rooms = evaluated(town)
    room = rooms["changsha"]
    again = replace(room, seq=room.seq - 1, waiting=[])
    again.write("seat.state", {"station": 1, "state": "taken"})
    room.write("media.damaged", {"stream": "panorama", "name": "1-000009.mp4", "bytes": 5})
    room.waiting.insert(0, again.waiting[0])
    room.send()
    coordinator = town.who("changsha.guest_coordinator")
    for member in (4, 5):
        town.archive.enter_appraisal(coordinator, room.session, member, [], None, "")
    manager = town.who("changsha.home_manager")
    made = town.archive.build_package(manager, room.session, PASSWORD)
    report = check(town.data / "packages" / made["package"], town.keys.trust().encode(), "en")
    town.store.close()

    assert report.code == 0, "\n".join(report.lines())
    assert [one.key for one in report.items].count("seal_others") == 1


def _receipted(day: Day, org: str) -> Any:
    """What the newest plan of a venue's room says of receipts."""
    with day.town.store.read() as conn:
        mine = session_plan.c.org == org
        ctl = conn.execute(select(session_plan.c.ctl).where(mine)).scalar_one()
        newest = plans.c.n.desc()
        raw = conn.execute(select(plans.c.raw).where(plans.c.ctl == ctl).order_by(newest)).scalars()
        (line,) = parse_message(bytes(next(iter(raw))), limit=BROKER_BYTES_MAX).lines
    return json.loads(line)["receipted"]


def test_appraisals_are_of_ones_own_experts_by_the_packs_items(day: Day) -> None:
    town = day.town
    staff = town.who("changsha.guest_coordinator")
    made = town.archive.enter_appraisal(staff, day.session, 4, ["late"])
    assert made["points"] == town.pack.appraisal["late"].points
    home = town.who("hubei.room_staff")
    for who, member, items, points in (
        (staff, 1, [], None),
        (home, 2, [], None),
        (staff, 4, ["dancing"], None),
        (staff, 4, ["late"], -1),
    ):
        with pytest.raises(Problem) as caught:
            town.archive.enter_appraisal(who, day.session, member, items, points)
        assert caught.value.status == 422


def test_a_dead_rooms_package_is_built_on_the_last_day_and_is_incomplete(ready: Town) -> None:
    """The room ended the session, burnt down, and never closed it."""
    rooms = rooms_of(ready)
    session = rooms["hubei"].session
    rooms["changsha"].segment(b"never sent", stored=False)
    for room in rooms.values():
        room.phase("ended", before="signing")
    manager = ready.who("changsha.home_manager")
    for member in (4, 5):
        staff = ready.who("changsha.guest_coordinator")
        ready.archive.enter_appraisal(staff, session, member, [], None, "履职正常。")
    due = ready.archive.deadline(session)["due"]["due_on"]
    eve = datetime.fromisoformat(due).replace(hour=1, tzinfo=UTC) - timedelta(days=1)
    ready.clock.now = eve
    with pytest.raises(Problem) as caught:
        ready.archive.build_package(manager, session, PASSWORD)
    assert caught.value.code == "room_not_heard"
    ready.clock.now = eve + timedelta(days=1)
    made = ready.archive.build_package(manager, session, PASSWORD)
    report = check(ready.data / "packages" / made["package"], ready.keys.trust().encode(), "en")
    assert report.code == 3
    assert {"no_tally", "no_segment"} <= {one.key for one in report.items if one.verdict == 3}
    assert any("is not at the hub" in note for note in made["notes"])


def test_a_package_too_early_or_without_appraisal_is_refused(ready: Town) -> None:
    rooms = rooms_of(ready)
    session = rooms["hubei"].session
    with pytest.raises(Problem) as caught:
        ready.archive.build_package(ready.who("changsha.home_manager"), session, PASSWORD)
    assert caught.value.code == "session_not_ended"
    rooms["changsha"].segment(b"not here yet", stored=False)
    for room in rooms.values():
        room.phase("ended", before="signing")
    with pytest.raises(Problem) as caught:
        ready.archive.build_package(ready.who("changsha.home_manager"), session, PASSWORD)
    assert caught.value.code == "room_not_heard"
    told = tally((rooms["changsha"].epoch, seq) for seq in range(2, 91))
    rooms["changsha"].mine(ROOM_TYPE, told)
    with pytest.raises(Problem) as caught:
        ready.archive.build_package(ready.who("changsha.home_manager"), session, PASSWORD)
    assert caught.value.code == "room_not_heard"
    assert "rows missing" in str(caught.value.got)
    for room in rooms.values():
        room.sealed()
    with pytest.raises(Problem) as caught:
        ready.archive.build_package(ready.who("changsha.home_manager"), session, PASSWORD)
    assert caught.value.code == "media_waiting"
    with pytest.raises(Problem) as caught:
        ready.archive.build_package(ready.who("hubei.home_manager"), session, PASSWORD)
    assert caught.value.code == "appraisal_missing"
    assert booking_of(ready)["state"] == "ended"

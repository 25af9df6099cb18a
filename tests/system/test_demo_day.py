"""The whole day ends as it must, says so in one line, and spreads no identity."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hub.demo.cli import HOME
from hub.demo.people import Member, committee
from protocols.evidence.checkpoint import cosigned_at, parse_note
from protocols.evidence.verifier import verify_ed25519
from tests.system.conftest import LivedDay
from tests.system.day_runner import KEYS, SEED, assert_good, run

pytestmark = [pytest.mark.system, pytest.mark.slow]

BLOCK = 1 << 20


def test_the_day_ends_as_it_must(lived_day: LivedDay) -> None:
    end = lived_day.end
    assert_good(end, lived_day.process)
    assert [key for key in end if key != "exit"] == KEYS
    assert end["seed"] == SEED
    assert len(end["recorded"]) == 1 + 3


def test_nobody_died_on_an_ordinary_day(lived_day: LivedDay) -> None:
    assert "started again" not in lived_day.process.said()
    for log in (lived_day.folder / "logs").glob("*.log"):
        assert "Traceback" not in log.read_text("utf-8", errors="replace"), log


def test_what_must_happen_on_the_day_is_on_the_record(lived_day: LivedDay) -> None:
    types = _types(lived_day.folder / "hub" / "hub.sqlite")
    wanted = {
        "member.late",
        "card.unknown",
        "gate.refused",
        "away.started",
        "away.ended",
        "locker.unexplained",
        "fault.raised",
        "fault.cleared",
        "case.opened",
        "case.decided",
        "case.closed",
        "order.issued",
        "statement.accepted",
        "media.segment",
        "appraisal.entered",
        "package.built",
        "receipt.issued",
        "secrets.wiped",
    }
    assert wanted <= types, wanted - types


def test_the_package_is_checked_with_and_without_the_trust_file(lived_day: LivedDay) -> None:
    """Its checkpoint too: a hub's trust file asks for one that home and guest co-signed."""
    trust = json.loads(Path(lived_day.trust).read_text(encoding="utf-8"))
    assert trust["checkpoint"] == "cosigned"
    pinned = {one["ctl"] for one in trust["witnesses"]}
    assert {ctl for ctl in lived_day.end["recorded"] if ctl.startswith("c-")} <= pinned
    known = run("verify", lived_day.package, "--trust", lived_day.trust)
    assert known.returncode == 0, known.stdout + known.stderr
    alone = run("verify", lived_day.package)
    assert alone.returncode == 4, alone.stdout + alone.stderr


def test_a_controller_of_every_venue_has_co_signed_the_log(lived_day: LivedDay) -> None:
    """Over the real broker: taken up once, then signed with a proof each time, never refused."""
    base = lived_day.folder / "hub" / "hub.sqlite"
    with closing(sqlite3.connect(f"file:{base}?mode=ro", uri=True)) as record:
        notes = dict(record.execute("SELECT size, note FROM log_checkpoint"))
        lines = record.execute(
            "SELECT ctl, pub, size, line FROM log_cosignature JOIN log_witness USING (ctl)"
        ).fetchall()
    signed = set()
    for ctl, pub, size, line in lines:
        note = parse_note(parse_note(notes[size]).checkpoint.text + b"\n" + line)
        public = bytes.fromhex(pub)
        assert cosigned_at(note, name=ctl, public=public, verify=verify_ed25519) is not None
        signed.add(ctl)
    types = _types(base)
    assert signed == {ctl for ctl in lived_day.end["recorded"] if ctl.startswith("c-")}
    assert "witness.began" in types
    assert not types & {"witness.refused", "log.shrunk"}


def test_no_name_and_no_number_of_a_member_lies_anywhere(lived_day: LivedDay) -> None:
    secrets = _spellings(_members(lived_day))
    found = [
        (str(path.relative_to(lived_day.folder)), words)
        for path in sorted(lived_day.folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
        for words in _in_file(path, secrets)
    ]
    assert not found


def test_the_search_for_identities_finds_them_where_they_are(
    lived_day: LivedDay, tmp_path: Path
) -> None:
    member = _members(lived_day)[0]
    path = tmp_path / "log"
    path.write_bytes(b"x" * (BLOCK - 3) + member.number.encode() + b"y" * BLOCK)
    assert list(_in_file(path, _spellings([member]))) == [f"{member.no}: number"]
    for raw in (json.dumps(member.name).encode(), member.name.encode("utf-16-le")):
        path.write_bytes(raw)
        assert list(_in_file(path, _spellings([member]))) == [f"{member.no}: name"]


def _members(day: LivedDay) -> list[Member]:
    """The members the seed invents."""
    guests = [path.name.rpartition("-")[0] for path in (day.folder / "rooms").iterdir()]
    return committee(random.Random(SEED), HOME, [org for org in guests if org != HOME])  # noqa: S311 - chooses, no secret


def _spellings(members: list[Member]) -> dict[bytes, str]:
    """Every way in which a name or number may stand in a file, and whose it is."""
    found = {}
    for one in members:
        escaped = json.dumps(one.name)[1:-1]
        names = (one.name, escaped, escaped.upper().replace("\\U", "\\u"))
        for text, what in (*((name, "name") for name in names), (one.number, "number")):
            for coding in ("utf-8", "gb18030", "utf-16-le"):
                found[text.encode(coding)] = f"{one.no}: {what}"
    return found


def _in_file(path: Path, secrets: dict[bytes, str]) -> Iterator[str]:
    """What of it is in a file; read in blocks that overlap."""
    seen, overlap = set(), max(map(len, secrets))
    with path.open("rb") as file:
        tail = b""
        while block := file.read(BLOCK):
            window = tail + block
            seen |= {whose for raw, whose in secrets.items() if raw in window}
            tail = window[-overlap:]
    yield from sorted(seen)


def _types(base: Path) -> set[str]:
    with closing(sqlite3.connect(f"file:{base}?mode=ro", uri=True)) as conn:
        return {str(row[0]) for row in conn.execute("SELECT DISTINCT type FROM events")}

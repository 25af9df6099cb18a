"""A package of a hub whose trust file asks for co-signed checkpoints."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from hub import crypto
from hub.archive.building import verifier_program
from hub.archive.checking import check
from hub.transparency.witnesses import Witnesses, choose
from protocols.evidence.checkpoint import Note, cosign, joined, parse_question
from protocols.evidence.merkle import joint_proof
from protocols.evidence.verifier import CHECKPOINT, LOG_PLACES
from protocols.evidence.witness import Answer, judge
from protocols.messages.topics import DOWN_CHECKPOINT, UP_COSIGN, parse_topic, topic
from tests.hub.booking.roomscript import evaluated
from tests.hub.booking.town import CTLS, PASSWORD, Town, build_town
from tests.protocols.evidence.test_ed25519 import VECTORS
from tests.protocols.evidence.test_merkle import ENTRIES, PATHS, ROOTS, Tree

pytestmark = pytest.mark.slow  # a whole day is made for them


@dataclass
class Line:
    """Two witnesses that hold one note each and keep to the rule."""

    town: Town
    away: set[str] = field(default_factory=set)
    held: dict[str, Note] = field(default_factory=dict)

    def publish(self, name: str, payload: bytes, qos: int) -> None:
        del qos
        where = parse_topic(name)
        if where is None or where.leaf != DOWN_CHECKPOINT or where.ctl in self.away:
            return
        question = parse_question(payload)
        hub = {"hub": self.town.facts.hub, "public": self.town.keys.hub_public()}
        found = judge(self.held.get(where.ctl), question, verify=crypto.verify, **hub)
        if found is Answer.BEGIN:
            self.held[where.ctl] = question.note
        elif found is Answer.COSIGN:
            self.held[where.ctl] = self._signed(where.ctl, question.note)
        answer = self.held[where.ctl].encode()
        self.town.ingest.handle(topic(where.ctl, UP_COSIGN), answer)

    def _signed(self, ctl: str, note: Note) -> Note:
        seed = next(self.town.seeds[f"ctl:{org}"] for org, one in CTLS.items() if one == ctl)
        line = cosign(
            note.checkpoint,
            name=ctl,
            public=crypto.public_of(seed),
            time_s=1_800_000_000,
            sign=crypto.signer(seed, "controller").sign,
        )
        return joined(note, [line])


@dataclass
class Day:
    """A finished day at a hub with witnesses."""

    town: Town
    line: Line
    session: str

    def build(self) -> Path:
        """One more package of the guest."""
        manager = self.town.who("changsha.home_manager")
        answer = self.town.archive.build_package(manager, self.session, PASSWORD)
        return self.town.data / "packages" / str(answer["package"])

    @property
    def trust(self) -> bytes:
        """As it is exchanged outside the hub."""
        return self.town.keys.trust().encode()


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory, published_once: Town) -> Iterator[Day]:
    town = build_town(tmp_path_factory.mktemp("day"), like=published_once)
    town.keys.checkpoint = "cosigned"
    line = Line(town)
    town.fleet.transport = line
    parts = {"store": town.store, "clock": town.clock, "keys": town.keys, "fleet": town.fleet}
    witnesses = Witnesses(**parts, log=town.event_log)  # type: ignore[arg-type]
    town.ingest.on_leaf(UP_COSIGN, witnesses.heard)
    with town.store.write() as conn:
        choose(conn, town.clock)  # type: ignore[arg-type]
    town.event_log.close_up()
    rooms = evaluated(town)
    session = rooms["hubei"].session
    coordinator = town.who("changsha.guest_coordinator")
    for member in (4, 5):
        town.archive.enter_appraisal(coordinator, session, member, [], None, "履职正常。")
    yield Day(town, line, session)
    town.store.close()


def test_every_row_is_proven_and_home_and_guest_have_co_signed(day: Day, tmp_path: Path) -> None:
    folder = day.build()
    report = check(folder, day.trust, "en")

    assert report.code == 0, "\n".join(report.lines())
    assert report.counts["logged"] == report.counts["hashes"] > 50
    (item,) = [one for one in report.items if one.key == "cosigned"]
    assert all(ctl in item.detail for ctl in CTLS.values())
    (tmp_path / "trust.json").write_bytes(day.trust)
    done = subprocess.run(
        [sys.executable, "-I", folder / "verify.py", "--trust", tmp_path / "trust.json"],
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 0
    assert "检查点已由见证控制器联合签名" in done.stdout


def test_where_a_witness_is_away_the_package_is_incomplete_and_says_who_is_missing(
    day: Day,
) -> None:
    day.line.away = {CTLS["hubei"]}
    day.town.event_log.wait_s = 0.2
    folder = day.build()
    day.line.away, day.town.event_log.wait_s = set(), 0

    report = check(folder, day.trust, "en")
    assert (report.code, report.first_bad) == (3, CHECKPOINT)
    (item,) = [one for one in report.items if one.key == "no_cosignature"]
    assert item.detail == "home"
    again = check(day.build(), day.trust, "en")
    assert again.code == 0, "\n".join(again.lines())


def test_the_log_costs_a_package_little(day: Day) -> None:
    folder = day.build()
    size = sum(one.stat().st_size for one in (folder / "data" / "checkpoints").iterdir())
    hashes = sum(one.stat().st_size for one in folder.glob("data/streams/*/*/hashes.txt"))

    assert size < hashes
    assert (folder / LOG_PLACES).read_bytes().count(b"\n") > 1


def test_the_vectors_hold_in_the_very_program_of_a_package(day: Day) -> None:
    """RFC 8032 and RFC 6962, run in `verify.py` as it lies there."""
    path = day.build() / "verify.py"
    assert path.read_bytes() == verifier_program()
    program = loaded(path)
    for public, message, signature in VECTORS:
        key, text, signed = (bytes.fromhex(one) for one in (public, message, signature))
        assert program.verify_ed25519(key, signed, text)
        assert not program.verify_ed25519(key, signed, text + b"x")
    leaves = [program.leaf_hash(entry) for entry in ENTRIES]
    for size, root in enumerate(ROOTS, start=1):
        assert program.log_head(dict(enumerate(leaves[:size])), size, []).hex() == root
    for index, size, hashes in PATHS:
        proof = joint_proof([index], size, Tree(leaves).node)
        assert sorted(one.hex() for one in proof) == sorted(hashes)
        assert program.log_head({index: leaves[index]}, size, proof).hex() == ROOTS[size - 1]


def loaded(path: Path) -> ModuleType:
    """A program file as a module; its folder stays as it is."""
    spec = importlib.util.spec_from_file_location("verify_of_a_package", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
    return module

"""A room is built from its file: what is kept on the disk is in force again after a restart."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from edge.app import build
from edge.config import read_room_file
from edge.duty import DutyError, DutyPerson
from edge.packs import default_pack
from edge.service import RoomService
from hub import crypto
from protocols.messages.event import decode_event
from protocols.messages.plan import seal_plan
from tests.system.room_hub import body_of, demo_pack, session_plan
from tests.system.room_rig import Rig


def built(rig: Rig) -> RoomService:
    return build(read_room_file(rig.toml))


def test_a_plan_the_room_core_refuses_is_neither_kept_nor_in_force(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "r", seats=1)
    rig.folder.mkdir()
    rig.write_files()
    service = built(rig)
    session = session_plan(
        rig.keys,
        session="s-0123456789ab",
        org="changsha",
        members={1: "11010519491231002X"},
        seal_public=rig.seal_public,
        wrapped={},
    )
    session["members"][0]["locker"] = "no number"
    body = body_of(
        rig.keys, place="changsha-1", org="changsha", sessions=[session], pack=demo_pack()
    )
    hub = crypto.signer(rig.keys.hub, "hub")
    raw = seal_plan(ctl=rig.ctl, generation=1, n=1, body=body, signers=[hub])
    fed = service.runtime.feed(service.intake.plan(raw, retained=False))
    (event,) = [decode_event(row.line) for row in fed.rows]
    assert event.type == "plan.refused"
    assert (service.intake.plan_ref().n, service.intake.sessions) == (0, {})
    assert service.journal.kv_get("plan") is None
    service.close()
    rig.stop()


def test_a_recording_that_is_just_being_started_is_ended_with_the_room(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "r", seats=1)
    rig.folder.mkdir()
    rig.write_files()
    service = built(rig)
    begun, said = threading.Event(), list[str]()
    halt = service.recorder.halt

    class Starting:
        """A recorder whose start takes a moment."""

        def start(self, _session: str) -> None:
            begun.set()
            service.desk.bell.wait(0, 5)  # until the room ends
            said.append("started")

        def stop(self, _session: str) -> None:
            raise AssertionError

        def halt(self) -> None:
            said.append("halted")
            halt()

    starting = Starting()
    service.recorder = service.effects.recorder = starting  # type: ignore[assignment]
    service.effects.record("s-0123456789ab", on=True)
    assert begun.wait(10)
    service.close()
    rig.stop()
    assert said == ["started", "halted"]


def test_the_policy_of_a_plan_is_in_force_until_the_next_and_over_restarts(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "r", seats=1)
    rig.folder.mkdir()
    rig.write_files()
    hub = crypto.signer(rig.keys.hub, "hub")
    other = replace(demo_pack(), version=demo_pack().version + 1)
    service = built(rig)
    assert service.runtime.pack.hash == default_pack().hash
    for n, pack in enumerate((demo_pack(), other), 1):
        body = body_of(rig.keys, place="changsha-1", org="changsha", sessions=[], pack=pack)
        raw = seal_plan(ctl=rig.ctl, generation=1, n=n, body=body, signers=[hub])
        service.runtime.feed(service.intake.plan(raw, retained=False))
        assert service.runtime.pack.hash == pack.hash
    service.close()
    service = built(rig)
    assert service.runtime.pack.hash == other.hash
    # A program that cannot read the kept policy begins with the shipped one and takes the plan's.
    service.journal.kv_put("pack", b"{}")
    service.close()
    service = built(rig)
    assert service.runtime.pack.hash == default_pack().hash
    service.runtime.feed(service.intake.resume())
    assert service.runtime.pack.hash == other.hash
    service.close()
    rig.stop()


@pytest.mark.slow
def test_wrong_pins_count_across_a_restart_of_the_room(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "r", seats=1)
    rig.folder.mkdir()
    rig.write_files()
    person = DutyPerson("s-1", "p-1", "CS-01", "room_staff", "changsha", "k", {})

    def guesses(count: int) -> list[str]:
        service = built(rig)
        service.intake.roster.learn("s-1", [person])
        said = []

        def guess() -> None:
            for _ in range(count):
                with pytest.raises(DutyError) as told:
                    service.intake.roster.unlock("s-1", "p-1", "00000000")
                said.append(told.value.problem["got"])
            service.stop()

        person_at_screen = threading.Thread(target=guess)
        person_at_screen.start()
        service.runtime.run()  # the journal belongs to the thread that opened it
        person_at_screen.join(5)
        service.close()
        return said

    assert guesses(3)[-1] == "another; 2 tries left"
    assert guesses(3) == ["another; 1 tries left", "another; 0 tries left", "5 wrong ones"]
    rig.stop()

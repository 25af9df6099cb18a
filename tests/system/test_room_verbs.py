"""What the hub may ask of a running room: a new epoch, another line, other options."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from protocols.messages.acts import Command
from tests.system.room_rig import Child, Rig, evalroom, free_port, until

pytestmark = pytest.mark.system


@dataclass
class TwoLines(Rig):
    """A room with a second line to the broker, whose cable can be pulled like the first one's."""

    second_port: int = field(default_factory=free_port)

    def room_toml(self) -> str:
        """The room's file with the second line."""
        return super().room_toml() + f"[second_uplink]\nmqtt_port = {self.second_port}\n"

    def start_second(self) -> None:
        """Plugs the second line in."""
        link = evalroom(
            *("sim", "link", "--route", f"{self.second_port}:127.0.0.1:{self.broker.port}"),
            *("--control", self.sock("second"), "--state", self.folder / "second.txt"),
        )
        self.children["second"] = Child(link, self.folder / "second.log")
        self.children["second"].start()
        until("the second line", lambda: self.hand("second", "state"))

    def command(self, verb: str, **args: Any) -> str:
        """Sends a command signed by a person on duty; returns its id."""
        name = secrets.token_hex(16)
        raw = Command(name, verb, args).seal([self.keys.staff.signer])
        self.hub.send("command", raw, name=name)
        return name


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoLines]:
    made = TwoLines(tmp_path_factory.mktemp("verbs") / "r", seats=1)
    try:
        made.start()
        made.start_second()
        made.publish_plan(members=1)
        made.hub.wait("plan.accepted")
        yield made
    finally:
        made.stop()


def test_a_new_epoch_follows_the_old_one_without_a_hole(rig: TwoLines) -> None:
    name = rig.command("journal.reopen")
    done = rig.hub.wait("cmd.done", id=name)
    (accepted,) = rig.hub.found("cmd.accepted", id=name)
    assert (done.data["result"], done.epoch == accepted.epoch) == ("reopened", False)
    opened = rig.hub.found("epoch.opened", cause="reopen")[-1]
    assert (opened.epoch, opened.data["pred_epoch"]) == (done.epoch, accepted.epoch)
    assert opened.data["pred_seq"] >= accepted.seq
    assert rig.hub.found("record.gap") == []
    sent = rig.command("journal.reopen", epoch="x")
    assert "malformed" in rig.hub.wait("cmd.refused", id=sent).data["reason"]


def test_options_are_kept_after_a_round_trip_of_the_running_room(rig: TwoLines) -> None:
    name = rig.command("config.apply", version=1, set={"media.upload_kib_s": 256})
    assert rig.hub.wait("cmd.done", id=name).data["result"] == "kept"
    assert rig.hub.found("config.applied", id=name)[0].data["set"] == {"media.upload_kib_s": 256}
    refused = rig.command("config.apply", version=2, set={"media.dir": "elsewhere"})
    assert rig.hub.wait("config.refused", id=refused).data["where"] == "media.dir"
    unknown = rig.command("clip.fetch", segments=["0" * 64])
    assert rig.hub.wait("cmd.refused", id=unknown).data["reason"] == "unknown_clip"


def told_lines(rig: TwoLines) -> object:
    """What the room's newest telemetry says of its lines."""
    return rig.hub.telemetry.get("lines")


def test_the_room_goes_over_the_other_line_and_stays_there(rig: TwoLines) -> None:
    until("the other line is seen", lambda: told_lines(rig) == {"in_use": "first", "other": "ok"})
    name = rig.command("network.switch")
    assert rig.hub.wait("cmd.done", id=name, within_s=60).data["result"] == "kept"
    rig.children["link"].kill()
    until("the cut is seen", lambda: told_lines(rig) == {"in_use": "second", "other": "tcp"})
    marked = rig.command("journal.reopen")
    rig.hub.wait("cmd.done", id=marked)
    rig.kill_room()
    rig.start_room()
    again = rig.command("journal.reopen")
    rig.hub.wait("cmd.done", id=again, within_s=60)

"""Verbs of the running program over a real journal: carried out once, kept or taken back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge.app import build
from edge.config import ConfigError, read_room_file
from edge.lines import address_of
from edge.remote import ASK_MS, TRIAL_MS, answers_in
from edge.room import Draft
from edge.service import RoomService
from edge.turn import Turn
from hub import crypto
from protocols.messages.acks import Ack
from protocols.messages.event import Event
from protocols.messages.topics import DOWN_ACK
from protocols.policy.room_model import COMMANDS_KEPT
from tests.edge.room_bench import COORDINATOR, STAFF
from tests.system.room_rig import Rig

SLOWER = {"media.upload_kib_s": 512, "power.mains_back_s": 9}
SECOND = '[second_uplink]\nmqtt_port = 4711\nurl = "http://127.0.0.1:4712"\n'


class Wire:
    """The line to the hub as the loop sees it: up, and remembering how often it was asked."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> bool:
        """Takes one message."""
        assert payload
        assert qos in (0, 1)
        self.sent.append(topic.rpartition("/")[2] if not retain else "birth")
        return True


@dataclass
class Room:
    """A built room whose loop is turned by hand and whose steady time is moved by hand."""

    rig: Rig
    now: list[int] = field(default_factory=lambda: [1_000_000])
    wire: Wire = field(default_factory=Wire)
    acks: int = 0
    service: RoomService = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Builds the room from its file and journal, and says so in the record."""
        self.service = build(read_room_file(self.rig.toml))
        hands = self.service.runtime.hands
        assert hands is not None
        hands.mono_ms = self.service.uplink.mono_ms = lambda: self.now[0]  # type: ignore[attr-defined]
        self.service.uplink.pipe = self.wire
        self.service.runtime.open()
        self.service.uplink.link(up=True)

    def restart(self) -> None:
        """As after a power cut: only what is on the disk goes on."""
        self.service.close()
        self.start()

    def command(self, verb: str, cid: str, **args: Any) -> dict[str, Any]:
        """One command whose signatures hold; returns what the asker is told."""
        by = [STAFF, COORDINATOR]
        data = {"id": cid, "verb": verb, "args": args, "expect": None, "by": by, "session": ""}
        (answer,) = self.service.runtime.feed([Turn("command", data)]).answers
        return dict(answer.result)

    def ack(self) -> None:
        """The hub answers the latest question, signed."""
        self.acks += 1
        journal, key = self.service.journal, crypto.signer(self.rig.keys.hub, "hub")
        ack = Ack(
            ctl=self.rig.ctl,
            generation=1,
            run="ab" * 16,
            n=self.acks,
            epoch=journal.epoch,
            upto=journal.seq,
            hash=journal.head,
            re=self.service.uplink.state.ask,
        )
        self.service.uplink.arrived(DOWN_ACK, ack.seal([key]), retained=False)

    def tick(self, ms: int = 1000) -> None:
        """Time goes by, then the loop ticks; what the slow thread was told is done before."""
        self.slow()
        self.now[0] += ms
        self.service.runtime.tick()

    def slow(self) -> None:
        """What the slow thread was told is done."""
        self.service.effects._slow.submit(lambda: None).result(20)

    def asked(self) -> None:
        """A moment later the room asks the hub something."""
        self.now[0] += 1
        self.service.uplink.again()

    def events(self, *types: str) -> list[Event]:
        """What lies in the journal."""
        return [one for one in self.service.journal.replay() if one.type in types]

    def result(self, cid: str) -> list[str]:
        """How a command ended, as recorded."""
        return [one.data["result"] for one in self.events("cmd.done") if one.data["id"] == cid]

    def rate(self) -> tuple[int, int]:
        """The options in force, as the parts have them: bytes per second, milliseconds."""
        (gpio,) = (one for one in self.service.devices if one.device == "gpio")
        return self.service.uploader._rate, gpio._mains.on_ms  # type: ignore[attr-defined]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    rig = Rig(tmp_path / "r", seats=1)
    rig.folder.mkdir()
    rig.write_files()
    made = Room(rig)
    yield made
    made.service.close()
    rig.stop()


FILE = (8192 * 1024, 1000)
FAST = (512 * 1024, 9000)


def test_a_new_epoch_is_opened_and_its_result_stands_in_it(room: Room) -> None:
    before = room.service.journal.epoch
    assert room.command("journal.reopen", "c1")["ok"]
    epoch = room.service.journal.epoch
    assert epoch != before
    assert room.service.runtime.state.epoch == epoch
    room.tick()
    (done,) = room.events("cmd.done")
    assert (done.epoch, done.data["result"]) == (epoch, "reopened")
    (accepted,) = room.events("cmd.accepted")
    assert accepted.epoch == before
    last = room.events("epoch.opened")[-1]
    assert (last.data["cause"], last.data["pred_epoch"]) == ("reopen", before)
    assert room.command("journal.reopen", "c1") == {
        "ok": True,
        "result": "reopened",
        "repeated": True,
    }
    assert room.service.journal.epoch == epoch
    room.ack()
    assert room.service.journal.acked(epoch) == room.service.journal.seq, "sending goes on"


def test_a_start_in_the_middle_of_a_reopening_is_the_reopening(room: Room) -> None:
    room.service.effects.remote = lambda _effect: None  # the power goes before it acts
    room.command("journal.reopen", "c1")
    room.restart()
    assert room.result("c1") == ["reopened"]


def test_options_are_in_force_at_once_and_kept_when_the_hub_has_answered(room: Room) -> None:
    assert room.rate() == FILE
    births = room.wire.sent.count("birth")
    assert room.command("config.apply", "c1", version=1, set=SLOWER)["ok"]
    assert room.rate() == FAST
    assert room.wire.sent.count("birth") == births + 1, "the hub is asked at once"
    room.tick(ASK_MS)
    assert room.wire.sent.count("birth") == births + 2, "and again"
    assert room.result("c1") == []
    room.ack()
    room.tick()
    assert room.result("c1") == ["kept"]
    assert room.events("config.applied")[0].data["set"] == SLOWER
    kept = json.loads(room.service.journal.kv_get("config") or b"")
    assert kept == {"version": 1, "set": SLOWER}
    room.restart()
    assert room.rate() == FAST
    started = [one.data["config_hash"] for one in room.events("room.started")]
    assert started[0] != started[1], "the record says that it runs otherwise"
    room.tick(TRIAL_MS)
    assert (room.rate(), room.events("config.reverted")) == (FAST, [])
    assert room.command("config.apply", "c2", version=2, set={})["ok"]
    assert room.rate() == FILE, "what is not named is the file's"


def test_options_over_which_the_hub_does_not_answer_are_taken_back(room: Room) -> None:
    room.ack()  # an answer to what was asked before proves nothing
    room.now[0] += 1
    room.command("config.apply", "c1", version=1, set=SLOWER)
    room.tick(TRIAL_MS - 2000)
    assert room.rate() == FAST
    room.tick(2000)
    assert room.rate() == FILE
    assert room.result("c1") == ["reverted"]
    assert room.events("config.reverted")[0].data["cause"] == "no_round_trip"
    assert room.service.journal.kv_get("config") is None
    assert room.command("config.apply", "c2", version=1, set=SLOWER)["ok"], "its version is free"


def test_options_on_trial_do_not_survive_a_restart(room: Room) -> None:
    room.command("config.apply", "c1", version=1, set=SLOWER)
    room.restart()
    assert (room.rate(), room.result("c1")) == (FILE, ["reverted"])
    assert room.events("config.reverted")[0].data["cause"] == "restart"
    room.ack()
    room.tick()
    assert room.events("config.applied") == []


def test_options_are_judged_like_the_file_and_refused_by_name(room: Room) -> None:
    cases: list[tuple[int, dict[str, Any], str, str]] = [
        (1, {"media.dir": "/srv/x"}, "not_live", "media.dir"),
        (1, {"locker.port": "/dev/x"}, "not_live", "locker.port"),
        (1, {"media.speed": 4}, "unknown_option", "media.speed"),
        (1, {"media.upload_kib_s": 1}, "bad_argument", "media.upload_kib_s"),
        (1, {"media.upload_kib_s": "512"}, "bad_argument", "media.upload_kib_s"),
        (1, {"media.upload_kib_s": True}, "bad_argument", "media.upload_kib_s"),
        (1, {f"a.b{n}": 1 for n in range(40)}, "bad_argument", "set"),
        (0, {"media.upload_kib_s": 512}, "old_version", "version"),
    ]
    for at, (version, values, reason, where) in enumerate(cases):
        answer = room.command("config.apply", f"c{at}", version=version, set=values)
        assert (answer["reason"], answer["where"]) == (reason, where)
    told = [(one.data["reason"], one.data["where"]) for one in room.events("config.refused")]
    assert told == [(reason, where) for _, _, reason, where in cases]
    assert room.rate() == FILE


def test_the_same_options_again_are_no_act(room: Room) -> None:
    room.command("config.apply", "c1", version=1, set=SLOWER)
    room.ack()
    room.tick()
    room.command("config.apply", "c2", version=1, set=SLOWER)
    assert room.result("c2") == ["unchanged"]
    assert room.command("config.apply", "c3", version=1, set={})["reason"] == "old_version"
    assert len(room.events("config.tried")) == 1


def test_a_kept_configuration_this_program_does_not_know_leaves_the_file_in_force(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    for kept in (b'{"version":4,"set":{"media.gone":1}}', b"[1]", b"{"):
        room.service.journal.kv_put("config", kept)
        room.restart()
        assert room.rate() == FILE
        assert "the kept configuration is not in force" in caplog.text
        caplog.clear()


def second_line(room: Room) -> None:
    """The room's file gets another line to the hub."""
    text = room.rig.toml.read_text(encoding="utf-8")
    room.rig.toml.write_text(text.replace("[media]", SECOND + "[media]"), encoding="utf-8")
    room.restart()


def in_use(room: Room) -> tuple[int, int | None, str]:
    side = room.service
    return side.pipe.broker.port, side.uploader._target.port, side.fetcher.url


def test_a_room_with_one_line_refuses_by_name(room: Room) -> None:
    assert room.command("network.switch", "c1")["reason"] == "no_second_uplink"


def test_a_line_is_kept_when_the_hub_has_answered_over_it_and_after_a_restart(room: Room) -> None:
    second_line(room)
    assert in_use(room) == (room.rig.mqtt_port, 9, "http://127.0.0.1:9")
    assert room.command("network.switch", "c1")["ok"]
    room.tick()
    assert in_use(room) == (4711, 4712, "http://127.0.0.1:4712")
    room.restart()
    assert in_use(room)[0] == room.rig.mqtt_port, "on trial only"
    assert room.result("c1") == ["reverted"]
    room.asked()
    room.now[0] += 1
    room.command("network.switch", "c2", to="second")
    room.ack()
    room.tick()
    room.ack()
    room.tick()
    assert room.result("c2") == [], "asked over the other line, answered now: no proof of this one"
    room.asked()
    room.ack()
    room.tick()
    assert room.result("c2") == ["kept"]
    room.restart()
    assert in_use(room) == (4711, 4712, "http://127.0.0.1:4712")
    states = [one.data["state"] for one in room.events("network.switched")]
    assert states == ["trial", "reverted", "trial", "kept"]


def test_a_line_that_does_not_carry_is_given_up_by_itself(room: Room) -> None:
    second_line(room)
    room.command("network.switch", "c1")
    room.tick(TRIAL_MS)
    room.tick()
    assert in_use(room)[0] == room.rig.mqtt_port
    last = room.events("network.switched")[-1].data
    assert (last["uplink"], last["before"], last["cause"]) == ("first", "second", "no_round_trip")


def test_a_line_by_an_interface_leaves_from_its_address(room: Room) -> None:
    assert address_of("lo") == "127.0.0.1"
    with pytest.raises(OSError, match="No such device"):
        address_of("none0")
    text = room.rig.toml.read_text(encoding="utf-8")
    lines = '[second_uplink]\ninterface = "lo"\n'
    room.rig.toml.write_text(text.replace("[media]", lines + "[media]"), encoding="utf-8")
    room.restart()
    room.command("network.switch", "c1")
    room.tick()
    broker = room.service.pipe.broker
    assert (broker.port, broker.source()) == (room.rig.mqtt_port, "127.0.0.1")


def test_a_second_line_without_encryption_is_refused_at_the_start(room: Room) -> None:
    text = room.rig.toml.read_text(encoding="utf-8")
    lines = '[second_uplink]\nurl = "http://hub.example"\n'
    room.rig.toml.write_text(text.replace("[media]", lines + "[media]"), encoding="utf-8")
    room.service.close()
    with pytest.raises(ConfigError, match="second_uplink"):
        build(read_room_file(room.rig.toml))
    room.rig.toml.write_text(text, encoding="utf-8")
    room.start()


def test_contents_that_are_asked_for_go_first_even_if_they_were_sent_before(room: Room) -> None:
    spool = room.service.uploader._spool
    kept = []
    for n in range(4):
        path = spool.folder / "new"
        path.write_bytes(bytes([n]))
        kept.append(spool.take(path, {}, ()).sha256)
    spool.uploaded(kept[3])
    assert room.command("clip.fetch", "c1", segments=["0" * 64])["reason"] == "unknown_clip"
    assert room.command("clip.fetch", "c2", segments=[kept[3], kept[2]])["ok"]
    room.tick()
    assert room.result("c2") == ["queued"]
    assert [one.sha256 for one in spool.pending()] == [kept[2], kept[3], kept[0], kept[1]]


def test_contents_that_cannot_be_marked_are_a_named_failure(room: Room) -> None:
    spool = room.service.uploader._spool
    path = spool.folder / "new"
    path.write_bytes(b"x")
    sha256 = spool.take(path, {}, ()).sha256
    assert sha256 == hashlib.sha256(b"x").hexdigest()
    hands = room.service.runtime.hands
    assert hands is not None

    class Full:
        """A spool whose disk takes nothing."""

        def has(self, _sha256: str) -> bool:
            return True

        def fetch(self, _contents: object) -> None:
            raise OSError(28, "No space left on device")

    hands.spool = Full()  # type: ignore[attr-defined]
    room.command("clip.fetch", "c1", segments=[sha256])
    room.tick()
    assert room.result("c1") == ["failed:No space left on device"]


def test_an_id_is_answered_once_however_much_came_between(room: Room) -> None:
    spool = room.service.uploader._spool
    path = spool.folder / "new"
    path.write_bytes(b"picture")
    sha256 = spool.take(path, {}, ()).sha256
    assert room.command("clip.fetch", "first", segments=[sha256])["ok"]
    room.tick()
    spool.uploaded(sha256)
    for n in range(COMMANDS_KEPT + 5):
        room.command("network.switch", f"c{n}")  # refused for want of a line, and that is kept
    assert "first" not in room.service.runtime.state.answers
    rows = room.service.journal.seq
    answer = {"ok": True, "result": "queued", "repeated": True}
    assert room.command("clip.fetch", "first", segments=[sha256]) == answer
    room.tick()
    assert spool.pending() == [], "it was not offered again"
    assert room.service.journal.seq == rows
    room.restart()
    assert room.command("clip.fetch", "first", segments=[sha256]) == answer


def test_orders_and_statements_are_answered_from_the_journal_like_commands(room: Room) -> None:
    drafts = [
        Draft("order.accepted", "s-1", {"id": "o1"}),
        Draft("order.refused", "s-1", {"id": "o2", "reason": "needs"}),
        Draft("statement.accepted", "s-1", {"id": "st"}),
        Draft("phase.changed", "s-1", {"id": "p"}),
    ]
    kept = answers_in(drafts)
    assert kept == {"o1": b"accepted", "o2": b"needs", "st": b"accepted"}
    room.service.journal.append((), results=kept)
    rows = room.service.journal.seq
    told = [
        room.service.runtime.feed([Turn(kind, {"id": name, "session": "s-1"})]).answers[0].result
        for kind, name in (
            ("order", "o1"),
            ("order_refused", "o1"),
            ("order", "o2"),
            ("statement", "st"),
        )
    ]
    accepted, refused = {"ok": True, "repeated": True}, {"ok": False, "reason": "needs"}
    assert told == [accepted, accepted, {**refused, "repeated": True}, accepted]
    assert room.service.journal.seq == rows

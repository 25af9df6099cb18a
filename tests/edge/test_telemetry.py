"""Telemetry: on change, at connect and each minute; whole numbers; never in the journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.app import build
from edge.config import read_room_file
from edge.service import RoomService
from edge.telemetry import EVERY_MS, Reporter
from edge.turn import Turn
from protocols.messages.status import Telemetry, decode_tm
from protocols.messages.topics import UP_TM
from tests.system.room_rig import Rig


@dataclass
class Cable:
    """A pipe that keeps what was sent."""

    works: bool = True
    sent: list[bytes] = field(default_factory=list)

    def send(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> bool:
        if topic.endswith(UP_TM) and self.works:
            assert (qos, retain) == (0, False)
            self.sent.append(payload)
        return self.works


def connected(service: RoomService, now: list[int]) -> Cable:
    """The room's uplink on a cable, its telemetry on a clock moved by hand."""
    cable = Cable()
    service.uplink.pipe = cable
    assert isinstance(service.uplink.reporter, Reporter)
    service.uplink.reporter.mono_ms = lambda: now[0]
    service.uplink.link(up=True)
    return cable


def values(raw: bytes) -> dict[str, Any]:
    told = decode_tm(raw)
    assert isinstance(told, Telemetry)
    return dict(told.values)


def test_a_room_tells_of_itself_on_change_and_each_minute(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "r", seats=1)
    rig.folder.mkdir()
    rig.write_files()
    service, now = build(read_room_file(rig.toml)), [5_000]
    service.uplink.tick()
    cable = connected(service, now)
    service.uplink.tick()
    service.uplink.tick()
    (first,) = map(values, cable.sent)
    assert (first["power"], first["network"]) == (
        {"mains": "unknown", "ups": "unknown", "charge_pct": None},
        "unknown",
    )
    assert first["outbox"]["rows"] == 1
    assert first["outbox"]["oldest_s"] in range(60)
    assert first["journal"]["free_bytes"] > 0
    assert first["media"]["segments_waiting"] == 0
    assert (first["streams"], first["segment_age_s"]) == ({"cam1": "unknown"}, {"cam1": None})
    assert (first["storage"], first["devices_lost"]) == ("ok", 0)
    assert first["lines"] == {"in_use": "first", "other": "none"}

    written = service.journal.seq
    now[0] += EVERY_MS - 1
    service.uplink.tick()
    assert len(cable.sent) == 1
    now[0] += 1
    service.uplink.tick()
    assert len(cable.sent) == 2
    assert service.journal.seq == written, "nothing of it is journalled"

    service.runtime.feed([Turn("network", {"rung": "mqtt", "detail": ""})])
    cable.works = False
    service.uplink.tick()  # what could not be handed over is still due
    cable.works = True
    service.uplink.tick()
    service.uplink.tick()
    assert [values(raw)["network"] for raw in cable.sent[2:]] == ["mqtt"]
    service.uplink.link(up=False)
    now[0] += 2 * EVERY_MS
    service.uplink.tick()
    assert len(cable.sent) == 3
    service.uplink.link(up=True)
    service.uplink.tick()
    assert len(cable.sent) == 4
    service.close()
    rig.stop()

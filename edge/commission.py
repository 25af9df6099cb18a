"""`edge selftest` and `edge commission`: is every device wired as the file says?

Self-test asks each device by itself. Commissioning asks a person to do one thing at a time and
waits for the board to see it; a step that is not seen says what to check. Nothing is journalled:
this runs before a room is in use, with the controller stopped.
"""

from __future__ import annotations

import queue
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from edge.app import build_board, build_devices
from edge.config import RoomFile
from edge.devices import Device, DeviceError, LockBoard, Reading
from edge.media import sandbox
from protocols.wire.lockboard import BitOrder, Feedback

STEP_S = 60.0  # long enough to walk to the cabinet
SETTLE_S = 3.0  # boards are polled every 250 ms, the radar speaks after two seconds
READINGS_MAX = 1024
EX_OK, EX_FAILED, EX_USAGE = 0, 1, 64


def mono_ms() -> int:
    """Milliseconds since boot."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


@dataclass(slots=True)
class Bench:
    """The room's devices on the bench, and what they say."""

    board: LockBoard
    devices: list[Device]
    readings: queue.Queue[Reading] = field(default_factory=lambda: queue.Queue(READINGS_MAX))
    doors: dict[int, str] = field(default_factory=dict)
    moved: set[int] = field(default_factory=set)

    def closed(self) -> bool:
        """Whether every locker reads closed."""
        return bool(self.doors) and set(self.doors.values()) == {"closed"}

    def seen(self, wanted: Callable[[Reading], bool], within_s: float) -> bool:
        """Waits for a reading."""
        end = time.monotonic() + within_s
        while (left := end - time.monotonic()) > 0:
            try:
                if wanted(self._note(self.readings.get(timeout=left))):
                    return True
            except queue.Empty:
                break
        return False

    def drain(self) -> None:
        """Forgets what was said before the step."""
        while not self.readings.empty():
            self._note(self.readings.get_nowait())
        self.moved.clear()

    def _note(self, reading: Reading) -> Reading:
        """Keeps what the doors are, and which of them moved."""
        if reading.kind == "lockers":
            rows: Any = reading.data["states"]
            now = {int(lock): str(row[0]) for lock, row in rows.items()}
            self.moved |= {lock for lock, door in now.items() if self.doors.get(lock, door) != door}
            self.doors = now
        return reading


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a person does: what to do, what must be seen, what to check if it is not."""

    ask: str
    wanted: Callable[[Reading], bool]
    check: str
    lock: int = 0


@contextmanager
def _bench(room: RoomFile) -> Iterator[Bench]:
    readings: queue.Queue[Reading] = queue.Queue(READINGS_MAX)

    def sink(reading: Reading) -> None:
        if not readings.full():
            readings.put(reading)

    board = build_board(room, sink, mono_ms)
    bench = Bench(board, build_devices(room, board, sink, mono_ms), readings)
    with ExitStack() as stack:
        for device in bench.devices:
            stack.callback(device.close)
            device.start()
        bench.seen(lambda _: False, SETTLE_S)
        yield bench


def selftest(room: RoomFile) -> int:
    """Asks every device; one line each. Returns 0, or 1 when one does not answer."""
    try:
        with _bench(room) as bench:
            found = [(device.device, device.selftest()) for device in bench.devices]
        found.append(("media", _media_box(room)))
    except DeviceError as error:
        sys.stderr.write(f"evalroom edge selftest: {error}\n")
        return EX_USAGE
    for name, result in found:
        word = "ok    " if result.get("ok") else "FAILED"
        sys.stdout.write(f"{word} {name}: {result.get('detail', '')}\n")
    return EX_OK if all(result.get("ok") for _, result in found) else EX_FAILED


def _media_box(room: RoomFile) -> dict[str, Any]:
    """Whether this machine can shut the media tools in, and whether the room's file demands it."""
    lacking = sandbox.missing()
    demanded = room.get("media", "box") == "must"
    return {"ok": not (lacking and demanded), "detail": lacking or "the media tools are shut in"}


def learned(room: RoomFile, bench: Bench, lock: int) -> str:
    """What the doors of an 8A/80 board tell about its wiring; '' when nothing.

    Args:
        room: its file.
        bench: what was seen.
        lock: the lock that was to open, 0 when every door was to be closed.
    """
    if room.get("locker", "board") != "8a80":
        return ""
    if not lock and set(bench.doors.values()) == {"open"}:
        return _other(room, "feedback", Feedback)
    if lock and bench.moved and lock not in bench.moved:
        return _other(room, "bit_order", BitOrder)
    return ""


def _other(room: RoomFile, option: str, words: type[Enum]) -> str:
    (other,) = (one.value for one in words if one.value != room.get("locker", option))
    return f'the board is wired the other way: write [locker] {option} = "{other}", start again'


def _steps(room: RoomFile, bench: Bench) -> Iterator[Step]:
    def door(wanted: str) -> Callable[[Reading], bool]:
        return lambda r: r.kind == "lockers" and _door(r.data, 1) == wanted

    def item(wanted: str) -> Callable[[Reading], bool]:
        return lambda r: r.kind == "lockers" and _item(r.data, 1) == wanted

    def sits(station: int) -> Callable[[Reading], bool]:
        return lambda r: r.kind == "mat" and r.data == {"station": station, "on": True}

    yield Step(
        "刷一次身份证 / Present an ID card",
        lambda r: r.kind == "card",
        "reader port, cable, module authorisation",
    )
    if not bench.closed():
        yield Step(
            "关上所有柜门 / Close every locker",
            lambda _: bench.closed(),
            "hook switches, for 8A/80 boards `feedback`",
        )
    yield Step(
        "看 1 号柜门弹开 / Watch locker 1 spring open",
        door("open"),
        "address, 12 V, and for 8A/80 boards `feedback` and `bit_order`",
        lock=1,
    )
    if room.get("locker", "board") == "cu16" and room.get("locker", "item_sensor"):
        beam = "item beam of locker 1; a board without beams needs `item_sensor = false`"
        yield Step("放一件物品到 1 号柜 / Put something into locker 1", item("present"), beam)
        yield Step("取出物品 / Take it out again", item("absent"), beam)
    yield Step("关上 1 号柜门 / Close locker 1", door("closed"), "hook switch, `feedback`")
    for seat in room.seats:
        yield Step(
            f"坐到 {seat.station} 号机位 / Sit down at station {seat.station}",
            sits(seat.station),
            f"mat pin {seat.mat_pin}",
        )
    yield Step(
        "拔掉市电 / Pull the mains plug",
        lambda r: r.kind == "mains" and r.data == {"present": False},
        f"mains contact on pin {room.get('power', 'mains_pin')}",
    )
    yield Step(
        "插回市电 / Plug it in again",
        lambda r: r.kind == "mains" and r.data == {"present": True},
        f"mains contact on pin {room.get('power', 'mains_pin')}",
    )


def _door(data: Any, lock: int) -> str:
    return str(data["states"].get(str(lock), ["unknown"])[0])


def _item(data: Any, lock: int) -> str:
    return str(data["states"].get(str(lock), ["", "unknown"])[1])


def commission(room: RoomFile) -> int:
    """Guides a person through the wiring. Returns 0, or 1 when a step was not seen."""
    failed = 0
    try:
        with _bench(room) as bench:
            for number, step in enumerate(_steps(room, bench), 1):
                sys.stdout.write(f"{number}. {step.ask} … ")
                sys.stdout.flush()
                bench.drain()
                if step.lock:
                    bench.board.open(step.lock)
                seen = bench.seen(step.wanted, STEP_S)
                what = learned(room, bench, step.lock) or f"check {step.check}"
                sys.stdout.write("ok\n" if seen else f"NOT SEEN: {what}\n")
                failed += not seen
    except DeviceError as error:
        sys.stderr.write(f"evalroom edge commission: {error}\n")
        return EX_USAGE
    return EX_FAILED if failed else EX_OK

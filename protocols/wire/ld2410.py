"""HLK-LD2410B/C presence radar (256000 8N1, or 115200 after commissioning), both sides.

    report  F4 F3 F2 F1 | len | 02|01 AA state moving(3) still(3) far(2) ... 55 00 | F8 F7 F6 F5
    config  FD FC FB FA | len | command(2) | value                            | 04 03 02 01

All numbers little-endian; `len` counts what lies between itself and the footer. There is no check
byte, only header, footer and the inner AA ... 55 00: a damaged number inside cannot be noticed, so
a driver believes two agreeing reports, not one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum

from protocols.wire.framing import FrameCutter

REPORT_HEAD, REPORT_FOOT = b"\xf4\xf3\xf2\xf1", b"\xf8\xf7\xf6\xf5"
CONFIG_HEAD, CONFIG_FOOT = b"\xfd\xfc\xfb\xfa", b"\x04\x03\x02\x01"
HEAD_BYTES = 4
LENGTH_END = HEAD_BYTES + 2
INNER_HEAD, INNER_FOOT = 0xAA, b"\x55\x00"
ENGINEERING, BASIC = 0x01, 0x02
BASIC_BYTES = 13
GATES = 9
# Basic part without the inner footer, max gates, 2 x 9 energies, light, OUT pin, inner footer.
ENGINEERING_BYTES = 11 + 2 + 2 * GATES + 2 + 2
# Engineering reports carry 35 bytes, the longest acknowledgement 28; more is damage.
PAYLOAD_BYTES_MAX = 64
FRAME_BYTES_MAX = LENGTH_END + PAYLOAD_BYTES_MAX + HEAD_BYTES
ACK_FLAG = 0x0100
COMMAND_BYTES_MIN = 2
ACK_BYTES_MIN = 4


class Target(IntEnum):
    """What the radar sees."""

    NONE = 0
    MOVING = 1
    STILL = 2
    BOTH = 3


@dataclass(frozen=True, slots=True)
class Report:
    """One report, about ten a second.

    Args:
        target: what is seen.
        moving_cm: distance of the moving target.
        moving_energy: 0..100.
        still_cm: distance of the still target.
        still_energy: 0..100.
        detection_cm: distance the module decided on.
        moving_gates: energies per gate; empty in basic mode.
        still_gates: the same for still targets.
        light: 0..255; None in basic mode.
        out_pin: level of the OUT pin; None in basic mode.
    """

    target: Target
    moving_cm: int
    moving_energy: int
    still_cm: int
    still_energy: int
    detection_cm: int
    moving_gates: tuple[int, ...] = ()
    still_gates: tuple[int, ...] = ()
    light: int | None = None
    out_pin: bool | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    """The module's answer to a command; `ok` is status 0, `value` what follows the status."""

    command: int
    ok: bool
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class Command:
    """One configuration command and its value."""

    command: int
    value: bytes = b""


ENABLE_CONFIG = Command(0xFF, b"\x01\x00")
END_CONFIG = Command(0xFE)
ENGINEERING_ON = Command(0x62)
ENGINEERING_OFF = Command(0x63)
READ_PARAMETERS = Command(0x61)
SET_GATES, SET_SENSITIVITY = 0x60, 0x64
READ_FIRMWARE = Command(0xA0)
FACTORY_RESET = Command(0xA2)
RESTART = Command(0xA3)
# The Bluetooth password of every module from the factory is `HiLink`.
BLUETOOTH_OFF = Command(0xA4, b"\x00\x00")
BAUD_INDEX = {9600: 1, 19200: 2, 38400: 3, 57600: 4, 115200: 5, 230400: 6, 256000: 7, 460800: 8}


def _words(*pairs: tuple[int, int]) -> bytes:
    return b"".join(key.to_bytes(2, "little") + value.to_bytes(4, "little") for key, value in pairs)


def _check_range(what: str, value: int, *, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"radar {what}: expected {low}..{high}, got {value}")


def set_baud(baud: int) -> Command:
    """The command that changes the speed after the next restart.

    Raises:
        ValueError: not a speed of this module.
    """
    if baud not in BAUD_INDEX:
        expected = ", ".join(map(str, BAUD_INDEX))
        raise ValueError(f"radar baud: expected one of {expected}, got {baud}")
    return Command(0xA1, BAUD_INDEX[baud].to_bytes(2, "little"))


def set_gates(*, moving_max: int, still_max: int, clear_s: int) -> Command:
    """The command that limits the range (gates 2..8) and sets the module's own clear delay.

    Raises:
        ValueError: out of range.
    """
    _check_range("moving_max", moving_max, low=2, high=GATES - 1)
    _check_range("still_max", still_max, low=2, high=GATES - 1)
    _check_range("clear_s", clear_s, low=0, high=0xFFFF)
    return Command(SET_GATES, _words((0, moving_max), (1, still_max), (2, clear_s)))


def set_sensitivity(*, gate: int, moving: int, still: int) -> Command:
    """The command that sets the thresholds (0..100) of one gate (0..8).

    Raises:
        ValueError: out of range.
    """
    _check_range("gate", gate, low=0, high=GATES - 1)
    _check_range("moving", moving, low=0, high=100)
    _check_range("still", still, low=0, high=100)
    return Command(SET_SENSITIVITY, _words((0, gate), (1, moving), (2, still)))


def _wrap(head: bytes, payload: bytes, foot: bytes) -> bytes:
    return head + len(payload).to_bytes(2, "little") + payload + foot


def encode(command: Command) -> bytes:
    """The bytes of a command, as the host sends them."""
    payload = command.command.to_bytes(2, "little") + command.value
    return _wrap(CONFIG_HEAD, payload, CONFIG_FOOT)


def encode_event(event: Report | Ack) -> bytes:
    """The bytes of a report or an acknowledgement, as the module sends them."""
    if isinstance(event, Ack):
        command = (event.command | ACK_FLAG).to_bytes(2, "little")
        status = (0 if event.ok else 1).to_bytes(2, "little")
        return _wrap(CONFIG_HEAD, command + status + event.value, CONFIG_FOOT)
    return _wrap(REPORT_HEAD, _report_payload(event), REPORT_FOOT)


def _report_payload(report: Report) -> bytes:
    body = bytes((INNER_HEAD, report.target))
    body += report.moving_cm.to_bytes(2, "little") + bytes((report.moving_energy,))
    body += report.still_cm.to_bytes(2, "little") + bytes((report.still_energy,))
    body += report.detection_cm.to_bytes(2, "little")
    if report.light is None:
        return bytes((BASIC,)) + body + INNER_FOOT
    gates = bytes((GATES - 1, GATES - 1, *report.moving_gates, *report.still_gates))
    pins = bytes((report.light, int(bool(report.out_pin))))
    return bytes((ENGINEERING,)) + body + gates + pins + INNER_FOOT


def _size_of(window: bytes) -> int | None:
    if len(window) < LENGTH_END:
        return None
    return LENGTH_END + int.from_bytes(window[HEAD_BYTES:LENGTH_END], "little") + HEAD_BYTES


def _sound(frame: bytes) -> bool:
    payload, foot = frame[LENGTH_END:-HEAD_BYTES], frame[-HEAD_BYTES:]
    if frame.startswith(CONFIG_HEAD):
        return foot == CONFIG_FOOT and len(payload) >= COMMAND_BYTES_MIN
    return foot == REPORT_FOOT and _report_shaped(payload)


def _report_shaped(payload: bytes) -> bool:
    kind, size = payload[:1], len(payload)
    return (
        (kind, size) in {(bytes((BASIC,)), BASIC_BYTES), (bytes((ENGINEERING,)), ENGINEERING_BYTES)}
        and payload[1] == INNER_HEAD
        and payload[2] in set(Target)
        and payload.endswith(INNER_FOOT)
    )


def _cutter() -> FrameCutter:
    return FrameCutter((REPORT_HEAD, CONFIG_HEAD), _size_of, _sound, FRAME_BYTES_MAX)


def _report(payload: bytes) -> Report:
    basic = Report(
        target=Target(payload[2]),
        moving_cm=int.from_bytes(payload[3:5], "little"),
        moving_energy=payload[5],
        still_cm=int.from_bytes(payload[6:8], "little"),
        still_energy=payload[8],
        detection_cm=int.from_bytes(payload[9:11], "little"),
    )
    if payload[0] == BASIC:
        return basic
    return replace(
        basic,
        moving_gates=tuple(payload[13 : 13 + GATES]),
        still_gates=tuple(payload[13 + GATES : 13 + 2 * GATES]),
        light=payload[-4],
        out_pin=payload[-3] != 0,
    )


def _heard(frame: bytes) -> Report | Ack | None:
    payload = frame[LENGTH_END:-HEAD_BYTES]
    if frame.startswith(REPORT_HEAD):
        return _report(payload)
    command = int.from_bytes(payload[:2], "little")
    if not command & ACK_FLAG or len(payload) < ACK_BYTES_MIN:
        return None
    return Ack(command & ~ACK_FLAG, payload[2:4] == b"\0\0", payload[4:])


@dataclass(slots=True)
class HostDecoder:
    """What the host hears: reports and acknowledgements."""

    _cutter: FrameCutter = field(default_factory=_cutter)

    @property
    def dropped_bytes(self) -> int:
        """Bytes that belonged to no frame."""
        return self._cutter.dropped_bytes

    @property
    def pending(self) -> int:
        """Bytes that may be the beginning of a frame."""
        return self._cutter.pending

    def receive_data(self, data: bytes) -> list[Report | Ack]:
        """Adds bytes from the line; returns the reports and acknowledgements they complete."""
        return self._events(self._cutter.receive_data(data))

    def flush(self) -> list[Report | Ack]:
        """The line went quiet; returns what was found in the waiting bytes, keeps nothing."""
        return self._events(self._cutter.flush())

    def _events(self, frames: list[bytes]) -> list[Report | Ack]:
        events = [_heard(frame) for frame in frames]
        return [event for event in events if event is not None]


@dataclass(slots=True)
class BoardDecoder:
    """What the module hears: commands."""

    _cutter: FrameCutter = field(default_factory=_cutter)

    @property
    def dropped_bytes(self) -> int:
        """Bytes that belonged to no frame."""
        return self._cutter.dropped_bytes

    def receive_data(self, data: bytes) -> list[Command]:
        """Adds bytes from the line; returns the commands they complete."""
        return self._commands(self._cutter.receive_data(data))

    def flush(self) -> list[Command]:
        """The line went quiet; an unfinished command is forgotten."""
        return self._commands(self._cutter.flush())

    def _commands(self, frames: list[bytes]) -> list[Command]:
        payloads = [
            frame[LENGTH_END:-HEAD_BYTES] for frame in frames if frame.startswith(CONFIG_HEAD)
        ]
        return [Command(int.from_bytes(payload[:2], "little"), payload[2:]) for payload in payloads]

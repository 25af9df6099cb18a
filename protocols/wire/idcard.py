"""Resident ID card reader with an SAM_V module: frames of GA/T 467-2019 §7, both sides.

    host -> SAM  AA AA AA 96 69 | LenH LenL | CMD PARA [data]      | CHK
    SAM -> host  AA AA AA 96 69 | LenH LenL | SW1 SW2 SW3 [data]   | CHK

Len counts the bytes after itself, CHK included; CHK is the XOR of everything between the preamble
and itself. An answer does not say which command it answers: the driver asks one thing at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from protocols.wire.framing import FrameCutter, xor_of

PREAMBLE = b"\xaa\xaa\xaa\x96\x69"
LENGTH_END = len(PREAMBLE) + 2
# SW1 SW2 SW3 CHK, and CMD PARA CHK: nothing shorter is an answer or a command.
ANSWER_LENGTH_MIN = 4
COMMAND_LENGTH_MIN = 3
# Text, photo and two fingerprints: the longest answer there is, 2321 bytes on the line.
ANSWER_BYTES_MAX = 2321
# The longest command is `max RF frame`; anything longer than this is damage.
COMMAND_BYTES_MAX = 64
TEXT_BYTES = 256
PHOTO_BYTES = 1024
# Lengths of text and photo, two bytes each, before the content of a read.
READ_HEAD = b"\x01\x00\x04\x00"


class Sw(IntEnum):
    """SW3 of an answer: what the module says about the last command."""

    OK = 0x90
    CARD_FOUND = 0x9F
    CHECKSUM_ERROR = 0x10
    LENGTH_ERROR = 0x11
    BAD_COMMAND = 0x21
    UNKNOWN_ERROR = 0x24
    CARD_REJECTS_SAM = 0x31
    SAM_REJECTS_CARD = 0x32
    INFO_CHECK_FAILED = 0x33
    WRONG_CARD_TYPE = 0x40
    READ_FAILED = 0x41
    RANDOM_FAILED = 0x47
    SELF_TEST_FAILED = 0x60
    NOT_AUTHORISED = 0x66
    NO_CARD = 0x80
    SELECT_FAILED = 0x81
    NO_SUCH_ITEM = 0x91


@dataclass(frozen=True, slots=True)
class Command:
    """One command to the module: command byte, parameter byte, optional data."""

    cmd: int
    para: int
    data: bytes = b""


RESET = Command(0x10, 0xFF)
STATUS = Command(0x11, 0xFF)
SAM_ID = Command(0x12, 0xFF)
FIND = Command(0x20, 0x01)
SELECT = Command(0x20, 0x02)
READ = Command(0x30, 0x01)
READ_WITH_FINGER = Command(0x30, 0x10)
READ_NEW_ADDRESS = Command(0x30, 0x03)
SET_RF_FRAME_80 = Command(0x61, 0xFF, b"\x50")
BAUD_INDEX = {115200: 0, 57600: 1, 38400: 2, 19200: 3, 9600: 4}


def set_baud(baud: int) -> Command:
    """The command that changes the module's speed.

    Raises:
        ValueError: not one of the module's five speeds.
    """
    if baud not in BAUD_INDEX:
        expected = ", ".join(map(str, BAUD_INDEX))
        raise ValueError(f"ID reader baud: expected one of {expected}, got {baud}")
    return Command(0x60, BAUD_INDEX[baud])


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the module: three status bytes, optional data.

    Success is SW1 = SW2 = 0 and SW3 as the command's table says.
    """

    sw3: int
    data: bytes = b""
    sw1: int = 0
    sw2: int = 0

    @property
    def name(self) -> str:
        """The status as a word: `no_card`, `not_authorised`, or `sw_7f` for one without a name."""
        if self.sw1 or self.sw2 or self.sw3 not in set(Sw):
            return "sw_" + bytes((self.sw1, self.sw2, self.sw3)).lstrip(b"\0").hex()
        return Sw(self.sw3).name.lower()


@dataclass(frozen=True, slots=True)
class DamagedCommand:
    """What the board saw instead of a command; it answers with this status."""

    sw: Sw


def _frame(payload: bytes) -> bytes:
    counted = (len(payload) + 1).to_bytes(2, "big") + payload
    return PREAMBLE + counted + bytes((xor_of(counted),))


def _sound(frame: bytes) -> bool:
    return xor_of(frame[len(PREAMBLE) :]) == 0


def _cutter(*, length_min: int, frame_bytes_max: int) -> FrameCutter:
    def size_of(window: bytes) -> int | None:
        if len(window) < LENGTH_END:
            return None
        length = int.from_bytes(window[len(PREAMBLE) : LENGTH_END], "big")
        return LENGTH_END + length if length >= length_min else 0

    return FrameCutter((PREAMBLE,), size_of, _sound, frame_bytes_max)


def _host_cutter() -> FrameCutter:
    return _cutter(length_min=ANSWER_LENGTH_MIN, frame_bytes_max=ANSWER_BYTES_MAX)


def _board_cutter() -> FrameCutter:
    return _cutter(length_min=COMMAND_LENGTH_MIN, frame_bytes_max=COMMAND_BYTES_MAX)


def encode(command: Command) -> bytes:
    """The bytes of a command, as the host sends them."""
    return _frame(bytes((command.cmd, command.para)) + command.data)


def encode_answer(answer: Answer) -> bytes:
    """The bytes of an answer, as the module sends them."""
    return _frame(bytes((answer.sw1, answer.sw2, answer.sw3)) + answer.data)


@dataclass(slots=True)
class HostDecoder:
    """What the host hears: answers."""

    _cutter: FrameCutter = field(default_factory=_host_cutter)

    @property
    def dropped_bytes(self) -> int:
        """Bytes that belonged to no answer."""
        return self._cutter.dropped_bytes

    @property
    def pending(self) -> int:
        """Bytes that may be the beginning of an answer."""
        return self._cutter.pending

    def receive_data(self, data: bytes) -> list[Answer]:
        """Adds bytes from the line; returns the answers they complete."""
        return [_answer(frame) for frame in self._cutter.receive_data(data)]

    def flush(self) -> list[Answer]:
        """The line went quiet; returns answers found in what was waiting, keeps nothing."""
        return [_answer(frame) for frame in self._cutter.flush()]


def _answer(frame: bytes) -> Answer:
    sw1, sw2, sw3 = frame[LENGTH_END : LENGTH_END + 3]
    return Answer(sw3, frame[LENGTH_END + 3 : -1], sw1, sw2)


@dataclass(slots=True)
class BoardDecoder:
    """What the module hears: commands, and damage it has to answer for."""

    _cutter: FrameCutter = field(default_factory=_board_cutter)

    @property
    def dropped_bytes(self) -> int:
        """Bytes that belonged to no command."""
        return self._cutter.dropped_bytes

    def receive_data(self, data: bytes) -> list[Command | DamagedCommand]:
        """Adds bytes from the line; returns commands, then what was damaged among them."""
        return self._heard(data)

    def flush(self) -> list[Command | DamagedCommand]:
        """The line went quiet; an unfinished command is forgotten."""
        return self._heard(None)

    def _heard(self, data: bytes | None) -> list[Command | DamagedCommand]:
        cutter = self._cutter
        checks, lengths = cutter.check_faults, cutter.length_faults
        frames = cutter.flush() if data is None else cutter.receive_data(data)
        heard: list[Command | DamagedCommand] = [
            Command(frame[LENGTH_END], frame[LENGTH_END + 1], frame[LENGTH_END + 2 : -1])
            for frame in frames
        ]
        heard += [DamagedCommand(Sw.CHECKSUM_ERROR)] * (cutter.check_faults - checks)
        heard += [DamagedCommand(Sw.LENGTH_ERROR)] * (cutter.length_faults - lengths)
        return heard


def read_answer(text: bytes, photo: bytes) -> Answer:
    """The module's answer to READ: 256 bytes of text, 1024 of photo; 1295 bytes on the line."""
    return Answer(Sw.OK, READ_HEAD + text + photo)


def split_read(answer: Answer) -> tuple[bytes, bytes] | None:
    """Text and photo of a good READ answer.

    Returns:
        (256 bytes, 1024 bytes), or None when this answer is not one to READ.
    """
    whole = len(READ_HEAD) + TEXT_BYTES + PHOTO_BYTES
    if answer.name != "ok" or len(answer.data) != whole or not answer.data.startswith(READ_HEAD):
        return None
    body = answer.data[len(READ_HEAD) :]
    return body[:TEXT_BYTES], body[TEXT_BYTES:]

"""Kerong CU16 lock boards (19200 8N1, RS-485), both sides: doors and items.

    host -> board  02 | ADDR | CMD | 03 | SUM                             5 bytes
    board -> host  02 | ADDR | 35 | L1-8 L9-16 | IR1-8 IR9-16 | 03 | SUM  9 bytes

SUM is the low byte of the sum of all before. ADDR: high nibble the board, low nibble the lock from
0. An L bit 1 says that the hook is closed, an IR bit 1 that the beam is broken: some item is there,
which item nobody can tell. Only the IR variant of the board wires the IR bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from protocols.wire.framing import FrameCutter, sum_of

STX, ETX = 0x02, 0x03
READ_STATUS, UNLOCK, READ_ALL, UNLOCK_ALL, STATUS_ANSWER = 0x30, 0x31, 0x32, 0x33, 0x35
BOARD_MAX = 9
LOCKS = 16
EVERY_BOARD = 0xF
COMMAND_BYTES, ANSWER_BYTES = 5, 9


@dataclass(frozen=True, slots=True)
class ReadStatus:
    """Asks one board, 0..9, for its bits."""

    board: int


@dataclass(frozen=True, slots=True)
class Unlock:
    """One pulse on one lock, 1..16, of one board. The board does not answer it."""

    board: int
    lock: int


@dataclass(frozen=True, slots=True)
class UnlockAll:
    """One pulse on every lock of a board: evacuation only."""

    board: int
    evacuation: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """The bits of one board; tuples of 16, lock 1 first.

    Args:
        board: 0..9.
        closed: hook closed.
        item: beam broken.
    """

    board: int
    closed: tuple[bool, ...]
    item: tuple[bool, ...]


Command = ReadStatus | Unlock | UnlockAll


def _summed(*values: int) -> bytes:
    body = bytes((STX, *values, ETX))
    return body + bytes((sum_of(body),))


def _bits(raw: bytes) -> tuple[bool, ...]:
    word = int.from_bytes(raw, "little")
    return tuple(bool(word >> index & 1) for index in range(LOCKS))


def _word(bits: tuple[bool, ...]) -> bytes:
    return sum(1 << index for index, bit in enumerate(bits) if bit).to_bytes(LOCKS // 8, "little")


def encode(command: Command) -> bytes:
    """The bytes of a command, as the host sends them.

    Raises:
        ValueError: a board or lock out of range, or `UnlockAll` without the evacuation flag.
    """
    if not 0 <= command.board <= BOARD_MAX:
        raise ValueError(f"CU16 board: expected 0..{BOARD_MAX}, got {command.board}")
    high = command.board << 4
    match command:
        case ReadStatus():
            return _summed(high, READ_STATUS)
        case Unlock(_, lock):
            if not 1 <= lock <= LOCKS:
                raise ValueError(f"CU16 lock: expected 1..{LOCKS}, got {lock}")
            return _summed(high | lock - 1, UNLOCK)
        case _:
            if not command.evacuation:
                raise ValueError(
                    "CU16 unlock all: expected the evacuation flag, got none: "
                    "doors open one at a time, each by its own permit"
                )
            return _summed(high, UNLOCK_ALL)


def encode_event(status: Status) -> bytes:
    """The bytes of a board's answer."""
    return _summed(status.board << 4, STATUS_ANSWER, *_word(status.closed), *_word(status.item))


def _answer_sound(frame: bytes) -> bool:
    return frame[2] == STATUS_ANSWER and frame[-2] == ETX and sum_of(frame[:-1]) == frame[-1]


def _command_sound(frame: bytes) -> bool:
    return frame[-2] == ETX and sum_of(frame[:-1]) == frame[-1]


def _host_cutter() -> FrameCutter:
    return FrameCutter((bytes((STX,)),), lambda _: ANSWER_BYTES, _answer_sound, ANSWER_BYTES)


def _board_cutter() -> FrameCutter:
    return FrameCutter((bytes((STX,)),), lambda _: COMMAND_BYTES, _command_sound, COMMAND_BYTES)


@dataclass(slots=True)
class HostDecoder:
    """What the host hears: status answers."""

    _cutter: FrameCutter = field(default_factory=_host_cutter)

    @property
    def dropped_bytes(self) -> int:
        """Bytes that belonged to no answer; echoes of our own frames are among them."""
        return self._cutter.dropped_bytes

    @property
    def pending(self) -> int:
        """Bytes that may be the beginning of an answer."""
        return self._cutter.pending

    def receive_data(self, data: bytes) -> list[Status]:
        """Adds bytes from the line; returns the answers they complete."""
        return [_status(frame) for frame in self._cutter.receive_data(data)]

    def flush(self) -> list[Status]:
        """The line went quiet; returns answers found in what was waiting, keeps nothing."""
        return [_status(frame) for frame in self._cutter.flush()]


def _status(frame: bytes) -> Status:
    return Status(frame[1] >> 4, _bits(frame[3:5]), _bits(frame[5:7]))


@dataclass(slots=True)
class BoardDecoder:
    """What a board hears: commands."""

    _cutter: FrameCutter = field(default_factory=_board_cutter)

    @property
    def dropped_bytes(self) -> int:
        """Bytes that belonged to no command."""
        return self._cutter.dropped_bytes

    def receive_data(self, data: bytes) -> list[Command]:
        """Adds bytes from the line; returns the commands they complete that we know."""
        return _commands(self._cutter.receive_data(data))

    def flush(self) -> list[Command]:
        """The line went quiet; an unfinished command is forgotten."""
        return _commands(self._cutter.flush())


def _commands(frames: list[bytes]) -> list[Command]:
    heard: list[Command] = []
    for frame in frames:
        board, lock = divmod(frame[1], 16)
        match frame[2]:
            case 0x30 | 0x32:
                heard.append(ReadStatus(board))
            case 0x31:
                heard.append(Unlock(board, lock + 1))
            case 0x33:
                heard.append(UnlockAll(board, evacuation=True))
            case _:
                continue
    return heard

"""Lock boards of the `8A/80` family (9600 8N1, RS-485, BCC = XOR of all bytes), both sides.

    open     8A addr lock 11 BCC        answer  8A addr lock 00|11 BCC
    read all 80 addr 00   33 BCC        answer  80 addr S..S 33 BCC
    read one 80 addr lock 33 BCC        answer  80 addr lock 00|11 BCC

Theory of operation. No frame tells its length: boards of 8 locks answer 7 bytes, others 6 or 11. A
frame ends when the line has been quiet, which only the owner of the port can see: `receive_data`
keeps the bytes and `flush` reads the burst. Boards put garbage before a frame, so the burst is
searched for a head whose bytes up to some end make the XOR zero and have the shape of an answer.
What `11` and a set bit mean depends on how the feedback contact is wired (`Feedback`), which status
byte holds lock 1 on the board's make (`BitOrder`): the commissioning of a cabinet finds out both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from protocols.wire.framing import xor_of

OPEN, OPEN_SEVERAL, READ, CHANGED, HOLD_ON, HOLD_OFF = 0x8A, 0x90, 0x80, 0x82, 0x9A, 0x9B
HEADS = frozenset({OPEN, OPEN_SEVERAL, READ, CHANGED, HOLD_ON, HOLD_OFF})
SET, CLEAR, READ_TAIL = 0x11, 0x00, 0x33
ALL_LOCKS = 0x00
ADDRESS_MAX = 31  # DIP switch of five
LOCK_MAX = 56  # seven status bytes, the longest answer seen
SHORT_FRAME_BYTES = 5
STATUS_BYTES_MIN, STATUS_BYTES_MAX = 2, 7
# Head, address, status, tail, check.
STATUS_FRAME_BYTES_MIN, STATUS_FRAME_BYTES_MAX = STATUS_BYTES_MIN + 4, STATUS_BYTES_MAX + 4
# A burst is one answer and some garbage; more than this without a pause is no answer.
BURST_BYTES_MAX = 64
SECONDS_MAX = 9
BITMAP_BYTES = 3


class Feedback(Enum):
    """What the feedback contact does when the door is closed."""

    CLOSED_SHORT = "closed_short"
    OPEN_SHORT = "open_short"


class BitOrder(Enum):
    """Which status byte holds locks 1 to 8: the last or the first."""

    LOW_LAST = "low_last"
    LOW_FIRST = "low_first"


class Door(Enum):
    """Whether a door is closed; a missing bit is unknown, never open."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ReadAll:
    """Asks a board for all its feedback bits."""

    address: int


@dataclass(frozen=True, slots=True)
class ReadOne:
    """Asks a board for one feedback bit; lock from 1."""

    address: int
    lock: int


@dataclass(frozen=True, slots=True)
class OpenOne:
    """One pulse on one lock, from 1; `seconds` 1..9 lengthens it, 0 leaves the board's own."""

    address: int
    lock: int
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class OpenAll:
    """One pulse on every lock of a board: evacuation only."""

    address: int
    evacuation: bool = False


@dataclass(frozen=True, slots=True)
class OpenSeveral:
    """One pulse on each lock of a set: evacuation only, like `OpenAll`."""

    address: int
    locks: frozenset[int]
    evacuation: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Keeps a lock under current: burns a solenoid. Heard by boards, never sent by the host."""

    address: int
    lock: int
    on: bool


@dataclass(frozen=True, slots=True)
class Status:
    """All feedback bits of a board, in the order of the line."""

    address: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class LockState:
    """One feedback bit: the answer to `OpenOne` or `ReadOne`, or an unasked change.

    An echo of our own `OpenOne` looks the same: never take it for proof that a door moved.
    """

    address: int
    lock: int
    contact: bool
    asked: bool


Command = ReadAll | ReadOne | OpenOne | OpenAll | OpenSeveral | Hold
Event = Status | LockState


def door_of(*, contact: bool, feedback: Feedback) -> Door:
    """What one feedback bit says about the door."""
    closed = contact is (feedback is Feedback.CLOSED_SHORT)
    return Door.CLOSED if closed else Door.OPEN


def doors_of(raw: bytes, *, count: int, feedback: Feedback, bit_order: BitOrder) -> dict[int, Door]:
    """Doors 1..count from the status bytes; those the answer has no bit for are unknown."""
    ordered = raw[::-1] if bit_order is BitOrder.LOW_LAST else raw
    doors: dict[int, Door] = {}
    for index in range(count):
        byte, bit = divmod(index, 8)
        if byte >= len(ordered):
            doors[index + 1] = Door.UNKNOWN
            continue
        contact = bool(ordered[byte] >> bit & 1)
        doors[index + 1] = door_of(contact=contact, feedback=feedback)
    return doors


def status_bytes(
    closed: dict[int, bool], *, size: int, feedback: Feedback, bit_order: BitOrder
) -> bytes:
    """The status bytes a board sends: `size` bytes for locks 1..8*size (inverse of `doors_of`)."""
    raw = bytearray(size)
    for lock, door_closed in closed.items():
        if door_closed is (feedback is Feedback.CLOSED_SHORT):
            raw[(lock - 1) // 8] |= 1 << (lock - 1) % 8
    return bytes(raw[::-1] if bit_order is BitOrder.LOW_LAST else raw)


def _checked(*values: int) -> bytes:
    body = bytes(values)
    return body + bytes((xor_of(body),))


def _check_range(what: str, value: int, *, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"lock board {what}: expected {low}..{high}, got {value}")


def encode(command: Command) -> bytes:
    """The bytes of a command, as the host sends them.

    Raises:
        ValueError: an address, lock or time out of range; `OpenAll` or `OpenSeveral` without the
            evacuation flag; `Hold` always, since a solenoid under lasting current burns.
    """
    _check_range("address", command.address, low=1, high=ADDRESS_MAX)
    match command:
        case ReadAll(address):
            return _checked(READ, address, ALL_LOCKS, READ_TAIL)
        case ReadOne(address, lock):
            _check_range("lock", lock, low=1, high=LOCK_MAX)
            return _checked(READ, address, lock, READ_TAIL)
        case OpenOne(address, lock, seconds):
            _check_range("lock", lock, low=1, high=LOCK_MAX)
            _check_range("seconds", seconds, low=0, high=SECONDS_MAX)
            longer = (seconds,) if seconds else ()
            return _checked(OPEN, address, lock, SET, *longer)
        case Hold():
            raise ValueError("lock board hold: expected one pulse per opening, got lasting current")
        case _:
            return _encode_many(command)


def _encode_many(command: OpenAll | OpenSeveral) -> bytes:
    if not command.evacuation:
        raise ValueError(
            "lock board open many: expected the evacuation flag, got none: "
            "doors open one at a time, each by its own permit"
        )
    if isinstance(command, OpenAll):
        return _checked(OPEN, command.address, ALL_LOCKS, SET)
    bitmap = bytearray(BITMAP_BYTES)
    for lock in command.locks:
        _check_range("lock", lock, low=1, high=8 * BITMAP_BYTES)
        bitmap[(lock - 1) // 8] |= 1 << (lock - 1) % 8
    return _checked(OPEN_SEVERAL, command.address, *bitmap)


def encode_event(event: Event) -> bytes:
    """The bytes of an answer, as a board sends them."""
    if isinstance(event, Status):
        return _checked(READ, event.address, *event.raw, READ_TAIL)
    head = OPEN if event.asked else CHANGED
    return _checked(head, event.address, event.lock, SET if event.contact else CLEAR)


def encode_read_one(state: LockState) -> bytes:
    """The bytes of a board's answer to `ReadOne`."""
    return _checked(READ, state.address, state.lock, SET if state.contact else CLEAR)


@dataclass(slots=True)
class _Burst:
    """Bytes since the line was last quiet, bounded; the oldest go first."""

    dropped_bytes: int = 0
    bytes_: bytes = field(default=b"", repr=False)

    def add(self, data: bytes) -> None:
        whole = self.bytes_ + data
        self.bytes_ = whole[-BURST_BYTES_MAX:]
        self.dropped_bytes += len(whole) - len(self.bytes_)

    def frames(self, sizes: range) -> list[bytes]:
        """Takes the frames of this burst: XOR zero over one of the sizes, longest first."""
        found: list[bytes] = []
        at, burst = 0, self.bytes_
        self.bytes_ = b""
        while at < len(burst):
            if burst[at] not in HEADS:
                self.dropped_bytes += 1
                at += 1
                continue
            frame = next(
                (
                    burst[at : at + size]
                    for size in reversed(sizes)
                    if _is_one_frame(burst[at : at + size])
                ),
                b"",
            )
            if frame:
                found.append(frame)
            else:
                self.dropped_bytes += 1
            at += len(frame) or 1
        return found


def _is_one_frame(frame: bytes) -> bool:
    """Whether the bytes are a frame, and not our own echo with the answer right behind it.

    The XOR of two frames run together is zero as well, and both end like a status.
    """
    first, second = frame[:SHORT_FRAME_BYTES], frame[SHORT_FRAME_BYTES:]
    return _is_frame(frame) and not (_is_frame(first) and _is_frame(second))


def _is_frame(frame: bytes) -> bool:
    """Whether the bytes have the shape of an answer or a command, and their check."""
    if len(frame) < SHORT_FRAME_BYTES or xor_of(frame):
        return False
    head, size = frame[0], len(frame)
    if head in {OPEN, HOLD_ON, HOLD_OFF} and frame[3] == SET:
        return size == SHORT_FRAME_BYTES or (head == OPEN and size == SHORT_FRAME_BYTES + 1)
    if size == SHORT_FRAME_BYTES:
        return head in {OPEN, READ, CHANGED} and frame[3] in {SET, CLEAR, READ_TAIL}
    if head == OPEN_SEVERAL:
        return size == SHORT_FRAME_BYTES + 1
    return head == READ and frame[-2] == READ_TAIL


@dataclass(slots=True)
class HostDecoder:
    """What the host hears: answers of boards. Call `flush` when the line has been quiet."""

    _burst: _Burst = field(default_factory=_Burst)

    @property
    def dropped_bytes(self) -> int:
        """Bytes that belonged to no answer (echoes of our own frames count as answers)."""
        return self._burst.dropped_bytes

    @property
    def pending(self) -> int:
        """Bytes of the burst so far."""
        return len(self._burst.bytes_)

    def receive_data(self, data: bytes) -> list[Event]:
        """Keeps bytes from the line; returns nothing, since only a pause ends a frame."""
        self._burst.add(data)
        return []

    def flush(self) -> list[Event]:
        """The line went quiet: returns the answers of the burst, forgets the rest."""
        sizes = range(SHORT_FRAME_BYTES, STATUS_FRAME_BYTES_MAX + 1)
        events = [_event(frame) for frame in self._burst.frames(sizes)]
        return [event for event in events if event is not None]


def _event(frame: bytes) -> Event | None:
    """The answer in a frame; None for an echo of something only a host says."""
    head, address = frame[0], frame[1]
    if head == READ and len(frame) >= STATUS_FRAME_BYTES_MIN:
        return Status(address, frame[2:-2])
    if len(frame) != SHORT_FRAME_BYTES or head in {HOLD_ON, HOLD_OFF} or frame[3] == READ_TAIL:
        return None
    return LockState(address, frame[2], frame[3] == SET, asked=head != CHANGED)


@dataclass(slots=True)
class BoardDecoder:
    """What a board hears: commands. Call `flush` when the line has been quiet."""

    _burst: _Burst = field(default_factory=_Burst)

    @property
    def dropped_bytes(self) -> int:
        """Bytes that belonged to no command."""
        return self._burst.dropped_bytes

    def receive_data(self, data: bytes) -> list[Command]:
        """Keeps bytes from the line; returns nothing, since only a pause ends a frame."""
        self._burst.add(data)
        return []

    def flush(self) -> list[Command]:
        """The line went quiet: returns the commands of the burst, forgets the rest."""
        sizes = range(SHORT_FRAME_BYTES, SHORT_FRAME_BYTES + 2)
        commands = [_command(frame) for frame in self._burst.frames(sizes)]
        return [command for command in commands if command is not None]


def _command(frame: bytes) -> Command | None:
    """The command in a frame; None for what only boards say."""
    head, address, lock, what = frame[:4]
    if head == OPEN_SEVERAL:
        bits = int.from_bytes(frame[2:-1], "little")
        locks = frozenset(n + 1 for n in range(8 * BITMAP_BYTES) if bits >> n & 1)
        return OpenSeveral(address, locks, evacuation=True)
    if head in {HOLD_ON, HOLD_OFF}:
        return Hold(address, lock, on=head == HOLD_ON)
    if head == OPEN and what == SET:
        seconds = frame[4] if len(frame) > SHORT_FRAME_BYTES else 0
        return OpenAll(address, evacuation=True) if lock == 0 else OpenOne(address, lock, seconds)
    if head == READ and what == READ_TAIL and len(frame) == SHORT_FRAME_BYTES:
        return ReadAll(address) if lock == 0 else ReadOne(address, lock)
    return None

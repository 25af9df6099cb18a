"""Lock boards of the `8A/80` family: doors only, no item bits."""

from __future__ import annotations

from edge.devices import DeviceError, Mono, Sink
from edge.drivers.doors import ANSWER_MS, QUIET_MS, UNKNOWN, DoorAndItem, DoorDriver
from edge.drivers.line import Line
from protocols.wire import lockboard as wire
from protocols.wire.lockboard import BitOrder, Feedback


class LockBoard8a80(DoorDriver):
    """One board on its own line.

    Args:
        address: DIP switch, 1..31.
        feedback: what the contact of a closed door does.
        bit_order: which status byte holds lock 1.

    Raises:
        DeviceError: a count, address or speed the board does not have.
    """

    bauds = (9600,)

    def __init__(
        self,
        *,
        device: str,
        port: str,
        sink: Sink,
        mono: Mono,
        count: int,
        baud: int = 9600,
        address: int = 1,
        feedback: Feedback = Feedback.CLOSED_SHORT,
        bit_order: BitOrder = BitOrder.LOW_LAST,
    ) -> None:
        super().__init__(
            device=device,
            port=port,
            baud=baud,
            sink=sink,
            mono=mono,
            count=count,
            locks_max=wire.LOCK_MAX,
        )
        if not 1 <= address <= wire.ADDRESS_MAX:
            raise DeviceError(f"{device} address: expected 1..{wire.ADDRESS_MAX}, got {address}")
        self._address, self._feedback, self._bit_order = address, feedback, bit_order
        self._decoder = wire.HostDecoder()

    def ask(self, line: Line) -> dict[int, DoorAndItem] | None:
        """Reads all feedback bits."""
        raw = line.exchange(
            wire.encode(wire.ReadAll(self._address)),
            self._decoder,
            self._status,
            timeout_ms=ANSWER_MS,
            quiet_ms=QUIET_MS,
        )
        if raw is None:
            return None
        doors = wire.doors_of(
            raw, count=len(self._locks), feedback=self._feedback, bit_order=self._bit_order
        )
        return {lock: (door.value, UNKNOWN) for lock, door in doors.items()}

    def _status(self, event: wire.Event) -> bytes | None:
        mine = isinstance(event, wire.Status) and event.address == self._address
        return event.raw if mine and isinstance(event, wire.Status) else None

    def pulse_frame(self, lock: int) -> bytes:
        """The bytes of one pulse of the board's own length."""
        return wire.encode(wire.OpenOne(self._address, lock))

"""Kerong CU16 lock boards: doors, and with the IR variant whether an item lies inside."""

from __future__ import annotations

from edge.devices import DeviceError, Mono, Sink
from edge.drivers.doors import ANSWER_MS, UNKNOWN, DoorAndItem, DoorDriver
from edge.drivers.line import Line
from protocols.wire import cu16 as wire

# An answer always has nine bytes: a pause inside it may be longer than on boards without a length.
QUIET_MS = 100


class LockBoardCu16(DoorDriver):
    """One board on its own line.

    Args:
        address: board number, 0..9.
        item_sensor: whether the IR beams are wired; without them every item is unknown.

    Raises:
        DeviceError: a count, address or speed the board does not have.
    """

    bauds = (9600, 19200, 38400, 115200)

    def __init__(
        self,
        *,
        device: str,
        port: str,
        sink: Sink,
        mono: Mono,
        count: int,
        baud: int = 19_200,
        address: int = 0,
        item_sensor: bool = True,
    ) -> None:
        super().__init__(
            device=device,
            port=port,
            baud=baud,
            sink=sink,
            mono=mono,
            count=count,
            locks_max=wire.LOCKS,
        )
        if not 0 <= address <= wire.BOARD_MAX:
            raise DeviceError(f"{device} address: expected 0..{wire.BOARD_MAX}, got {address}")
        self._address, self._item_sensor = address, item_sensor
        self._decoder = wire.HostDecoder()

    def ask(self, line: Line) -> dict[int, DoorAndItem] | None:
        """Reads all lock and item bits."""
        status = line.exchange(
            wire.encode(wire.ReadStatus(self._address)),
            self._decoder,
            lambda event: event if event.board == self._address else None,
            timeout_ms=ANSWER_MS,
            quiet_ms=QUIET_MS,
        )
        if status is None:
            return None
        return {lock: self._locker(status, lock) for lock in self._locks}

    def _locker(self, status: wire.Status, lock: int) -> DoorAndItem:
        door = "closed" if status.closed[lock - 1] else "open"
        item = "present" if status.item[lock - 1] else "absent"
        return door, item if self._item_sensor else UNKNOWN

    def pulse_frame(self, lock: int) -> bytes:
        """The bytes of one pulse."""
        return wire.encode(wire.Unlock(self._address, lock))

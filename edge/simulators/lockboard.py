"""A simulated lock board of the `8A/80` family with spring doors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from edge.simulators.board import Board, Request
from edge.simulators.cabinet import ORDERS, Cabinet
from protocols.wire import lockboard as wire
from protocols.wire.lockboard import BitOrder, Feedback

# Boards of up to 24 locks answer with three status bytes.
STATUS_BYTES_MIN = 3


class SimulatedLockBoard(Board):
    """One board and its cabinet.

    Args:
        address: 1..31.
        count: locks, 1..56.
        feedback: how the contacts are wired.
        bit_order: which status byte holds lock 1.
        seed: of misbehaviour.
    """

    kind: ClassVar[str] = "lockboard"

    def __init__(
        self,
        *,
        address: int = 1,
        count: int = 8,
        feedback: Feedback = Feedback.CLOSED_SHORT,
        bit_order: BitOrder = BitOrder.LOW_LAST,
        seed: int = 0,
    ) -> None:
        super().__init__(seed=seed)
        self._address, self._feedback, self._bit_order = address, feedback, bit_order
        self._cabinet = Cabinet(count)
        self._decoder = wire.BoardDecoder()

    def heard(self, data: bytes) -> list[bytes]:
        """Bytes came from the host; a frame ends only with a pause."""
        return self._obey(self._decoder.receive_data(data))

    def quiet(self) -> list[bytes]:
        """The line went quiet: reads the frame and answers."""
        return self._obey(self._decoder.flush())

    def _obey(self, commands: list[wire.Command]) -> list[bytes]:
        answers = [self._answer(command) for command in commands]
        return [answer for answer in answers if answer]

    def _answer(self, command: wire.Command) -> bytes:
        if command.address != self._address:
            return b""
        match command:
            case wire.ReadAll():
                return wire.encode_event(wire.Status(self._address, self._status()))
            case wire.ReadOne(_, lock):
                return wire.encode_read_one(self._lock_state(lock))
            case wire.OpenOne(_, lock, _):
                self._cabinet.pulse(lock)
                return wire.encode_event(self._lock_state(lock))
            case wire.OpenAll():
                self._pulse_all(frozenset(self._cabinet.lockers))
            case wire.OpenSeveral(_, locks, _):
                self._pulse_all(locks)
            case wire.Hold(_, lock, on):
                self._pulse_all(frozenset({lock}) if on else frozenset())
        return b""

    def _pulse_all(self, locks: frozenset[int]) -> None:
        for lock in sorted(locks):
            self._cabinet.pulse(lock)

    def _status(self) -> bytes:
        lockers = self._cabinet.lockers
        return wire.status_bytes(
            {lock: not locker.open for lock, locker in lockers.items()},
            size=max(STATUS_BYTES_MIN, -(-len(lockers) // 8)),
            feedback=self._feedback,
            bit_order=self._bit_order,
        )

    def _lock_state(self, lock: int) -> wire.LockState:
        locker = self._cabinet.lockers.get(lock)
        closed = locker is None or not locker.open
        contact = closed is (self._feedback is Feedback.CLOSED_SHORT)
        return wire.LockState(self._address, lock, contact, asked=True)

    def orders(self) -> Mapping[str, str]:
        """The control commands."""
        return ORDERS

    def order(self, do: str, request: Request) -> None:
        """Does what a hand would do at the cabinet."""
        self._cabinet.order(do, request)

    def state(self) -> dict[str, object]:
        """Every locker."""
        return self._cabinet.state()

    def restore(self, state: Mapping[str, object]) -> None:
        """Takes over the lockers."""
        self._cabinet.restore(state)

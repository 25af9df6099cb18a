"""A simulated Kerong CU16 lock board with spring doors and item beams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from edge.simulators.board import Board, Request
from edge.simulators.cabinet import ORDERS, Cabinet, Locker
from protocols.wire import cu16 as wire


class SimulatedCu16(Board):
    """One board and its cabinet of up to 16.

    Args:
        board: 0..9.
        count: lockers wired, 1..16; inputs without a locker read open and empty.
        seed: of misbehaviour.
    """

    kind: ClassVar[str] = "cu16"

    def __init__(self, *, board: int = 0, count: int = 16, seed: int = 0) -> None:
        super().__init__(seed=seed)
        self._board = board
        self._cabinet = Cabinet(count)
        self._decoder = wire.BoardDecoder()

    def heard(self, data: bytes) -> list[bytes]:
        """Bytes came from the host; returns answers."""
        return self._obey(self._decoder.receive_data(data))

    def quiet(self) -> list[bytes]:
        """The line went quiet; an unfinished command is forgotten."""
        return self._obey(self._decoder.flush())

    def _obey(self, commands: list[wire.Command]) -> list[bytes]:
        answers: list[bytes] = []
        for command in commands:
            if command.board not in {self._board, wire.EVERY_BOARD}:
                continue
            match command:
                case wire.ReadStatus():
                    answers.append(wire.encode_event(self._status()))
                case wire.Unlock(_, lock):
                    self._cabinet.pulse(lock)
                case wire.UnlockAll():
                    for lock in self._cabinet.lockers:
                        self._cabinet.pulse(lock)
        return answers

    def _status(self) -> wire.Status:
        nothing = Locker(open=True)
        lockers = [self._cabinet.lockers.get(lock, nothing) for lock in range(1, wire.LOCKS + 1)]
        return wire.Status(
            self._board,
            tuple(not locker.open for locker in lockers),
            tuple(locker.item for locker in lockers),
        )

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

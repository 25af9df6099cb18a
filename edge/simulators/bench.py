"""A simulated board in a thread of this process, for bench tests of a driver or a cabling."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Self

from edge.simulators.board import Board, ControlError
from edge.simulators.server import SimulatedPort

CONTROL_S = 5.0
CLOSE_S = 5.0
ANSWER_BYTES_MAX = 64 * 1024


def control(path: Path, fields: dict[str, object]) -> dict[str, object]:
    """Sends one command to a board's control socket and returns its answer.

    Raises:
        ControlError: the board refused, with its own what, where, expected, got.
        OSError: no board listens there, or it does not answer in five seconds.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CONTROL_S)
        connection.connect(str(path))
        connection.sendall(json.dumps(fields, ensure_ascii=False).encode() + b"\n")
        line = connection.makefile("rb").readline(ANSWER_BYTES_MAX)
    answer: dict[str, object] = json.loads(line)
    problem = answer.get("error")
    if isinstance(problem, dict):
        raise ControlError(**problem)
    return answer


class RunningBoard:
    """One board on a pty in a folder: `KIND` the port, `KIND.sock` its control, `KIND.json`."""

    def __init__(self, board: Board, folder: Path) -> None:
        self.pty = folder / board.kind
        self.socket = folder / f"{board.kind}.sock"
        self.state = folder / f"{board.kind}.json"
        self._port = SimulatedPort(board, self.pty, self.socket, self.state)
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Opens the port and begins to answer."""
        self._port.__enter__()
        self._stop, self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._port.serve, args=(self._stop.fileno(),))
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Takes the board off its line; its state stays."""
        self._wake.send(b"x")
        if self._thread is not None:
            self._thread.join(CLOSE_S)
        self._stop.close()
        self._wake.close()
        self._port.__exit__(None, None, None)

    def order(self, do: str, **fields: object) -> dict[str, object]:
        """Sends one control command; returns the board's state.

        Raises:
            ControlError: refused.
        """
        answer = control(self.socket, {"do": do, **fields})
        state = answer["state"]
        assert isinstance(state, dict)  # noqa: S101 - the board's own shape
        return state

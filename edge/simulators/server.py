"""Puts a simulated board on a pty and its control channel on a unix socket.

One thread, one loop. The pty's far end is linked under a stable name, replaced in one step, and
held open here, so that programs may come and go. The state is on disk before an answer leaves.
"""

from __future__ import annotations

import heapq
import json
import os
import select
import socket
import time
import tty
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from edge.simulators.board import Board, ControlError

# Ends a frame on boards whose frames tell no length: 3.5 characters are 4 ms at 9600 baud, USB
# adapters need up to 20 ms.
QUIET_MS = 20
TICK_MS = 50
READ_BYTES = 4096
LINE_BYTES_MAX = 4096
CLIENTS_MAX = 8
NS_PER_MS = 1_000_000


def mono_ms() -> int:
    """Milliseconds of the monotonic clock."""
    return time.monotonic_ns() // NS_PER_MS


@dataclass(slots=True)
class _Client:
    """One program on the control socket and the part of a line it has sent."""

    connection: socket.socket
    line: bytes = b""


@dataclass(slots=True)
class SimulatedPort:
    """A board on a serial port of its own.

    Args:
        board: what answers.
        pty_path: where the port appears; an old link there is replaced.
        control_path: unix socket for newline-separated JSON commands; None for none.
        state_path: JSON file that outlives a kill; None for none.

    Raises:
        ControlError: the state file does not fit the board.
        OSError: a path cannot be used.
    """

    board: Board
    pty_path: Path
    control_path: Path | None = None
    state_path: Path | None = None
    _master: int = field(default=-1, init=False)
    _listener: socket.socket | None = field(default=None, init=False)
    _clients: dict[int, _Client] = field(default_factory=dict, init=False)
    _due: list[tuple[int, int, bytes]] = field(default_factory=list, init=False)
    _order: int = field(default=0, init=False)
    _saved: str = field(default="", init=False)
    _quiet_at: int | None = field(default=None, init=False)
    _owned: ExitStack = field(default_factory=ExitStack, init=False)

    def __enter__(self) -> Self:
        """Opens the port and the control socket; closes all of it if one fails."""
        with ExitStack() as stack:
            self._load()
            self._open_port(stack)
            if self.control_path is not None:
                self._open_control(stack, self.control_path)
            self._owned = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes everything and takes the link away."""
        for client in self._clients.values():
            client.connection.close()
        self._clients.clear()
        self._owned.close()

    def serve(self, stop: int) -> None:
        """Answers until the file descriptor `stop` becomes readable."""
        next_tick = mono_ms() + TICK_MS
        while True:
            ready = self._wait(stop, next_tick)
            if stop in ready:
                return
            self._serve_ready(ready)
            now = mono_ms()
            if self._quiet_at is not None and now >= self._quiet_at:
                self._quiet_at = None
                self._say(self.board.quiet())
            if now >= next_tick:
                next_tick = now + TICK_MS
                self._say(self.board.tick(now))
            self._write_due(now)

    def _wait(self, stop: int, next_tick: int) -> set[int]:
        deadlines = [next_tick, *(entry[0] for entry in self._due[:1])]
        if self._quiet_at is not None:
            deadlines.append(self._quiet_at)
        wait_s = max(0, min(deadlines) - mono_ms()) / 1000
        watched = [stop, self._master, *self._clients]
        if self._listener is not None:
            watched.append(self._listener.fileno())
        return set(select.select(watched, [], [], wait_s)[0])

    def _serve_ready(self, ready: set[int]) -> None:
        if self._master in ready:
            self._quiet_at = mono_ms() + QUIET_MS
            self._say(self.board.heard(os.read(self._master, READ_BYTES)))
        if self._listener is not None and self._listener.fileno() in ready:
            connection, _ = self._listener.accept()
            if len(self._clients) < CLIENTS_MAX:
                self._clients[connection.fileno()] = _Client(connection)
            else:
                connection.close()
        for number in ready & set(self._clients):
            self._hear_control(number)

    def _say(self, answers: list[bytes]) -> None:
        self._save()
        for answer in answers:
            for part in self.board.faults.pass_on(answer):
                self._order += 1
                due = (mono_ms() + part.after_ms, self._order, part.data)
                heapq.heappush(self._due, due)

    def _write_due(self, now: int) -> None:
        while self._due and self._due[0][0] <= now:
            _, _, data = heapq.heappop(self._due)
            try:
                os.write(self._master, data)
            except BlockingIOError:
                # Nobody reads the port and its buffer is full: as on a wire, the bytes are gone.
                continue

    def _hear_control(self, number: int) -> None:
        client = self._clients[number]
        try:
            data = client.connection.recv(READ_BYTES)
            *lines, client.line = (client.line + data).split(b"\n")
            for line in lines:
                answer = self._obey(line)
                client.connection.sendall(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
        except OSError:
            data = b""
        if not data or len(client.line) > LINE_BYTES_MAX:
            client.connection.close()
            del self._clients[number]

    def _obey(self, line: bytes) -> dict[str, object]:
        where = f"{self.board.kind} control"
        try:
            fields = json.loads(line)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            got = line[:80].decode("utf-8", "replace")
            error = ControlError(what="line", where=where, expected="a JSON object", got=got)
            return {"ok": False, "error": error.problem}
        answer = self.board.control(fields)
        self._save()
        return answer

    def _load(self) -> None:
        if self.state_path is None or not self.state_path.exists():
            return
        text = self.state_path.read_text(encoding="utf-8")
        try:
            state = json.loads(text)
            self.board.restore(state)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ControlError(
                what="state file",
                where=str(self.state_path),
                expected=f"what `sim {self.board.kind}` wrote; delete it to begin afresh",
                got=text[:80],
            ) from error

    def _save(self) -> None:
        if self.state_path is None:
            return
        text = json.dumps(self.board.state(), ensure_ascii=False, sort_keys=True)
        if text == self._saved:
            return
        beside = self.state_path.with_name(self.state_path.name + ".new")
        beside.write_text(text + "\n", encoding="utf-8")
        beside.replace(self.state_path)
        self._saved = text

    def _open_port(self, stack: ExitStack) -> None:
        self._master, slave = os.openpty()
        stack.callback(os.close, self._master)
        stack.callback(os.close, slave)
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        name = os.ttyname(slave)
        self.pty_path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.pty_path.with_name(f"{self.pty_path.name}.{os.getpid()}.new")
        beside.unlink(missing_ok=True)
        beside.symlink_to(name)
        beside.replace(self.pty_path)
        stack.callback(self._unlink_own, name)

    def _unlink_own(self, name: str) -> None:
        """Takes the link away unless a successor has replaced it."""
        if self.pty_path.is_symlink() and str(self.pty_path.readlink()) == name:
            self.pty_path.unlink()

    def _open_control(self, stack: ExitStack, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stack.callback(listener.close)
        listener.bind(str(path))
        stack.callback(path.unlink, missing_ok=True)
        listener.listen(CLIENTS_MAX)
        self._listener = listener

"""Starts the processes of the demonstration, starts each again within two seconds when it dies.

A process that ends is said out loud with its name and how it ended: the day must survive it, and a
person who kills one by hand wants to see that it was noticed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

WATCH_S = 0.2  # a death is seen within this; restart follows at once, well under two seconds
STOP_S = 5.0
LOG_BYTES_MAX = 64 * 1024 * 1024  # a day writes a few hundred KB; more is a loop that logs
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Asks the kernel to end this child when the demonstration ends, however it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def evalroom(*words: str) -> list[str]:
    """The command line of another `evalroom` process with this interpreter."""
    return [sys.executable, "-m", "evalroom", *words]


@dataclass(slots=True)
class Child:
    """One process: its command and what it is doing now."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    _file: IO[bytes] | None = None

    def start(self) -> None:
        """Starts the process; output is appended to its log."""
        if self._file is not None:
            self._file.close()
        self._file = self.log.open("ab")
        if self._file.tell() > LOG_BYTES_MAX:
            self._file.truncate(0)
        self.process = subprocess.Popen(
            list(self.argv),
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.env},
            start_new_session=True,  # an interrupt typed here is for the demonstration, not for it
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl call, takes no lock
        )

    def pid(self) -> int | None:
        """The process id while it runs."""
        if self.process is None or self.process.poll() is not None:
            return None
        return self.process.pid

    def ask_to_end(self) -> None:
        """Asks it to end and does not wait."""
        if self.process is not None:
            self.process.terminate()

    def stop(self) -> None:
        """Asks it to end, then insists."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self._file is not None:
            self._file.close()


@dataclass(slots=True)
class Supervisor:
    """All processes of one demonstration.

    Args:
        folder: where logs and `processes.json`-like facts go.
        say: prints one line for the person who watches.
    """

    folder: Path
    say: Callable[[str], None]
    children: dict[str, Child] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Starts a process and keeps it running until `stop`."""
        logs = self.folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        child = Child(name=name, argv=argv, log=logs / f"{name}.log", env=env or {})
        child.start()
        with self._lock:
            self.children[name] = child
        self._note_pids()
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
            self._thread.start()

    def end(self, name: str) -> None:
        """Stops one process for good."""
        with self._lock:
            child = self.children.pop(name)
        child.stop()

    def stop(self) -> None:
        """Stops everything: all are asked at once, then each is waited for."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            for child in self.children.values():
                child.ask_to_end()
            for child in self.children.values():
                child.stop()

    def wait(self) -> None:
        """Returns when somebody asked the demonstration to stop."""
        self._stop.wait()

    def ask_stop(self) -> None:
        """Makes `wait` return."""
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(WATCH_S):
            with self._lock:
                dead = [child for child in self.children.values() if child.pid() is None]
            for child in dead:
                code = child.process.returncode if child.process is not None else None
                how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
                child.restarts += 1
                child.start()
                self.say(f"  ! {child.name} ended ({how}); started again as {child.pid()}")
            if dead:
                self._note_pids()

    def _note_pids(self) -> None:
        """Writes `pids.txt`, a line per process, for those who want to kill one by hand."""
        with self._lock:
            rows = [f"{child.pid()}\t{child.name}" for child in self.children.values()]
        target = self.folder / "pids.txt"
        fresh = target.with_suffix(".new")
        fresh.write_text("\n".join(rows) + "\n", encoding="utf-8")
        fresh.replace(target)


class TooLateError(RuntimeError):
    """Something the day waited for did not come; the text says what and what was seen instead."""


def until(
    what: str, done: Callable[[], object], *, within_s: float = 30.0, every_s: float = 0.1
) -> object:
    """Asks `done` until it gives something true and returns that; bounded.

    Errors of a process that is being restarted count as "not yet".

    Raises:
        TooLateError: not within `within_s`; names the last answer or error.
    """
    end = time.monotonic() + within_s
    pause = threading.Event()
    last: object = None
    while time.monotonic() < end:
        try:
            last = done()
        except OSError as error:
            last = f"{type(error).__name__}: {error}"
        else:
            if last:
                return last
        pause.wait(every_s)
    raise TooLateError(f"{what}: expected within {within_s:.0f} s, last seen {str(last)[:300]}")

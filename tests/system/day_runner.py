"""A whole demonstration day as a process, and hands that break things while it runs."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.demo.supervise import until

DAY_S = 900.0  # six times what a day takes on a quiet machine of two cores
SEED = 7
KEYS = [
    "ok",
    "seed",
    "recorded",
    "lost",
    "duplicated",
    "refused_releases",
    "cases_opened",
    "cases_closed",
    "segments",
    "gap_s",
    "package",
    "trust",
    "verify",
]  # DESIGN of the command: exactly these, in this order


def evalroom(*words: object) -> list[str]:
    return [sys.executable, "-m", "evalroom", *map(str, words)]


def run(*words: object, within_s: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Runs one `evalroom` command to its end."""
    return subprocess.run(
        evalroom(*words), capture_output=True, text=True, timeout=within_s, check=False
    )


@dataclass
class DayProcess:
    """`evalroom demo --headless` in a folder; its words are kept in `day.err`."""

    out: Path
    options: tuple[str, ...] = ()
    seed: int = SEED
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> DayProcess:
        self.out.mkdir(parents=True, exist_ok=True)
        words = ["demo", "--headless", "--seed", str(self.seed), "--out", str(self.out / "day")]
        with (self.out / "day.err").open("wb") as err, (self.out / "day.out").open("wb") as out:
            self.process = subprocess.Popen(
                evalroom(*words, *self.options), stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        return self

    @property
    def folder(self) -> Path:
        """The day's `--out`."""
        return self.out / "day"

    @property
    def data(self) -> Path:
        """The hub's data folder."""
        return self.folder / "hub"

    def running(self) -> bool:
        assert self.process is not None
        return self.process.poll() is None

    def said(self) -> str:
        return (self.out / "day.err").read_text("utf-8", errors="replace")

    def wait_for(self, words: str, within_s: float = DAY_S) -> None:
        """Returns when the day has said this."""

        def heard() -> bool:
            if words in self.said():
                return True
            assert self.running(), f"the day ended before {words!r}:\n{self.tail()}"
            return False

        until(f"the day says {words!r}", heard, within_s=within_s)

    def finish(self, within_s: float = DAY_S) -> dict[str, Any]:
        """Waits for the end; the last line as an object with the exit code as `exit`."""
        assert self.process is not None
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.stop()
            raise AssertionError(f"not over within {within_s:.0f} s:\n{self.tail()}") from None
        last = (self.out / "day.out").read_text("utf-8").splitlines()[-1:]
        assert last, f"exit {code} without a last line:\n{self.tail()}"
        return {"exit": code, **json.loads(last[0])}

    def stop(self) -> None:
        assert self.process is not None
        if self.running():
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        if self.running():
            self.process.kill()
            self.process.wait()

    def tail(self) -> str:
        """What a person needs to see when a day ends badly: its words and the ends of its logs."""
        parts = [self.said()[-6000:]]
        for log in sorted((self.folder / "logs").glob("*.log")):
            text = log.read_text("utf-8", errors="replace")
            if "Traceback" in text or "ERROR" in text:
                parts.append(f"--- {log.name}\n{text[-2500:]}")
        return "\n".join(parts)

    def pids(self) -> dict[str, int]:
        """The day's processes by name, the broker too."""
        rows = (self.folder / "pids.txt").read_text("utf-8").split("\n")
        found = {}
        for row in rows:
            pid, _, name = row.partition("\t")
            if pid.isdigit():
                found[name] = int(pid)
        with suppress(OSError, ValueError):
            found["broker"] = int((self.data / "broker" / "pid").read_text("ascii"))
        return found

    def kill(self, name: str) -> bool:
        """`kill -9`; False when it was not there to be killed."""
        with suppress(ProcessLookupError, OSError, KeyError):
            os.kill(self.pids()[name], signal.SIGKILL)
            return True
        return False


@dataclass
class Killer:
    """Kills processes of a day at moments that a seed chooses, until the day is over.

    Args:
        every_s: shortest and longest wait between two deaths.
    """

    day: DayProcess
    seed: int
    count: int
    every_s: tuple[float, float]
    killed: list[str] = field(default_factory=list)
    paused: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        rng = random.Random(self.seed)  # noqa: S311 - chooses, no secret
        for name in self._victims(rng):
            if self._stop.wait(rng.uniform(*self.every_s)) or not self.day.running():
                return
            with self.paused:
                if self.day.kill(name):
                    self.killed.append(name)

    def _victims(self, rng: random.Random) -> list[str]:
        """Hub, broker and controllers each at least once in the first round, then anybody."""
        names = sorted(self.day.pids())
        controllers = [name for name in names if name.endswith("-controller")]
        first = ["hub", "broker", *controllers]
        rng.shuffle(first)
        boards = [name for name in names if name not in {*first, "evaluation-system"}]
        rest = [
            rng.choice(rng.choice([["hub"], ["broker"], controllers, boards, boards]))
            for _ in range(self.count - len(first))
        ]
        return [*first, *rest]


def assert_good(end: dict[str, Any], day: DayProcess) -> None:
    """The day ended as it must."""
    assert end["exit"] == 0, f"{end}\n{day.tail()}"
    assert end["ok"] is True, end
    assert (end["lost"], end["duplicated"], end["verify"]) == (0, 0, 0), end
    assert end["refused_releases"] >= 1
    assert end["cases_opened"] == end["cases_closed"] >= 2
    assert end["segments"] > 0
    assert all(count > 0 for count in end["recorded"].values())
    for path in (end["package"], end["trust"]):
        assert Path(path).is_absolute()
        assert Path(path).exists()

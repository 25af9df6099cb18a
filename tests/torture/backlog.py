"""A room comes back after thirty days: how long until its record is at the hub, and who waits.

Real processes: a hub with its broker, the room whose journal holds the backlog, and another room
that goes on working. `python -m tests.torture.backlog --events 150000 --seed 1`.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from edge.journal import Own
from protocols.messages.event import decode_event
from tests.system.room_rig import until
from tests.torture.two_rooms import Room, Town, fault, over, town, write_backlog

BROKERS = ("mosquitto", "embedded")
DRAIN_S_MAX = 600.0
OTHER_S_MAX = 5.0
NOTICE_S_MAX = 2.0
OTHER_EVERY_S, NOTICE_EVERY_S = 0.2, 0.4
LOOK_S = 0.02
BESIDE = (
    "SELECT count(*) FROM events WHERE ctl = ? "
    "AND id > (SELECT min(id) FROM events WHERE ctl = ?) "
    "AND id < (SELECT id FROM events WHERE ctl = ? ORDER BY id LIMIT 1 OFFSET ?)"
)


@dataclass
class Watch:
    """Looks at the hub's database all the time: when is what there to be seen?"""

    town: Town
    other_s: list[float] = field(default_factory=list)
    told_s: list[float] = field(default_factory=list)
    notice_s: list[float] = field(default_factory=list)
    late: list[tuple[float, int]] = field(default_factory=list)
    rss_mib: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._run, name="watch")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def count(self) -> int:
        """Rows of the late room that are at the hub."""
        return self.late[-1][1] if self.late else 0

    def _run(self) -> None:
        base = sqlite3.connect(f"file:{self.town.data / 'hub.sqlite'}?mode=ro", uri=True)
        with closing(base):
            last = base.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0]
            known = set[tuple[str, int]]()
            count, unread = 0, list[tuple[int, bytes]]()
            while not self._stop.wait(LOOK_S):
                query = "SELECT id, ctl, raw FROM events WHERE id > ? ORDER BY id"
                found, now = base.execute(query, (last,)).fetchall(), time.time()
                last = found[-1][0] if found else last
                count += sum(ctl == self.town.late.ctl for _, ctl, _ in found)
                self.late.append((now, count))
                mine = [(row, raw) for row, ctl, raw in found if ctl == self.town.other.ctl]
                self.other_s += [age(raw, now) for _, raw in mine]
                unread += mine
                self._read(base, unread)
                self._notices(base, known)
                self._memory()

    def _read(self, base: sqlite3.Connection, unread: list[tuple[int, bytes]]) -> None:
        """What every projection has read by now is on screens and in cases."""
        upto = base.execute("SELECT coalesce(min(after_id), 0) FROM cursors").fetchone()[0]
        while unread and unread[0][0] <= upto:
            self.told_s.append(age(unread.pop(0)[1], time.time()))

    def _notices(self, base: sqlite3.Connection, known: set[tuple[str, int]]) -> None:
        query = "SELECT epoch, seq, raw FROM notices WHERE ctl = ?"
        for epoch, seq, raw in base.execute(query, (self.town.late.ctl,)).fetchall():
            if (epoch, seq) not in known:
                known.add((epoch, seq))
                self.notice_s.append(age(raw, time.time()))

    def _memory(self) -> None:
        assert self.town.hub is not None
        pages = Path(f"/proc/{self.town.hub.pid}/statm").read_text(encoding="ascii").split()[1]
        self.rss_mib = max(self.rss_mib, int(pages) * os.sysconf("SC_PAGE_SIZE") // 2**20)


def age(raw: bytes, now: float) -> float:
    """Seconds since the room wrote it; rooms and hub have the clock of this machine."""
    return now - datetime.fromisoformat(decode_event(raw).at).timestamp()


@dataclass(frozen=True)
class Verdict:
    """What the hub has of one room against what the room has."""

    rows: int
    lost: int
    doubled: int
    misplaced: int

    @property
    def sound(self) -> bool:
        return self.rows > 0 and (self.lost, self.doubled, self.misplaced) == (0, 0, 0)


def judge(town_: Town, room: Room) -> Verdict:
    """Byte by byte, once, in the order of each epoch."""
    with closing(sqlite3.connect(f"file:{room.journal}?mode=ro", uri=True)) as db:
        query = "SELECT epoch, seq, line FROM event JOIN epoch USING (n)"
        written = {(epoch, seq): line for epoch, seq, line in db.execute(query)}
    query = "SELECT epoch, seq, raw FROM events WHERE ctl = ? ORDER BY id"
    recorded = town_.rows(query, room.ctl)
    kept = {(epoch, seq): raw for epoch, seq, raw in recorded}
    heads: dict[str, int] = {}
    misplaced = 0
    for epoch, seq, _ in recorded:
        misplaced += seq != heads.get(epoch, 0) + 1
        heads[epoch] = seq
    return Verdict(
        rows=len(written),
        lost=sum(kept.get(place) != line for place, line in written.items()),
        doubled=len(recorded) - len({raw for _, _, raw in recorded}),
        misplaced=misplaced,
    )


@dataclass(frozen=True)
class Figures:
    """One drain."""

    broker: str
    rows: int
    start_s: float
    drain_s: float
    other_s: Sequence[float]
    told_s: Sequence[float]
    notice_s: Sequence[float]
    hub_rss_mib: int
    beside: int
    """Rows of the other room that were recorded in the middle of the backlog."""
    verdicts: tuple[Verdict, Verdict]

    def __str__(self) -> str:
        return (
            f"{self.broker}: {self.rows} events in {self.drain_s:.1f} s, "
            f"{self.rows / self.drain_s:.0f}/s (the room's start before: {self.start_s:.1f} s)\n"
            f"  other room, {len(self.other_s)} events recorded: {spread(self.other_s)}\n"
            f"  and read by every projection: {spread(self.told_s)}\n"
            f"  notices, {len(self.notice_s)}: {spread(self.notice_s)}\n"
            f"  hub at most {self.hub_rss_mib} MiB; {self.verdicts}"
        )

    def wrong(self) -> list[str]:
        """What was promised and did not hold."""
        found = [] if all(one.sound for one in self.verdicts) else [f"{self.verdicts}"]
        limits = {
            "drain": ([self.drain_s], DRAIN_S_MAX),
            "other room, recorded": (self.other_s, OTHER_S_MAX),
            "other room, read": (self.told_s, OTHER_S_MAX),
            "notice": (self.notice_s, NOTICE_S_MAX),
        }
        for name, (seen, most) in limits.items():
            if not seen or max(seen) > most:
                found.append(f"{name}: at most {most} s, got {max(seen, default=-1):.2f}")
        return found


def spread(seen: Sequence[float]) -> str:
    if len(seen) < 2:
        return f"{list(seen)} s"
    parts = statistics.quantiles(seen, n=100, method="inclusive")
    return f"p50 {parts[49]:.3f} p99 {parts[98]:.3f} max {max(seen):.3f} s"


def talk(here: Town, watch: Watch, events: int) -> None:
    """Both rooms have something to say until the backlog is at the hub."""
    end, pause, said = time.monotonic() + 2 * DRAIN_S_MAX, threading.Event(), 0
    while watch.count() < events:
        assert time.monotonic() < end, f"{watch.count()} of {events} after {2 * DRAIN_S_MAX} s"
        assert here.late.runs()
        here.other.record(Own("help.called", "", {"n": said}))
        # Not before its start is over: what waited for that would be news of one moment.
        if watch.count() and said % round(NOTICE_EVERY_S / OTHER_EVERY_S) == 0:
            here.late.record(fault(f"now-{said}"))
            here.late.record(over(f"now-{said}"))
        said += 1
        pause.wait(OTHER_EVERY_S)


def drain(folder: Path, broker: str, events: int, seed: int) -> Figures:
    """One room's backlog into the hub while another works and both have something to say."""
    with town(folder, broker) as here:
        write_backlog(here.late.journal, here.late.ctl, events, seed)
        here.start_hub()
        here.other.start()
        query = "SELECT count(*) FROM events WHERE ctl = ?"
        until(
            "the other room",
            lambda: here.other.runs() and here.rows(query, here.other.ctl)[0][0],
            within_s=60,
        )
        rooms = (here.late, here.other)
        with Watch(here) as watch:
            begun = time.time()
            here.late.start()
            talk(here, watch, events)
            until("the rest", lambda: not any(judge(here, one).lost for one in rooms), every_s=1.0)
        first = next(at for at, count in watch.late if count)
        return Figures(
            broker=broker,
            rows=events,
            start_s=first - begun,
            drain_s=next(at for at, count in watch.late if count >= events) - first,
            other_s=watch.other_s,
            told_s=watch.told_s,
            notice_s=watch.notice_s,
            hub_rss_mib=watch.rss_mib,
            beside=here.rows(BESIDE, here.other.ctl, here.late.ctl, here.late.ctl, events - 1)[0][
                0
            ],
            verdicts=(judge(here, here.late), judge(here, here.other)),
        )


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.torture.backlog", description=__doc__)
    parser.add_argument("--events", type=int, default=150_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broker", choices=BROKERS, help="one of them instead of both")
    asked = parser.parse_args(words)
    done, wrong = 0, []
    for broker in (asked.broker,) if asked.broker else BROKERS:
        with tempfile.TemporaryDirectory(prefix="backlog-") as folder:
            figures = drain(Path(folder), broker, asked.events, asked.seed)
        say(str(figures))
        wrong += [f"{broker}: {one}" for one in figures.wrong()]
        done += sum(one.rows for one in figures.verdicts)
    say("\n".join(wrong) or "0 lost, 0 doubled, in order")
    say(f"n = {done}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

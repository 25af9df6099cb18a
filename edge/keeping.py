"""What may go, goes: once a day contents and rows of sessions that are handed over (WIRE §4, §8).

When the space for pictures is low the next round does not wait for its day.

A content goes when the hub has it and every session it belongs to is closed here and receipted.
A row goes when besides that it is acknowledged and older than the pack's `keep_days` by a clock
that is trusted. Both are on the record: contents before they go, rows together with it. Never
while a session is running, and a portion at a time; what may go is looked for beside the loop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

from edge.journal import PRUNED_MAX
from edge.media.spool import Kept, Spool
from edge.runtime import Runtime
from edge.space import LOW_BYTES
from edge.turn import Turn
from protocols.policy.session import OPEN_PHASES, Phase

FIRST_MS = 10 * 60 * 1000  # after a start the room has other things to do
EVERY_MS = 24 * 60 * 60 * 1000
LOW_EVERY_MS = 60 * 1000  # a receipt that frees space comes with a plan at any time
CONTENTS_MAX = 32  # deleted in one go: each is written through twice, a second on a slow card
RUNNING = frozenset(OPEN_PHASES) - {Phase.ENDED, Phase.POSTPONED, Phase.TERMINATED}
T = TypeVar("T")
Steps = Generator[list[Turn], None, T]
"""One step per tick; a step's turns are on the disk before the next one."""


@dataclass(slots=True)
class Keeping:
    """The daily round; owned by the loop.

    Args:
        receipted: session -> receipt of the home venue, as the plan in force says.
        closed: whether a session is closed in this room.
        later: does something slow beside the loop, under a name for the record.
    """

    runtime: Runtime
    spool: Spool
    receipted: Callable[[], Mapping[str, str]]
    closed: Callable[[str], bool]
    later: Callable[[str, Callable[[], None]], None]
    due_ms: int = field(init=False)
    low_due_ms: int = 0
    _round: Steps[None] | None = None

    def __post_init__(self) -> None:
        """The first round comes soon after a start."""
        self.due_ms = self.runtime.clock.mono_ms() + FIRST_MS

    def tick(self) -> list[Turn]:
        """The next portion of a round, if one is due; waits while a session is running.

        Raises:
            DiskFullError: nothing of this portion has happened; the next round finds it again.
        """
        if any(one.phase in RUNNING for one in self.runtime.state.sessions.values()):
            return []
        now = self.runtime.clock.mono_ms()
        if self._round is None and (now >= self.due_ms or self._is_low(now)):
            self.due_ms, self._round = now + EVERY_MS, self._steps()
        if self._round is None:
            return []
        going, self._round = self._round, None
        try:
            turns = next(going)
        except (StopIteration, Failed):
            return []
        self._round = going
        return turns

    def _is_low(self, now: int) -> bool:
        """Whether the disk is low and was not just looked through."""
        if now < self.low_due_ms:
            return False
        try:
            low = self.spool.free() < LOW_BYTES
        except OSError:
            return False  # a disk that does not answer frees nothing; the room's probes say so
        if low:
            self.low_due_ms = now + LOW_EVERY_MS
        return low

    def _steps(self) -> Steps[None]:
        done = {name: said for name, said in self.receipted().items() if self.closed(name)}
        contents = yield from self._beside(lambda: self.spool.releasable(done))
        yield [_released(name, done[name], mine) for name, mine in _by_session(contents).items()]
        for at in range(0, len(contents), CONTENTS_MAX):
            portion = contents[at : at + CONTENTS_MAX]
            yield from self._beside(partial(self._release, portion, done))
        if self.runtime.clock.trust() != "none":
            yield from self._rows(done)

    def _release(self, portion: Sequence[Kept], done: Mapping[str, str]) -> None:
        for kept in portion:
            self.spool.release(kept.sha256, done[kept.references[0]])

    def _rows(self, done: Mapping[str, str]) -> Steps[None]:
        """A session whose contents are still here is not done: its rows say what they are."""
        runtime = self.runtime
        before = runtime.clock.wall() - timedelta(days=runtime.pack.retention.keep_days)
        needed = self.spool.needed()
        over = [name for name in done if name not in needed]
        states = runtime.state.sessions.values()
        idle = [one.id for one in states if one.phase is Phase.IDLE]

        def look() -> list[int]:
            reader = runtime.journal.reader()
            try:
                return reader.prunable(done=over, idle=idle, older_than=before)
            finally:
                reader.close()

        ids = yield from self._beside(look)
        for at in range(0, max(len(ids), 1), PRUNED_MAX):
            runtime.prune(ids[at : at + PRUNED_MAX], before)
            yield []

    def _beside(self, work: Callable[[], T]) -> Steps[T]:
        """Waits, tick by tick, for what is done beside the loop; what fails ends the round."""
        found: list[T] = []
        over = threading.Event()

        def act() -> None:
            try:
                found.append(work())
            finally:
                over.set()

        self.later("keeping", act)
        while not over.is_set():
            yield []
        if not found:
            raise Failed
        return found[0]


class Failed(Exception):  # noqa: N818 never seen outside: the record has it as `effect.failed`
    """What was done beside the loop failed; the next round tries again."""


def _by_session(contents: Sequence[Kept]) -> dict[str, list[Kept]]:
    found: dict[str, list[Kept]] = {}
    for kept in contents:
        found.setdefault(kept.references[0], []).append(kept)
    return found


def _released(session: str, receipt: str, contents: Sequence[Kept]) -> Turn:
    data = {
        "session": session,
        "receipt": receipt,
        "segments": len(contents),
        "bytes": sum(kept.size for kept in contents),
    }
    return Turn("system", {"type": "spool.released", "session": "", "data": data})

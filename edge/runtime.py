"""The loop in the middle: one thread owns the room's state, the journal and the cursor.

Each turn: take one item, turn it into inputs, ask the pure room, write its drafts (durable),
fold them, then run the effects. Nothing acts before it is written, nothing is told to a person
before it either.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from edge.clock import iso_ms
from edge.held import ASKED, FULL, Held, Seen
from edge.inbox import Arrived, Call, Inbox, LinkChanged, Observed
from edge.journal import DiskFullError, Journal, Row
from edge.remote import answers_in, kept_with
from edge.room import Answer, Draft, Effect, Input, Sound, decide, sense
from edge.snapshot import KV_FOLD, resumed, snapshot
from edge.turn import Turn
from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.event import Event, decode_event
from protocols.policy.pack import Pack
from protocols.policy.room_model import RoomConfig, RoomState, UnreadableEvent
from protocols.policy.room_state import apply, steady_ms

TICK_MS = 500  # after 0.2 s of the mains contact and 1 s of the policy: told within 2 s
PROOF_MS = 60_000  # WIRE §3: a real journal write is proven every 60 s
STEP_MS = 1000  # WIRE §4: a step of more than this is on the record
REPLAY_MS = 500  # of one tick, for what waited for the disk; the watchdog wants its beat
TOO_LARGE = {"ok": False, "reason": "too_large"}
log = logging.getLogger("evalroom.edge.runtime")
CALL_S = 10.0  # a screen waits this long for the loop before it says so


class ClockPort(Protocol):
    """The two clocks of `edge.clock`."""

    def mono_ms(self) -> int: ...  # noqa: D102
    def wall(self) -> datetime: ...  # noqa: D102
    def trust(self) -> str: ...  # noqa: D102


class UplinkPort(Protocol):
    """What the loop tells the uplink; see `edge.uplink`."""

    def link(self, *, up: bool) -> None: ...  # noqa: D102
    def arrived(self, leaf: str, payload: bytes, *, retained: bool) -> list[Turn]: ...  # noqa: D102
    def recorded(self, rows: Sequence[Row]) -> None: ...  # noqa: D102
    def tick(self) -> list[Turn]: ...  # noqa: D102
    def again(self) -> None: ...  # noqa: D102


class HandsPort(Protocol):
    """What the loop asks of the rest of the program; see `edge.remote`."""

    def look(self, turn: Turn) -> Turn: ...  # noqa: D102
    def tick(self) -> list[Turn]: ...  # noqa: D102


class KeepingPort(Protocol):
    """What may be deleted by now; see `edge.keeping`."""

    def tick(self) -> list[Turn]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Fed:
    """What came of some inputs: rows that are on the disk now, and what the asker is told."""

    rows: tuple[Row, ...]
    answers: tuple[Answer, ...]


@dataclass(slots=True)
class Runtime:
    """The loop.

    Args:
        config: what stands in the room.
        run_effect: carries out one effect; must return at once.
        uplink: told of every row, asked on every tick.
        on_change: called after each turn that changed the state (the screen's bell).
        heartbeat: called after each tick's proven work (the service watchdog).
        hands: says what a command needs to know, and what became of it.
        keeping: deletes what was handed over long ago.
    """

    config: RoomConfig
    pack: Pack
    journal: Journal
    clock: ClockPort
    inbox: Inbox
    run_effect: Callable[[Effect], None]
    on_change: Callable[[], None]
    heartbeat: Callable[[], None]
    software: str
    config_hash: str
    uplink: UplinkPort | None = None
    hands: HandsPort | None = None
    keeping: KeepingPort | None = None
    state: RoomState = field(init=False)
    held: Held = field(default_factory=Held)
    loop_ms: int = 0
    proven_ms: int = 0
    _clocks: tuple[int, str] | None = None
    _undone: list[Effect] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Folds the journal: a restart resumes from what is on the disk."""
        kept, epochs = self.journal.kv_get(KV_FOLD), self.journal.epochs()
        self.state, after = resumed(kept, self.config, {one.epoch for one in epochs})
        for event in self.journal.replay(after):
            self._fold(event)

    def open(self) -> None:
        """Records the start; to be called once everything that acts is ready."""
        self.feed([Turn("started", {"software": self.software, "config_hash": self.config_hash})])
        self.proven_ms = self.clock.mono_ms()

    def run(self) -> None:
        """Turns until `stop`; an error of our own ends the process (the service restarts it)."""
        due = self.clock.mono_ms()
        while not self._stop.is_set():
            item = self.inbox.get((due - self.clock.mono_ms()) / 1000)
            began = self.clock.mono_ms()
            if item is not None:
                self.take(item)
            if self.clock.mono_ms() >= due:
                self.tick()
                due = max(due + TICK_MS, self.clock.mono_ms())
            self.loop_ms = max(self.loop_ms, self.clock.mono_ms() - began)
        self.inbox.close()

    def stop(self) -> None:
        """Ends `run` within a tick."""
        self._stop.set()

    def feed(self, turns: Iterable[Turn]) -> Fed:
        """Steps the room with each input in turn: decide, write, fold, act.

        On a full disk nothing is decided: evidence is held, who asks is told so.
        """
        written: list[Row] = []
        answers: list[Answer] = []
        for asked in turns:
            turn = asked if self.hands is None else self.hands.look(asked)
            if not self.held.full and self._step(turn, written, answers):
                continue
            self.held.keep(Seen(turn, iso_ms(self.clock.wall()), self.clock.mono_ms()))
            if turn.kind in ASKED:
                answers.append(Answer("", {"ok": False, "reason": FULL}))
                self.run_effect(Sound("refused"))
        self._tell(written)
        return Fed(tuple(written), tuple(answers))

    def _step(
        self, turn: Turn, written: list[Row], answers: list[Answer], late: Seen | None = None
    ) -> bool:
        """One turn; False when the disk is full, and then nothing has happened."""
        before = self.state
        inp = self._input(turn)
        self.state = sense(self.state, inp, pack=self.pack)
        drafts, effects = decide(self.state, inp, pack=self.pack)
        first = () if late is None or not drafts else (_late(late),)
        try:
            try:
                rows = self._append([*first, *drafts]) if drafts else []
            except LocalError as error:
                rows, effects = self._too_large(turn, error), (Answer("", dict(TOO_LARGE)),)
        except DiskFullError:
            self.state = before
            self._now_full()
            return False
        for row in rows:
            self._fold(decode_event(row.line))
        written += rows
        for effect in effects:
            if isinstance(effect, Answer):
                answers.append(effect)
            else:
                self._act(effect)
        return True

    def _append(self, drafts: list[Draft]) -> list[Row]:
        """Records, the small state that becomes true with them, and the answers they give."""
        return self.journal.append(drafts, kv=kept_with(drafts), results=answers_in(drafts))

    def reopen(self) -> None:
        """Begins a new epoch of the journal; what waits in the old one is sent as before.

        Raises:
            DiskFullError: nothing has happened.
        """
        rows = self.journal.open_epoch("reopen")
        for row in rows:
            self._fold(decode_event(row.line))
        self._tell(rows)

    def prune(self, ids: Sequence[int], older_than: datetime) -> None:
        """Deletes rows, and keeps what the fold of all rows so far has made of them.

        Raises:
            DiskFullError: nothing has happened.
        """
        kept = snapshot(self.state, self.journal.epoch, self.journal.seq)
        rows = self.journal.prune(ids, older_than, kv=kept)
        for row in rows:
            self._fold(decode_event(row.line))
        self._tell(rows)

    def _act(self, effect: Effect) -> None:
        try:
            self.run_effect(effect)
        except DiskFullError:
            self._undone.append(effect)
            self._now_full()

    def _tell(self, written: Sequence[Row]) -> None:
        if written:
            if self.uplink is not None:
                uplink = self.uplink
                self._spared(lambda: uplink.recorded(written))
            self.on_change()

    def _spared(self, work: Callable[[], list[Turn] | None]) -> list[Turn]:
        """Does what may write to the disk; what a full one refuses comes again by itself."""
        try:
            return work() or []
        except DiskFullError:
            self._now_full()
            return []

    def _now_full(self) -> None:
        if not self.held.full:
            self.held.since_ms = self.clock.mono_ms()
            log.error(
                "the disk of %s is full: nothing is carried out until it is not", self.journal.path
            )
            self.on_change()

    def _retry(self) -> None:
        """Is there room again? Then what was held goes into the record, oldest first."""
        written: list[Row] = []
        until_ms = self.clock.mono_ms() + REPLAY_MS
        try:
            self._prove()
            while (seen := self.held.first()) and self.clock.mono_ms() <= until_ms:
                if not self._step(seen.turn, written, [], late=seen if seen.at else None):
                    break
                self.held.drop()
            while self._undone and not self.held.first():
                self.run_effect(self._undone[0])
                del self._undone[0]
        except DiskFullError:
            return
        finally:
            self._tell(written)
        if self.held.first() is None and not self._undone:
            self.held.over()
            log.warning(
                "the disk of %s has room again, everything is on the record", self.journal.path
            )
            if self.uplink is not None:
                self.uplink.again()
            self.on_change()

    def _prove(self) -> None:
        self.journal.kv_put("proof", iso_ms(self.clock.wall()).encode("ascii"))
        self.proven_ms = self.clock.mono_ms()

    def _too_large(self, turn: Turn, error: LocalError) -> list[Row]:
        """What would not fit into the record does not happen; that it came is on the record."""
        data = {"input": turn.kind, "reason": str(error)[:300]}
        return self.journal.append([Draft("input.refused", "", data)])

    def storage(self) -> dict[str, Any]:
        """Whether the disk takes records: state `ok` or `full`, since when, and how much waits."""
        since = self.held.since_ms
        if since is None:
            return {"state": "ok", "elapsed_ms": 0, "held": 0}
        elapsed = self.clock.mono_ms() - since
        return {"state": "full", "elapsed_ms": elapsed, "held": len(self.held)}

    def plan_trial(self, turn: Turn) -> str:
        """Why the room core would refuse this plan, '' when it would not; nothing is changed."""
        drafts, _ = decide(self.state, self._input(turn), pack=self.pack)
        refused = next((one for one in drafts if one.type == "plan.refused"), None)
        return "" if refused is None else str(refused.data["reason"])

    def _input(self, turn: Turn) -> Input:
        at = iso_ms(self.clock.wall())
        return Input(kind=turn.kind, data=turn.data, mono_ms=self.clock.mono_ms(), at=at)

    def now_ms(self) -> int:
        """Steady time now, the one that the state's clocks are in."""
        return steady_ms(self.state, self.clock.mono_ms(), iso_ms(self.clock.wall()))

    def take_loop_ms(self) -> int:
        """The longest turn since the last question; for the pong."""
        longest, self.loop_ms = self.loop_ms, 0
        return longest

    def journal_ok(self) -> bool:
        """Whether a journal write was proven in the last minute (with some ticks of grace)."""
        proven = self.clock.mono_ms() - self.proven_ms <= PROOF_MS + 4 * TICK_MS
        return proven and not self.held.full

    def take(self, item: Observed | Arrived | LinkChanged | Call) -> None:
        """One item of the inbox, to the end."""
        if isinstance(item, Observed):
            self.feed([Turn(item.kind, item.data)])
        elif isinstance(item, Call):
            self._answer(item)
        elif self.uplink is not None and isinstance(item, Arrived):
            uplink, leaf, got = self.uplink, item.leaf, item.payload
            kept = item.retained
            self.feed(self._spared(lambda: uplink.arrived(leaf, got, retained=kept)))
        elif self.uplink is not None and isinstance(item, LinkChanged):
            uplink, up = self.uplink, item.up
            self._spared(lambda: uplink.link(up=up))

    def _answer(self, call: Call) -> None:
        try:
            call.answer.set_result(call.work())
        except Exception as error:  # noqa: BLE001
            # Whatever it is belongs to the thread that asked and is raised there, not in the loop.
            call.answer.set_exception(error)

    def _clock_fix(self) -> list[Turn]:
        """The wall clock was set, or began to be disciplined: what that means for times before.

        Between ticks both clocks go on alike, so a change of their difference is a step.
        """
        mono, trust = self.clock.mono_ms(), self.clock.trust()
        wall = self.clock.wall()
        apart = round(wall.timestamp() * 1000) - mono
        before, self._clocks = self._clocks, (apart, trust)
        if before is None:
            return []
        step, synced = apart - before[0], trust == "ntp" != before[1]
        if abs(step) <= STEP_MS and not synced:
            return []
        data = {"mono_ms": mono, "at": iso_ms(wall), "step_ms": step, "source": trust}
        return [Turn("system", {"type": "clock.fix", "session": "", "data": data})]

    def tick(self) -> None:
        """What is due each second, whether anything came or not."""
        if self.held.full:
            self._retry()
        elif self.clock.mono_ms() - self.proven_ms >= PROOF_MS:
            self._spared(self._prove)
        self.feed([*self._clock_fix(), Turn("tick", {})])
        if self.uplink is not None:
            self.feed(self._spared(self.uplink.tick))
        if self.hands is not None and not self.held.full:
            self.feed(self.hands.tick())
        if self.keeping is not None and not self.held.full:
            self.feed(self._spared(self.keeping.tick))
        self.heartbeat()

    def _fold(self, event: Event) -> None:
        try:
            self.state = apply(
                self.state,
                event.type,
                event.session,
                dict(event.data),
                seq=event.seq,
                mono_ms=event.mono_ms,
                at=event.at,
                epoch=event.epoch,
            )
        except (UnreadableEvent, RemoteError):
            # Recorded by a newer program: it stays in the record, this one cannot use it.
            return


def _late(seen: Seen) -> Draft:
    """What follows was seen then, while the disk was full, and is recorded now."""
    data = {"input": seen.turn.kind, "seen_at": seen.at, "seen_mono_ms": seen.mono_ms}
    return Draft("input.late", "", data)

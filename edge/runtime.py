"""The loop in the middle: one thread owns the room's state, the journal and the cursor.

Each turn: take one item, turn it into inputs, ask the pure room, write its drafts (durable),
fold them, then run the effects. Nothing acts before it is written, nothing is told to a person
before it either.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from edge.clock import iso_ms
from edge.inbox import Arrived, Call, Inbox, LinkChanged, Observed
from edge.journal import Journal, Row
from edge.room import Answer, Draft, Effect, Input, decide, sense
from edge.turn import Turn
from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.event import Event, decode_event
from protocols.policy.pack import Pack
from protocols.policy.room_model import RoomConfig, RoomState, UnreadableEvent
from protocols.policy.room_state import apply, initial, steady_ms

TICK_MS = 1000
PROOF_MS = 60_000  # WIRE §3: a real journal write is proven every 60 s
TOO_LARGE = {"ok": False, "reason": "too_large"}
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
    state: RoomState = field(init=False)
    loop_ms: int = 0
    proven_ms: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Folds the whole journal: a restart resumes from what is on the disk."""
        self.state = initial(self.config)
        for event in self.journal.replay():
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
                self._take(item)
            if self.clock.mono_ms() >= due:
                self._tick()
                due = max(due + TICK_MS, self.clock.mono_ms())
            self.loop_ms = max(self.loop_ms, self.clock.mono_ms() - began)
        self.inbox.close()

    def stop(self) -> None:
        """Ends `run` within a tick."""
        self._stop.set()

    def feed(self, turns: Iterable[Turn]) -> Fed:
        """Steps the room with each input in turn: decide, write, fold, act."""
        written: list[Row] = []
        answers: list[Answer] = []
        for turn in turns:
            inp = self._input(turn)
            self.state = sense(self.state, inp, pack=self.pack)
            drafts, effects = decide(self.state, inp, pack=self.pack)
            try:
                rows = self.journal.append(drafts) if drafts else []
            except LocalError as error:
                rows, effects = self._too_large(turn, error), (Answer("", dict(TOO_LARGE)),)
            for row in rows:
                self._fold(decode_event(row.line))
            for effect in effects:
                if isinstance(effect, Answer):
                    answers.append(effect)
                else:
                    self.run_effect(effect)
            written += rows
        if written:
            if self.uplink is not None:
                self.uplink.recorded(written)
            self.on_change()
        return Fed(tuple(written), tuple(answers))

    def _too_large(self, turn: Turn, error: LocalError) -> list[Row]:
        """What would not fit into the record does not happen; that it came is on the record."""
        data = {"input": turn.kind, "reason": str(error)[:300]}
        return self.journal.append([Draft("input.refused", "", data)])

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
        """Whether a journal write was proven in the last minute (with one tick's grace)."""
        return self.clock.mono_ms() - self.proven_ms <= PROOF_MS + 2 * TICK_MS

    def _take(self, item: Observed | Arrived | LinkChanged | Call) -> None:
        if isinstance(item, Observed):
            self.feed([Turn(item.kind, item.data)])
        elif isinstance(item, Call):
            self._answer(item)
        elif self.uplink is not None and isinstance(item, Arrived):
            self.feed(self.uplink.arrived(item.leaf, item.payload, retained=item.retained))
        elif self.uplink is not None and isinstance(item, LinkChanged):
            self.uplink.link(up=item.up)

    def _answer(self, call: Call) -> None:
        try:
            call.answer.set_result(call.work())
        except Exception as error:  # noqa: BLE001 - belongs to the thread that asked; raised there
            call.answer.set_exception(error)

    def _tick(self) -> None:
        if self.clock.mono_ms() - self.proven_ms >= PROOF_MS:
            self.journal.kv_put("proof", iso_ms(self.clock.wall()).encode("ascii"))
            self.proven_ms = self.clock.mono_ms()
        self.feed([Turn("tick", {})])
        if self.uplink is not None:
            self.feed(self.uplink.tick())
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

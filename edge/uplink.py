"""What the room says to the hub and does with its answers: birth, batches, pongs, acks (WIRE §3–6).

Owned by the loop. The rules of sending are `protocols.messages.cursor`; this file joins them with
the journal and the pipe. It keeps no queue of its own: the journal is the outbox.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from edge.journal import DiskFullError, Journal, Row
from edge.refusals import Refusals
from edge.turn import Turn
from protocols.messages.acks import Ack, seal_batch
from protocols.messages.cursor import (
    AckBad,
    Advanced,
    CursorState,
    EpochCursor,
    Ignored,
    JournalRolledBack,
    Outcome,
    Rewound,
    SendPlan,
    next_batch,
    on_ack,
    on_ask,
    on_bad_ack,
    on_disconnect,
    on_hole,
    on_sent,
)
from protocols.messages.errors import RemoteError
from protocols.messages.event import decode_event
from protocols.messages.signed import Signed, Signer, parse_message
from protocols.messages.status import Birth, Ping, PlanRef, Pong, RoomKeys
from protocols.messages.topics import (
    BATCH_EVENTS_LIVE_MAX,
    BROKER_BYTES_MAX,
    DOWN_ACK,
    DOWN_CHECKPOINT,
    DOWN_CMD,
    DOWN_PING,
    DOWN_PLAN,
    QOS,
    UP_COSIGN,
    UP_EV,
    UP_NOTICE,
    UP_ST,
    UP_TM,
    topic,
)

KV_CURSOR = "cursor"
NONCE_BYTES = 16
# Questions whose answer still says something; the hub answers the latest within a second.
ASKS_KEPT = 8
ANSWER_MS = 60_000  # a hub that speaks with us answers a birth at once, busy in seconds
GENERATION_MS = 15_000  # a hub answers a birth in seconds; its older acks are on their way for some
PLAN_BODY = "plan-body"
"""Leaf under which the fetcher brings a body; no topic of the broker ends in it."""
NOTICE_MS = 60_000  # what is older has been heard of by other means, or is no longer news (WIRE §3)
# What a person must hear of at once even when a backlog waits (WIRE §3).
NOTICE_TYPES = frozenset(
    (
        "fault.raised",
        "fault.cleared",
        "locker.unexplained",
        "cmd.done",
        "cmd.refused",
        "order.issued",
    )
)


class PipePort(Protocol):
    """The MQTT connection; see `edge.pipe`."""

    def send(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> bool: ...  # noqa: D102


class ReporterPort(Protocol):
    """When to tell what beside the record; see `edge.telemetry`."""

    def again(self) -> None: ...  # noqa: D102
    def due(self) -> bytes | None: ...  # noqa: D102
    def told(self) -> None: ...  # noqa: D102


class IntakePort(Protocol):
    """What comes down signed; see `edge.intake`."""

    def from_hub(self, signed: Signed) -> bool: ...  # noqa: D102
    def plan(self, payload: bytes, *, retained: bool) -> list[Turn]: ...  # noqa: D102
    def plan_body(self, line: bytes) -> list[Turn]: ...  # noqa: D102
    def command(self, payload: bytes, *, retained: bool) -> list[Turn]: ...  # noqa: D102
    def plan_ref(self) -> PlanRef: ...  # noqa: D102
    def asked(self, ask: str) -> None: ...  # noqa: D102


class WitnessPort(Protocol):
    """What this room signs of the hub's log; see `edge.witness`."""

    @property
    def contradicted(self) -> bool: ...  # noqa: D102
    def asked(self, payload: bytes, *, retained: bool) -> tuple[bytes, list[Turn]]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this controller is on the wire."""

    ctl: str
    boot: str
    software: str
    keys: RoomKeys
    signers: tuple[Signer, ...]


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a pong says of the loop."""

    journal_ok: bool
    loop_ms: int


@dataclass(slots=True)
class Uplink:
    """Joins cursor, journal and pipe.

    Args:
        entropy: n random bytes.
        vitals: the loop's own state, for the pong.
        reporter: says when telemetry is due.
        witness: co-signs the hub's log; None answers nothing.
        on_rollback: told when the hub has come back from an older copy, which may lack contents
            too although it has every row; must not wait.
        answered_ms: when the newest question went out that the hub has answered with its
            signature; None before the first.
    """

    me: Identity
    journal: Journal
    pipe: PipePort
    intake: IntakePort
    mono_ms: Callable[[], int]
    entropy: Callable[[int], bytes]
    vitals: Callable[[], Vitals]
    on_rollback: Callable[[], object] = lambda: None
    reporter: ReporterPort | None = None
    witness: WitnessPort | None = None
    state: CursorState = field(init=False)
    last_ping_ms: int | None = None
    answered_ms: int | None = None
    _up: bool = False
    _up_ms: int = 0
    _asked: dict[str, int] = field(default_factory=dict)
    _gaps: dict[tuple[str, int], int] = field(default_factory=dict)
    _told_before: frozenset[str] = frozenset()
    _refusals: Refusals = field(default_factory=Refusals)
    _generation_said_ms: int = -GENERATION_MS

    def __post_init__(self) -> None:
        """Takes up the positions that the journal kept."""
        self._gaps = self._declared()
        kept = json.loads(self.journal.kv_get(KV_CURSOR) or b"{}")
        self.state = CursorState(
            ctl=self.me.ctl,
            generation=kept.get("generation", 0),
            run=kept.get("run", ""),
            n=kept.get("n", 0),
            epochs={one.epoch: EpochCursor(acked=one.acked) for one in self.journal.epochs()},
            lost_reported=frozenset(self.journal.rolled_back()),
        )
        self._told_before = self.state.lost_reported

    def link(self, *, up: bool) -> None:
        """The connection came up (birth, then what waits) or went down."""
        self._up, self._up_ms = up, self.mono_ms()
        self.last_ping_ms = None
        if not up:
            self.state = on_disconnect(self.state)
            return
        if self.reporter is not None:
            self.reporter.again()
        self._send_birth()
        self._run_ahead(self._newest())
        self._pump()

    def again(self) -> None:
        """Asks the hub again for acks, plan and open commands: some could not be taken."""
        if self._up:
            self._send_birth()
            self._pump()

    def recorded(self, rows: Sequence[Row]) -> None:
        """New rows lie in the journal: send, and ahead of a backlog what must be heard."""
        if self._up:
            self._run_ahead(rows)
        self._pump()

    def _run_ahead(self, rows: Sequence[Row]) -> None:
        """Sends as notices what a person must hear of and what would otherwise wait long."""
        since_ms = self.journal.clock.mono_ms() - NOTICE_MS
        events = ((row, decode_event(row.line)) for row in rows)
        told = [row for row, e in events if e.type in NOTICE_TYPES and e.mono_ms > since_ms]
        if told and self._waiting() > BATCH_EVENTS_LIVE_MAX:
            for row in told:
                self._publish(UP_NOTICE, self._batch(row.epoch, [row]))

    def _newest(self) -> list[Row]:
        """The last rows of this start, as many as a live batch holds."""
        first = max(1, self.journal.seq - BATCH_EVENTS_LIVE_MAX + 1)
        return self.journal.rows(self.journal.epoch, first)

    def tick(self) -> list[Turn]:
        """Once a second: batches whose time is over go again, telemetry where it is due."""
        self._pump()
        self._report()
        return self._refusals.due(self.mono_ms())

    def arrived(self, leaf: str, payload: bytes, *, retained: bool) -> list[Turn]:
        """One message of the broker; nothing it holds can raise."""
        acts: dict[str, Callable[[], list[Turn]]] = {
            DOWN_ACK: lambda: self._ack(payload),
            DOWN_PING: lambda: self._pong(Ping.decode(payload)),
            DOWN_PLAN: lambda: self._planned(lambda: self.intake.plan(payload, retained=retained)),
            PLAN_BODY: lambda: self._planned(lambda: self.intake.plan_body(payload)),
            DOWN_CMD: lambda: self.intake.command(payload, retained=retained),
            DOWN_CHECKPOINT: lambda: self._witnessed(payload, retained=retained),
        }
        try:
            return acts[leaf]() if leaf in acts else []
        except RemoteError as error:
            self._refusals.add(leaf, str(error))
            return self._refusals.due(self.mono_ms())

    def echo_age_ms(self) -> int | None:
        """Age of the hub's last ping; None before the first of this connection."""
        last = self.last_ping_ms
        return None if last is None else self.mono_ms() - last

    def waiting(self) -> int:
        """Rows of all epochs the hub has not acknowledged."""
        return self._waiting()

    def trouble(self) -> str:
        """What is wrong with the hub's answers, '' for nothing.

        `ack_bad` until a good one comes, `log_refused` until this room could co-sign its log again,
        `rolled_back` where it was found since this start, `unanswered` where the hub is there and
        has had time to answer this connection's birth: one of another wire version does not.
        """
        if self.state.bad_reported:
            return "ack_bad"
        if self.witness is not None and self.witness.contradicted:
            return "log_refused"
        answered_ms = -1 if self.answered_ms is None else self.answered_ms
        waited_ms = self.mono_ms() - self._up_ms
        if self.last_ping_ms is not None and answered_ms < self._up_ms and waited_ms > ANSWER_MS:
            return "unanswered"
        return "rolled_back" if self.state.lost_reported - self._told_before else ""

    def _report(self) -> None:
        due = self.reporter.due() if self._up and self.reporter is not None else None
        if due is not None and self.reporter is not None and self._publish(UP_TM, due):
            self.reporter.told()

    def _planned(self, take: Callable[[], list[Turn]]) -> list[Turn]:
        before = self.intake.plan_ref()
        turns = take()
        if self.intake.plan_ref() != before:
            self._send_birth()
        return turns

    def _send_birth(self) -> None:
        ask = self._ask()
        birth = Birth(
            ctl=self.me.ctl,
            boot=self.me.boot,
            epoch=self.journal.epoch,
            seq=self.journal.seq,
            ask=ask,
            plan=self.intake.plan_ref(),
            software=self.me.software,
            keys=self.me.keys,
            seen=self.state.generation,
        )
        self._publish(UP_ST, birth.encode(), retain=True)

    def _witnessed(self, payload: bytes, *, retained: bool) -> list[Turn]:
        if self.witness is None:
            return []
        answer, turns = self.witness.asked(payload, retained=retained)
        if answer:
            self._publish(UP_COSIGN, answer)
        return turns

    def _pong(self, ping: Ping) -> list[Turn]:
        self.last_ping_ms = self.mono_ms()
        vitals = self.vitals()
        now = self.state.epochs.get(self.journal.epoch, EpochCursor())
        pong = Pong(
            re=ping.nonce,
            ask=self._ask(),
            epoch=self.journal.epoch,
            seq=self.journal.seq,
            acked=now.acked,
            outbox=self._waiting(),
            journal_ok=vitals.journal_ok,
            loop_ms=vitals.loop_ms,
        )
        self._publish(UP_TM, pong.encode())
        return []

    def _ask(self) -> str:
        ask = self.entropy(NONCE_BYTES).hex()
        self.state = on_ask(self.state, ask)
        self._asked = {**dict(list(self._asked.items())[1 - ASKS_KEPT :]), ask: self.mono_ms()}
        self.intake.asked(ask)
        return ask

    def _ack(self, payload: bytes) -> list[Turn]:
        try:
            signed = parse_message(payload, limit=BROKER_BYTES_MAX)
            genuine = self.intake.from_hub(signed)
            ack = Ack.read(signed)
        except RemoteError as error:
            self.state, outcomes = on_bad_ack(self.state, str(error)[:200])
            return self._carry_out(outcomes)
        if not genuine:
            self.state, outcomes = on_bad_ack(self.state, "not signed by the hub of the trust file")
            return self._carry_out(outcomes)
        if ack.re in self._asked:
            self.answered_ms = max(self._asked[ack.re], self.answered_ms or 0)
        before = self.state
        self.state, outcomes = on_ack(
            self.state,
            ack,
            self.journal.row_hash,
            self.journal.epochs(),
            gap_ends=frozenset((epoch, last) for (epoch, _), last in self._gaps.items()),
        )
        try:
            moved = any(isinstance(one, Advanced | Rewound) for one in outcomes)
            run = (self.state.generation, self.state.run)
            if run != (before.generation, before.run) and not moved:
                self.journal.append((), kv=self._ack_state())
            turns = self._carry_out(outcomes)
        except DiskFullError:
            # As if it had not come: the hub acknowledges again while our pongs say otherwise.
            self.state = before
            raise
        if run[0] != before.generation or any(isinstance(one, Rewound) for one in outcomes):
            self.on_rollback()
        if Ignored("generation") in outcomes:
            self._say_generation()
        self._pump()
        return turns

    def _say_generation(self) -> None:
        """Tells a hub of a lower generation which one this room has heard.

        A hub from a backup takes the highest of the births the broker keeps, and those were said
        before what their rooms have heard since.
        """
        now = self.mono_ms()
        if now >= self._generation_said_ms + GENERATION_MS:
            self._generation_said_ms = now
            self._send_birth()

    def _carry_out(self, outcomes: Sequence[Outcome]) -> list[Turn]:
        turns: list[Turn] = []
        for outcome in outcomes:
            if isinstance(outcome, Advanced):
                self._set_cursor(outcome.epoch, outcome.upto)
            elif isinstance(outcome, Rewound):
                self._set_cursor(outcome.epoch, outcome.upto)
                turns.append(
                    _note(
                        "hub.rollback",
                        {
                            "epoch": outcome.epoch,
                            "acked": outcome.acked,
                            "upto": outcome.upto,
                            "generation": outcome.generation,
                        },
                    )
                )
            elif isinstance(outcome, JournalRolledBack):
                if outcome.reopen:
                    self.journal.open_epoch("reopen")
                turns.append(
                    _note(
                        "journal.rolled_back",
                        {"epoch": outcome.epoch, "upto": outcome.upto, "last": outcome.last},
                    )
                )
            elif isinstance(outcome, AckBad):
                turns.append(_note("ack.bad", {"reason": outcome.reason}))
        return turns

    def _set_cursor(self, epoch: str, upto: int) -> None:
        self.journal.set_cursor(epoch, upto, kv=self._ack_state())

    def _ack_state(self) -> dict[str, bytes]:
        """What says which acks are old; true together with the position it came with."""
        kept = {"generation": self.state.generation, "run": self.state.run, "n": self.state.n}
        return {KV_CURSOR: json.dumps(kept).encode("ascii")}

    def _pump(self) -> None:
        while self._up:
            chance = int.from_bytes(self.entropy(4), "big")
            self.state, plan = next_batch(self.state, self.journal.epochs(), self.mono_ms())
            if plan is None or not self._send_batch(plan, chance):
                return

    def _send_batch(self, plan: SendPlan, chance: int) -> bool:
        rows = self.journal.rows(plan.epoch, plan.first, plan.events_max, plan.bytes_max)
        if not rows:
            return self._pass_hole(plan)
        if not self._publish(UP_EV, self._batch(plan.epoch, rows)):
            return False
        self.state = on_sent(
            self.state,
            epoch=plan.epoch,
            last=rows[-1].seq,
            now_ms=self.mono_ms(),
            entropy=chance,
        )
        return True

    def _pass_hole(self, plan: SendPlan) -> bool:
        """A row cannot be served: name the hole once (WIRE §5), go on behind it."""
        end = self._gaps.get((plan.epoch, plan.first))
        if end is None:
            hole = self.journal.hole(plan.epoch, plan.first)
            if hole is None:
                return False
            end, cause = hole
            self._declare_gap(plan.epoch, plan.first, end, cause)
        elif self.state.epochs[plan.epoch].tries:
            self._tell_gap_again(plan)
        chance = int.from_bytes(self.entropy(4), "big")
        self.state = on_hole(
            self.state, epoch=plan.epoch, last=end, now_ms=self.mono_ms(), entropy=chance
        )
        return True

    def _tell_gap_again(self, plan: SendPlan) -> None:
        """The hub stays in front of a hole that was declared: it may have lost the declaration.

        A hub from an old backup asks for what it has heard of; nobody may name the epoch in which
        the hole was declared, for the row that would may be the hole of another. Where the hub has
        it, it says so; where not, it asks for that epoch's rows.
        """
        row = self.journal.gap_row(plan.epoch, plan.first)
        if row is not None:
            self._publish(UP_EV, self._batch(row.epoch, [row]))

    def _declare_gap(self, epoch: str, first: int, last: int, cause: str) -> None:
        if (epoch, first) not in self._gaps:
            self.journal.write_gap(epoch, first, last, cause)
            # The hole may have taken an earlier declaration with it, which has to be made again.
            self._gaps = self._declared()

    def _declared(self) -> dict[tuple[str, int], int]:
        return {(epoch, first): last for epoch, first, last in self.journal.gaps()}

    def _batch(self, epoch: str, rows: Sequence[Row]) -> bytes:
        return seal_batch(
            ctl=self.me.ctl,
            epoch=epoch,
            first=rows[0].seq,
            lines=[row.line for row in rows],
            signers=self.me.signers,
        )

    def _publish(self, leaf: str, payload: bytes, *, retain: bool = False) -> bool:
        return self.pipe.send(topic(self.me.ctl, leaf), payload, qos=QOS[leaf], retain=retain)

    def _waiting(self) -> int:
        return sum(
            one.last - self.state.epochs.get(one.epoch, EpochCursor()).acked
            for one in self.journal.epochs()
        )


def _note(kind: str, data: dict[str, Any]) -> Turn:
    """A fact about the wire that belongs into the record as it is."""
    return Turn("system", {"type": kind, "session": "", "data": data})

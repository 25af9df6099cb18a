"""Ingest: what rooms send, from the broker's thread through a bounded queue into the record.

The MQTT callback only puts bytes into the queue; one thread takes them out, records, commits and
only then acknowledges. The queue holds 1 000 messages: a minute of 64 rooms' pongs and batches. A
message it has no place for is dropped, which costs time and nothing else: a room goes on sending
until it is acknowledged. While the queue is long, acks grant less credit: the only brake.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from hub.bus import Bus
from hub.clock import Clock
from hub.facts import Facts
from hub.fleet.outbound import RESEND_AFTER, Fleet
from hub.fleet.rooms import LiveRooms
from hub.keys.keyring import Keys
from hub.recording import streams
from hub.recording.counts import Counts
from hub.recording.floods import Floods
from hub.recording.recorder import Outcome, Recorder
from hub.recording.waiting import Waiting
from hub.store.engine import Store, get_meta, set_meta
from hub.store.tables_core import births
from protocols.messages.bodies import (
    CREDIT_MAX,
    WIRE_VERSION,
    Ack,
    Birth,
    OtherWire,
    Pong,
    Will,
    decode_status,
    decode_tm,
)
from protocols.messages.errors import RemoteError
from protocols.messages.recording import StreamHead, StreamState, ack_point
from protocols.messages.topics import (
    BATCH_EVENTS_LIVE_MAX,
    DOWN_ACK,
    QOS,
    UP_EV,
    UP_NOTICE,
    UP_ST,
    UP_TM,
    parse_topic,
    topic,
)

QUEUE_MAX: Final = 1_000
QUEUE_LONG: Final = 250
"""From here on rooms may have one batch in flight instead of four."""
HEAD_TRIES: Final = 5
"""Another writer can be quicker a few times, not for ever."""
RESTORE_WAIT_MS: Final = 15_000
"""Births are retained, so every connected room is heard at once; the rest is caught later."""
GREET_AGAIN_MS: Final = 60_000
"""What a room is told of its older epochs may be lost like any message, and no pong names them."""
GENERATIONS_AHEAD_MAX: Final = 1_000
"""A hub is not restored more often than this; a birth that says so must not move the number to
where no message can carry it any more."""

log = logging.getLogger(__name__)


class Ingest:
    """Reads messages of rooms and answers them.

    Args:
        store, clock, keys, facts, rooms, fleet, bus: the hub's own.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        keys: Keys,
        facts: Facts,
        rooms: LiveRooms,
        fleet: Fleet,
        bus: Bus,
    ) -> None:
        self.counts, self.floods = Counts(), Floods()
        self._store = store
        self._clock = clock
        self._keys = keys
        self._rooms = rooms
        self._fleet = fleet
        self._bus = bus
        self.recorder = Recorder(store=store, clock=clock, keys=keys, facts=facts)
        fleet.on_ping(self.recorder.pinged)
        self._waiting = Waiting(QUEUE_MAX)
        self._thread: threading.Thread | None = None
        self._n = 0
        self._store_says = ""
        self._greeted_ms: dict[str, int] = {}
        self._restored_since_ms: int | None = None
        self._births: set[str] = set()
        self._recorded: list[Callable[[], None]] = []
        self._backlog: list[Callable[[], object]] = []
        self._others: dict[str, Callable[[str, bytes], None]] = {}

    def counted(self) -> Counts:
        """The counts as they stand now."""
        return replace(
            self.counts,
            notices_dropped=self.recorder.notices_dropped,
            waiting=len(self._waiting),
        )

    def on_recorded(self, act: Callable[[], None]) -> None:
        """`act` runs after every commit that recorded something."""
        self._recorded.append(act)

    def on_backlog(self, act: Callable[[], object]) -> None:
        """`act` runs after a batch that only a room sends which is behind; it may wait a little."""
        self._backlog.append(act)

    def on_leaf(self, leaf: str, act: Callable[[str, bytes], None]) -> None:
        """`act(ctl, payload)` takes what comes on a leaf that is not the record's own.

        What it raises as `RemoteError` goes into quarantine.
        """
        self._others[leaf] = act

    def offer(self, name: str, payload: bytes) -> None:
        """Takes a message from the broker's thread; never raises, never waits."""
        if not self._waiting.put(name, bytes(payload)):
            self.counts.dropped += 1
            where = parse_topic(name)
            if where is not None:
                self.floods.refused(where.ctl)

    def start(self) -> None:
        """Runs the one ingest thread."""
        self._thread = threading.Thread(target=self._loop, name="ingest", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after what it is doing now."""
        if self._thread is not None:
            self._waiting.close()
            self._thread.join()
            self._thread = None

    def _loop(self) -> None:
        while (message := self._waiting.get()) is not None:
            self.take(*message)

    def take(self, name: str, payload: bytes) -> None:
        """`handle`, whatever it raises; what was not taken is counted and kept."""
        try:
            self.handle(name, payload)
        except OperationalError as error:
            self.counts.failed += 1
            self._refused_by_store(str(error.orig))
        except Exception as error:
            # The loop's edge: a message this program fails on must not stop every room's record.
            self.counts.failed += 1
            log.exception("ingest: %s (%d bytes) was not taken", name, len(payload))
            self._keep(name, payload, error)

    def _refused_by_store(self, cause: str) -> None:
        """Said once for a cause: a full disk refuses every message until it is not."""
        if cause != self._store_says:
            log.warning("ingest: the database takes nothing: %s; rooms send it again", cause)
        self._store_says = cause

    def _taken_by_store(self) -> None:
        if self._store_says:
            log.warning("ingest: the database takes records again")
        self._store_says = ""

    def _keep(self, name: str, payload: bytes, error: Exception) -> None:
        where = parse_topic(name)
        if where is None:
            return
        reason = f"this program failed on it: {type(error).__name__}"
        try:
            self.recorder.refuse(where.ctl, where.leaf, payload, reason)
        except SQLAlchemyError:
            log.warning("ingest: it could not be kept either", exc_info=True)

    def handle(self, name: str, payload: bytes) -> None:
        """One message, to the end: record, commit, answer. Used by the thread and by tests."""
        where = parse_topic(name)
        if where is None:
            log.warning("ingest: a message on %s, which is no topic of ours", name[:120])
            return
        self.counts.taken += 1
        acts: dict[str, Callable[[str, bytes], None]] = {
            UP_EV: self._batch,
            UP_NOTICE: self._notice,
            UP_ST: self._status,
            UP_TM: self._telemetry,
            **self._others,
        }
        act = acts.get(where.leaf)
        if act is None:
            return
        try:
            act(where.ctl, payload)
        except RemoteError as error:
            self.recorder.refuse(where.ctl, where.leaf, payload, str(error))

    # Generation

    def begin(self) -> None:
        """Called once before messages come: a restored hub first hears what its rooms have seen."""
        with self._store.read() as conn:
            if get_meta(conn, "restored"):
                self._restored_since_ms = self._clock.mono_ms()

    def tick(self) -> None:
        """Ends the waiting after a restore; called each second."""
        if self._restored_since_ms is None:
            return
        waited = self._clock.mono_ms() - self._restored_since_ms
        if waited >= RESTORE_WAIT_MS or self._births >= set(self._rooms.ctls()):
            self._restored_since_ms = None
            self._new_generation(above=0)

    def _new_generation(self, *, above: int) -> None:
        """Acks and plans of before count no longer: every room is asked to say where it is."""
        with self._store.write() as conn:
            old = int(get_meta(conn, "generation", "1"))
            set_meta(conn, "generation", str(max(old, above) + 1))
            set_meta(conn, "restored", "")
        self._fleet.republish_all()
        self._greeted_ms.clear()
        for ctl in self._rooms.ctls():
            link = self._rooms.link(ctl)
            if link.refused:
                continue
            birth = link.birth
            if birth is not None:
                self._greet(ctl, birth.epoch, acked=None)
            self._fleet.send_open(ctl)
            self._fleet.ping(ctl)

    def _seen_generation(self, generation: int) -> bool:
        """Takes note of a generation a room knows; True while answers must wait."""
        with self._store.write() as conn:
            own = int(get_meta(conn, "generation", "1"))
            if self._restored_since_ms is not None:
                set_meta(conn, "generation", str(max(own, generation)))
                return True
        if generation > own:
            log.warning("ingest: a room knows generation %d, this hub is at %d", generation, own)
            self._new_generation(above=generation)
        return False

    def _refuse_generation(self, generation: int) -> None:
        with self._store.read() as conn:
            own = int(get_meta(conn, "generation", "1"))
        if generation > own + GENERATIONS_AHEAD_MAX:
            raise RemoteError(
                "a generation this hub cannot have had",
                where="up/st.generation",
                expected=f"at most {own + GENERATIONS_AHEAD_MAX}",
                got=f"{generation}",
                do="look at this room: its plan is not this hub's",
            )

    # Batches

    def _batch(self, ctl: str, payload: bytes) -> None:
        outcome = self._recorded_batch(ctl, payload)
        if outcome.refused:
            self._bus.publish("quarantine", ctl)
            return
        if self._restored_since_ms is not None:
            acks = []
        else:
            with self._store.read() as conn:
                acks = self._acks_after(conn, ctl, outcome)
        for ack in acks:
            self._send(ack)
        if outcome.recorded:
            self._taken_by_store()
            for act in self._recorded:
                act()
        if outcome.recorded > BATCH_EVENTS_LIVE_MAX:
            for wait in self._backlog:
                wait()

    def _recorded_batch(self, ctl: str, payload: bytes) -> Outcome:
        for attempt in range(HEAD_TRIES):
            try:
                return self.recorder.batch(ctl, payload)
            except streams.HeadMovedError:
                if attempt == HEAD_TRIES - 1:
                    raise
        raise streams.HeadMovedError(ctl)

    def _acks_after(self, conn: Connection, ctl: str, outcome: Outcome) -> list[Ack]:
        made = []
        for epoch in sorted(outcome.moved | outcome.asked):
            head = streams.load_head(conn, ctl, epoch) or StreamHead(ctl=ctl, epoch=epoch)
            own = epoch == outcome.epoch
            upto, digest, _ = ack_point(
                head,
                batch_last=outcome.upto if own else None,
                recorded=partial(streams.recorded_hash, conn, ctl, epoch),
            )
            resend = outcome.resend if own else epoch in outcome.asked
            made.append(self._ack(conn, ctl, epoch, upto=upto, digest=digest, resend=resend))
        return made

    def _ack(
        self, conn: Connection, ctl: str, epoch: str, *, upto: int, digest: str, resend: bool
    ) -> Ack:
        self._n += 1
        return Ack(
            ctl=ctl,
            generation=int(get_meta(conn, "generation", "1")),
            run=self._fleet.run,
            n=self._n,
            epoch=epoch,
            upto=upto,
            hash=digest,
            resend=resend,
            credit=1 if len(self._waiting) >= QUEUE_LONG else CREDIT_MAX,
            re=self._fleet.ask(ctl),
        )

    def _send(self, ack: Ack) -> None:
        raw = ack.seal([self._keys.hub_signer()])
        self._fleet.transport.publish(topic(ack.ctl, DOWN_ACK), raw, QOS[DOWN_ACK])

    # Notices

    def _notice(self, ctl: str, payload: bytes) -> None:
        if self.recorder.notice(ctl, payload):
            self._bus.publish("board", ctl)

    # Birth, will, pong

    def _status(self, ctl: str, payload: bytes) -> None:
        if not payload:
            return  # a cleared retained message
        status = decode_status(payload)
        if status.ctl != ctl:
            raise RemoteError("a birth of another", where="up/st.ctl", expected=ctl, got=status.ctl)
        if isinstance(status, Will):
            self._fleet.ping(ctl)
            return
        if not self._known(ctl):
            log.warning("ingest: %s is not enrolled here and gets no answer", ctl)
            return
        if isinstance(status, OtherWire):
            refused = f"wire {status.wire}, this hub speaks {WIRE_VERSION}"
            log.warning("ingest: %s: %s; update the older of the two", ctl, refused)
            self._rooms.refuse(ctl, refused)
            return
        self._born(ctl, status, payload)

    def _born(self, ctl: str, birth: Birth, payload: bytes) -> None:
        """The pull request of WIRE §3: ack, plan, open commands, in this order."""
        self._refuse_generation(birth.generation)
        self._fleet.note_ask(ctl, birth.ask)
        self._rooms.birth(ctl, birth)
        with self._store.write() as conn:
            conn.execute(births.delete().where(births.c.ctl == ctl))
            conn.execute(births.insert().values(ctl=ctl, raw=payload, seen_at=self._clock.wall()))
        self._births.add(ctl)
        if self._seen_generation(birth.generation):
            return
        self._greet(ctl, birth.epoch, acked=None)
        self._fleet.send_plan(ctl)
        self._fleet.send_open(ctl)
        self._fleet.ping(ctl)

    def _greet(self, ctl: str, epoch: str, *, acked: int | None) -> None:
        """Tells a room what is recorded of every epoch it may still have rows of."""
        with self._store.read() as conn:
            rows = streams.newest_epochs(conn, ctl)
            heads = {row.epoch: streams.head_of(row) for row in rows}
            waiting = [row for row in rows if row.standing == StreamState.WAITING.value]
            for one in (epoch, *(row.pred_epoch for row in waiting if row.pred_epoch)):
                heads.setdefault(one, StreamHead(ctl=ctl, epoch=one))
            acks = []
            for head in heads.values():
                room_acked = acked if head.epoch == epoch else None
                upto, digest, resend = ack_point(
                    head, batch_last=None, recorded=lambda _: None, room_acked=room_acked
                )
                acks.append(
                    self._ack(conn, ctl, head.epoch, upto=upto, digest=digest, resend=resend)
                )
        for ack in acks:
            self._send(ack)

    def _telemetry(self, ctl: str, payload: bytes) -> None:
        body = decode_tm(payload)
        if not self._known(ctl):
            return
        if not isinstance(body, Pong):
            self._rooms.telemetry(ctl, body, payload)
            return
        self._rooms.pong(ctl, body)
        self.recorder.ponged(ctl, body.epoch, body.re)
        if self._rooms.link(ctl).refused:
            return  # it is alive; what it would make of an answer nobody here knows
        self._fleet.note_ask(ctl, body.ask)
        if self._restored_since_ms is not None:
            return
        now_ms = self._clock.mono_ms()
        told_ms = self._greeted_ms.get(ctl)
        if told_ms is None or now_ms - told_ms >= GREET_AGAIN_MS:
            # A new run of the hub proves itself by the room's latest nonce: this pong brought it.
            self._greeted_ms[ctl] = now_ms
            self._greet(ctl, body.epoch, acked=body.acked)
        else:
            self._level(ctl, body)
        self._fleet.send_open(ctl, waiting_longer=RESEND_AFTER)

    def _level(self, ctl: str, pong: Pong) -> None:
        """Acknowledges again where the room's cursor differs from the head."""
        with self._store.read() as conn:
            head = streams.load_head(conn, ctl, pong.epoch)
            head = head or StreamHead(ctl=ctl, epoch=pong.epoch)
            if pong.acked == head.head == pong.seq:
                return
            upto, digest, resend = ack_point(
                head, batch_last=None, recorded=lambda _: None, room_acked=pong.acked
            )
            ack = self._ack(conn, ctl, pong.epoch, upto=upto, digest=digest, resend=resend)
        self._send(ack)

    def _known(self, ctl: str) -> bool:
        with self._store.read() as conn:
            return self._keys.controller_key(conn, ctl) is not None

"""What the hub sends to rooms: plans, and the orders, statements and commands of people.

A controller that exists twice gets no commands until a person has looked (WIRE §5: "commands to
both wait for a person"). Commands alone wait: plans are the venue's signed state, orders and
statements are people's signed acts with their own numbers, which both copies judge alike and which
a running session needs; a copy must not be able to stop an evaluation.

A room's own events are the only answer that counts. Until it gave one, what was queued for it is
sent again at every birth: ack first, then the plan, then the open commands. Repeats cost nothing,
because a room answers a known id with the stored result.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, Protocol

from sqlalchemy import Connection, select

from hub.clock import Clock
from hub.facts import Facts
from hub.fleet import confirming
from hub.fleet.rooms import LiveRooms
from hub.keys.keyring import Keys
from hub.projection import Projector, StoredEvent
from hub.store.engine import Store, get_meta
from hub.store.tables_business import package, package_receipt, session_plan
from hub.store.tables_core import controllers, organisations, outgoing, plans, rooms
from protocols.messages.bodies import CommandWrapper, Ping, plan_body, seal_plan
from protocols.messages.plan import RECEIPTED, RECEIPTED_MAX
from protocols.messages.signed import parse_message
from protocols.messages.status import PlanRef
from protocols.messages.topics import DOWN_CMD, DOWN_PING, DOWN_PLAN, QOS, topic
from protocols.terms import Verdict

PING_MS: Final = 5_000
RESEND_AFTER: Final = timedelta(seconds=20)
"""A room that is connected and did not answer gets it again, at a pong."""
NONCE_BYTES: Final = 8
RUN_BYTES: Final = 16
OPEN_STATES: Final = ("queued", "sent")
COMMAND: Final = "command"
KINDS: Final = ("order", "statement", COMMAND)
ANSWERS: Final[Mapping[str, str]] = {
    "order.accepted": "accepted",
    "order.confirmed": "accepted",
    "order.refused": "refused",
    "statement.accepted": "accepted",
    "statement.refused": "refused",
    "cmd.accepted": "accepted",
    "cmd.done": "acted",
    "cmd.refused": "refused",
}
RANK: Final = {"queued": 0, "sent": 1, "accepted": 2, "refused": 3, "acted": 4, "confirmed": 5}
"""A state only ever moves up: events may arrive in any order, twice, or never. What was done is not
undone by a refusal that comes later, of a copy or of somebody who uses its name."""
PLAN_ANSWERS: Final[Mapping[str, str]] = {"plan.accepted": "accepted", "plan.refused": "refused"}
PLANS_KEPT_OPEN: Final = ("made", "sent")

log = logging.getLogger(__name__)


class Transport(Protocol):
    """What carries messages down to rooms."""

    def publish(self, name: str, payload: bytes, qos: int) -> None:
        """Hands a message over; lost ones are sent again by our own rules."""
        ...


class Nowhere:
    """A transport before the broker is there: everything waits in the tables."""

    def publish(self, name: str, payload: bytes, qos: int) -> None:
        """Drops it."""
        log.debug("no broker yet: %s (%d bytes, QoS %d)", name, len(payload), qos)


class Fleet:
    """Desired state and commands of every room.

    Args:
        store, clock, keys, facts, rooms: the hub's own.
        policy: `pack` (canonical dict) and `calendar` (list) that every plan carries.
        entropy: random bytes of a length; tests bring their own.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        keys: Keys,
        facts: Facts,
        rooms: LiveRooms,
        policy: Mapping[str, Any],
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.transport: Transport = Nowhere()
        self.run = entropy(RUN_BYTES).hex()
        self._store = store
        self._clock = clock
        self._keys = keys
        self._facts = facts
        self._rooms = rooms
        self._policy = policy
        self._entropy = entropy
        self._lock = threading.Lock()
        self._asks: dict[str, str] = {}
        self._pinged_ms: int | None = None
        self._on_ping: Callable[[str, str], None] = lambda _ctl, _nonce: None

    def register(self, projector: Projector) -> None:
        """Reads the rooms' answers."""
        projector.register(
            "fleet.answers", self._answer, (*ANSWERS, *PLAN_ANSWERS, "phase.changed")
        )
        # Behind the answers: a room says that it acted before its sensors show it.
        projector.register("fleet.sensors", self._sensed, confirming.TYPES)

    def _sensed(self, conn: Connection, stored: StoredEvent) -> None:
        confirming.confirm(conn, stored, self._rooms.state)

    # Plans

    def plan_body(self, ctl: str, digest: str) -> bytes | None:
        """The body of a plan of this controller that was too large to be sent, by its hash."""
        with self._store.read() as conn:
            found = conn.execute(
                select(plans.c.body).where(plans.c.ctl == ctl, plans.c.hash == digest)
            ).scalars()
            return next((bytes(one) for one in found if one is not None), None)

    def publish_plan(self, conn: Connection, ctl: str) -> tuple[int, int]:
        """Builds, signs, keeps and sends the plan of one controller: its version.

        A plan that says the same as the newest of this generation is not made again.
        """
        generation = int(get_meta(conn, "generation", "1"))
        newest = _newest_plan(conn, ctl)
        body = self._plan_of(conn, ctl)
        n = newest.n + 1 if newest is not None and newest.generation == generation else 1
        signer = self._keys.hub_signer()
        digest = _hash(body)
        if newest is not None and newest.generation == generation and newest.hash == digest:
            return generation, int(newest.n)
        raw = seal_plan(ctl=ctl, generation=generation, n=n, body=body, signers=[signer])
        sent_whole = bool(parse_message(raw, limit=len(raw)).lines)
        conn.execute(
            plans.insert().values(
                ctl=ctl,
                generation=generation,
                n=n,
                hash=digest,
                raw=raw,
                body=None if sent_whole else plan_body(body),
                state="made",
                made_at=self._clock.wall(),
            )
        )
        for session in [one["session"] for one in body["sessions"]] or [""]:
            data = {
                "session": session,
                "ctl": ctl,
                "generation": generation,
                "n": n,
                "hash": digest,
            }
            self._facts.append(conn, type="plan.published", session=session, data=data)
        self._store.after_commit(lambda: self.send_plan(ctl))
        return generation, n

    def _plan_of(self, conn: Connection, ctl: str) -> dict[str, Any]:
        place = conn.execute(
            select(rooms.c.id, rooms.c.org, rooms.c.name, organisations.c.name.label("org_name"))
            .join(controllers, controllers.c.place == rooms.c.id)
            .join(organisations, organisations.c.id == rooms.c.org)
            .where(controllers.c.ctl == ctl)
        ).one()
        rows = conn.execute(
            select(session_plan.c.body, session_plan.c.certs)
            .where(session_plan.c.ctl == ctl, session_plan.c.active)
            .order_by(session_plan.c.session)
        ).all()
        certs = {cert for row in rows for cert in row.certs}
        return {
            "v": 1,
            "ctl": ctl,
            "place": {"id": place.id, "org": place.org, "name": f"{place.org_name} {place.name}"},
            "pack": self._policy["pack"],
            "calendar": self._policy["calendar"],
            "certs": sorted(certs),
            "sessions": [row.body for row in rows],
            RECEIPTED: _receipted(conn, ctl),
        }

    def republish_all(self) -> None:
        """Makes and sends plans under the present generation, for example after a restore."""
        with self._store.write() as conn:
            for ctl in conn.execute(select(plans.c.ctl).distinct()).scalars().all():
                self.publish_plan(conn, ctl)

    def send_plan(self, ctl: str) -> None:
        """Sends the newest plan of a controller, if there is one."""
        with self._store.read() as conn:
            newest = _newest_plan(conn, ctl)
        if newest is None:
            return
        self.transport.publish(topic(ctl, DOWN_PLAN), bytes(newest.raw), QOS[DOWN_PLAN])
        if newest.state == "made":
            with self._store.write() as conn:
                self._plan_state(conn, ctl, _ref(newest), "sent")

    # Orders, statements, commands

    def send(self, conn: Connection, ctl: str, kind: str, ident: str, raw: bytes) -> None:
        """Queues the issuer's signed object for one controller; a known id is not queued again.

        Args:
            conn: connection of an open `Store.write()`.
            ctl: the controller.
            kind: order, statement or command.
            ident: id of the order or command; of a statement `statement_id`.
            raw: the issuer's message, untouched.
        """
        if kind not in KINDS:
            raise ValueError(f"fleet.send: expected one of {', '.join(KINDS)}, got {kind!r}")
        known = conn.execute(
            select(outgoing.c.id).where(outgoing.c.ctl == ctl, outgoing.c.id == ident)
        ).first()
        if known is None:
            conn.execute(
                outgoing.insert().values(
                    ctl=ctl,
                    id=ident,
                    kind=kind,
                    raw=raw,
                    state="queued",
                    reason="",
                    queued_at=self._clock.wall(),
                    held=False,
                )
            )
        self._store.after_commit(lambda: self._send_one(ctl, ident))

    def states(self, conn: Connection, ident: str) -> dict[str, dict[str, Any]]:
        """What became of one id: ctl -> `{state, reason, queued_at, sent_at, answered_at}`."""
        rows = conn.execute(select(outgoing).where(outgoing.c.id == ident))
        return {
            row.ctl: {
                "state": row.state,
                "reason": row.reason,
                "queued_at": row.queued_at,
                "sent_at": row.sent_at,
                "answered_at": row.answered_at,
            }
            for row in rows
        }

    def send_open(self, ctl: str, *, waiting_longer: timedelta | None = None) -> int:
        """Sends everything a controller has not answered; returns how many.

        Args:
            ctl: the controller.
            waiting_longer: only what was sent at least this long ago.
        """
        now = self._clock.wall()
        with self._store.read() as conn:
            rows = conn.execute(
                select(outgoing.c.id, outgoing.c.sent_at)
                .where(outgoing.c.ctl == ctl, outgoing.c.state.in_(OPEN_STATES))
                .order_by(outgoing.c.queued_at)
            ).all()
        due = [
            row.id
            for row in rows
            if waiting_longer is None or row.sent_at is None or now - row.sent_at >= waiting_longer
        ]
        for ident in due:
            self._send_one(ctl, ident)
        return len(due)

    def _send_one(self, ctl: str, ident: str) -> None:
        with self._store.read() as conn:
            row = conn.execute(
                select(outgoing).where(outgoing.c.ctl == ctl, outgoing.c.id == ident)
            ).one_or_none()
            held = row is not None and row.kind == COMMAND and _held(conn, ctl)
        if row is None or held or row.held or row.state not in OPEN_STATES:
            return
        wrapper = CommandWrapper(
            ctl=ctl, re=self.ask(ctl), id=ident, kind=row.kind, inner=bytes(row.raw)
        )
        raw = wrapper.seal([self._keys.hub_signer()])
        self.transport.publish(topic(ctl, DOWN_CMD), raw, QOS[DOWN_CMD])
        with self._store.write() as conn:
            conn.execute(
                outgoing.update()
                .where(
                    outgoing.c.ctl == ctl,
                    outgoing.c.id == ident,
                    outgoing.c.state.in_(OPEN_STATES),
                )
                .values(state="sent", sent_at=self._clock.wall())
            )

    # The line

    def ask(self, ctl: str) -> str:
        """The room's latest nonce; '' before its first birth or pong."""
        with self._lock:
            return self._asks.get(ctl, "")

    def note_ask(self, ctl: str, ask: str) -> None:
        """A birth or pong brought a nonce."""
        with self._lock:
            self._asks[ctl] = ask

    def tick(self) -> None:
        """Pings each room every 5 s and notes silence; called each second.

        A room whose pong was missed is pinged each second: at 2 % loss three lost in a row would
        come a hundred times in three months, nine do not.
        """
        now_ms = self._clock.mono_ms()
        due = self._rooms.overdue()
        if self._pinged_ms is None or now_ms - self._pinged_ms >= PING_MS:
            self._pinged_ms = now_ms
            due = self._rooms.ctls()
        for ctl in due:
            self.ping(ctl)
        self._rooms.check_silence()

    def on_ping(self, act: Callable[[str, str], None]) -> None:
        """`act(ctl, nonce)` runs before a room is asked for a sign of life."""
        self._on_ping = act

    def ping(self, ctl: str) -> None:
        """Asks one room for a sign of life."""
        nonce = self._entropy(NONCE_BYTES).hex()
        self._on_ping(ctl, nonce)
        self.transport.publish(topic(ctl, DOWN_PING), Ping(nonce).encode(), QOS[DOWN_PING])

    def hold(self, conn: Connection, ctl: str, *, held: bool) -> None:
        """Stops or lets go the commands to a controller; it is kept over restarts.

        The recorder holds where it finds a clone; `hub.clones.release` lets go in a person's name.
        """
        hold(conn, ctl, held=held)
        if not held:
            self._store.after_commit(lambda: self._release(ctl))

    def _release(self, ctl: str) -> None:
        self.send_open(ctl)

    # Answers

    def _answer(self, conn: Connection, stored: StoredEvent) -> None:
        """A room's event about something we sent."""
        event = stored.event
        if event.type in PLAN_ANSWERS:
            said = event.data
            ref = PlanRef(int(said["generation"]), int(said["n"]), str(said["hash"]))
            self._plan_state(conn, stored.ctl, ref, PLAN_ANSWERS[event.type])
            return
        if event.type == "phase.changed":
            ident, state = str(event.data.get("order", "")), "acted"
        else:
            # An order that did not prove itself is named only: it is answered, its name is not.
            named = event.data.get("named", "") if event.type == "order.refused" else ""
            ident, state = str(event.data["id"] or named), ANSWERS[event.type]
        row = conn.execute(
            select(outgoing.c.state).where(outgoing.c.ctl == stored.ctl, outgoing.c.id == ident)
        ).one_or_none()
        proven = event.type == "order.accepted" and row is not None and row.state == "refused"
        if row is None or (RANK[state] <= RANK[row.state] and not proven):
            return
        conn.execute(
            outgoing.update()
            .where(outgoing.c.ctl == stored.ctl, outgoing.c.id == ident)
            .values(
                state=state,
                reason=str(event.data.get("reason", "")),
                answered_at=stored.recorded_at,
            )
        )

    @staticmethod
    def _plan_state(conn: Connection, ctl: str, ref: PlanRef, state: str) -> None:
        """By version and hash: a refusal of another content of this version is not ours."""
        mine = (plans.c.generation == ref.generation) & (plans.c.n == ref.n)
        conn.execute(
            plans.update()
            .where(plans.c.ctl == ctl, mine, plans.c.hash == ref.hash)
            .values(state=state)
        )


def hold(conn: Connection, ctl: str, *, held: bool) -> None:
    """Notes whether commands to a controller wait for a person."""
    conn.execute(controllers.update().where(controllers.c.ctl == ctl).values(held=held))


def _hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(plan_body(body)).hexdigest()


def _ref(row: Any) -> PlanRef:
    return PlanRef(row.generation, row.n, row.hash)


def _newest_plan(conn: Connection, ctl: str) -> Any:
    return conn.execute(
        select(plans)
        .where(plans.c.ctl == ctl)
        .order_by(plans.c.generation.desc(), plans.c.n.desc())
        .limit(1)
    ).one_or_none()


def _receipted(conn: Connection, ctl: str) -> dict[str, str]:
    """Sessions of a room whose record the home venue has taken over: session -> package.

    A venue's record is taken over with the receipt for its own package; the home venue's own too,
    for its package is the first part of the project's file. A refusal takes nothing over.
    """
    mine = (package.c.session == session_plan.c.session) & (package.c.org == session_plan.c.org)
    rows = conn.execute(
        select(package.c.session, package.c.id)
        .join(session_plan, mine)
        .join(package_receipt, package_receipt.c.package == package.c.id)
        .where(session_plan.c.ctl == ctl, package_receipt.c.verdict != Verdict.REFUSED.value)
        .order_by(package_receipt.c.id.desc())
        .limit(RECEIPTED_MAX)
    )
    return {row.session: row.id for row in reversed(rows.all())}


def _held(conn: Connection, ctl: str) -> bool:
    return bool(
        conn.execute(
            select(controllers.c.held).where(controllers.c.ctl == ctl)
        ).scalar_one_or_none()
    )

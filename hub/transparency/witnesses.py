"""Controllers that co-sign the log: one per venue is asked, none of them can be talked round.

A witness is asked with a proof from the size it last told; its answer is a note. What it signed is
kept; what it merely holds tells from where to prove next time. A note that this hub signed and does
not have shows that this copy of the hub lost entries, or that somebody else signs with its key.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final, NoReturn

from sqlalchemy import Connection, func, select

from hub import crypto
from hub.clock import Clock
from hub.fleet.outbound import Fleet
from hub.keys.keyring import Keys
from hub.store.engine import Store
from hub.store.tables_core import controllers
from hub.store.tables_log import log_checkpoint, log_cosignature, log_witness
from hub.transparency import tree
from hub.transparency.log import EventLog, known_note
from protocols.evidence.checkpoint import (
    TYPE_COSIGNATURE,
    Note,
    Question,
    cosigned_at,
    key_id,
    parse_note,
    read_origin,
    signed_by_log,
)
from protocols.evidence.merkle import consistency_proof
from protocols.messages.errors import RemoteError
from protocols.messages.topics import DOWN_CHECKPOINT, QOS, topic

AGAIN_MS: Final = 5_000
"""A question may be lost, or the room may write down first that it begins."""
AGAIN_MS_MAX: Final = 60_000


@dataclass(slots=True)
class _Waiting:
    """A witness whose answer to the newest checkpoint is not here yet."""

    due_ms: int
    wait_ms: int = AGAIN_MS


@dataclass(frozen=True, slots=True)
class Named:
    """A witness and its venue."""

    ctl: str
    org: str


class Witnesses:
    """Asks the witnesses of a hub and keeps what they sign.

    Args:
        store, clock, keys, fleet: the hub's own.
        log: whose checkpoints are co-signed.
    """

    def __init__(
        self, *, store: Store, clock: Clock, keys: Keys, fleet: Fleet, log: EventLog
    ) -> None:
        self._store = store
        self._clock = clock
        self._keys = keys
        self._fleet = fleet
        self._log = log
        self._lock = threading.Lock()
        self._held: dict[str, tuple[int, int]] = {}
        self._waiting: dict[str, _Waiting] = {}
        log.on_checkpoint(self.ask_all)

    def ask_all(self) -> None:
        """Asks every witness about the newest checkpoint."""
        with self._store.write() as conn:
            choose(conn, self._clock)
            names = [row.ctl for row in asked_now(conn)]
        now_ms = self._clock.mono_ms()
        with self._lock:
            self._waiting = {ctl: _Waiting(now_ms + AGAIN_MS) for ctl in names}
        for ctl in names:
            self._ask(ctl)

    def tick(self) -> None:
        """Asks those again whose answer is overdue; called each second."""
        now_ms, due = self._clock.mono_ms(), []
        with self._lock:
            for ctl, one in self._waiting.items():
                if now_ms >= one.due_ms:
                    one.wait_ms = min(one.wait_ms * 2, AGAIN_MS_MAX)
                    one.due_ms = now_ms + one.wait_ms
                    due.append(ctl)
        for ctl in due:
            self._ask(ctl)

    def heard(self, ctl: str, payload: bytes) -> None:
        """What a witness answered.

        Raises:
            RemoteError: not an answer of a witness about a log of this hub.
        """
        note = parse_note(payload)
        point = note.checkpoint
        hub, n = read_origin(point.origin)
        if hub != self._keys.hub or not signed_by_log(note, self._keys.hub_public(), crypto.verify):
            _refuse("a checkpoint this hub signed", point.origin)
        with self._store.read() as conn:
            public = _public(conn, ctl)
            newest = known_note(conn)
            known = conn.execute(
                select(log_checkpoint.c.root).filter_by(origin=n, size=point.size)
            ).scalar_one_or_none()
        if public is None or not newest:
            _refuse("an answer of a witness", ctl)
        current = parse_note(newest.encode()).checkpoint
        if n < read_origin(current.origin)[1]:
            return  # of a log that is over; the witness has not heard of the new one yet
        if known != point.root.hex():
            self._log.disown(note, seen_by=ctl)
            return
        self._keep(ctl, public, note, n)
        with self._lock:
            news = self._held.get(ctl) != (n, point.size)
            self._held[ctl] = (n, point.size)
            if point.size == current.size:
                self._waiting.pop(ctl, None)
        if news and point.size < current.size:
            self._ask(ctl)

    def _keep(self, ctl: str, public: bytes, note: Note, n: int) -> None:
        """Stores the signature of this witness, if the note bears one."""
        lines = note.by(ctl, key_id(ctl, TYPE_COSIGNATURE, public))
        if not lines:
            return
        if cosigned_at(note, name=ctl, public=public, verify=crypto.verify) is None:
            _refuse("a co-signature that holds", ctl)
        place = {"origin": n, "size": note.checkpoint.size, "ctl": ctl}
        with self._store.write() as conn:
            if conn.execute(select(log_cosignature.c.ctl).filter_by(**place)).first() is None:
                row = {"line": lines[0].line, "seen_at": self._clock.wall()}
                conn.execute(log_cosignature.insert().values(**place, **row))
        self._log.cosigned()

    def _ask(self, ctl: str) -> None:
        with self._store.read() as conn:
            raw, state = known_note(conn), tree.load(conn)
            if not raw or state is None or self._log.behind(conn):
                return
            note = parse_note(raw.encode())
            held = self._held.get(ctl) or _signed_last(conn, ctl, state.origin)
            old = held[1] if held[0] == state.origin and held[1] <= note.checkpoint.size else 0
            nodes = tree.Nodes(conn, state.origin)
            proof = consistency_proof(old, note.checkpoint.size, nodes)
        question = Question(old, tuple(proof), note).encode()
        self._fleet.transport.publish(topic(ctl, DOWN_CHECKPOINT), question, QOS[DOWN_CHECKPOINT])


def choose(conn: Connection, clock: Clock) -> None:
    """Names one witness for each venue that has a controller and no witness in use.

    The one enrolled first: it has seen most. One that was replaced stays in the trust file, for
    what it signed.
    """
    have = {row.org for row in asked_now(conn)}
    known = set(conn.execute(select(log_witness.c.ctl)).scalars())
    rows = conn.execute(
        select(controllers.c.ctl, controllers.c.org, controllers.c.sign_pub)
        .where(controllers.c.state == "enrolled")
        .order_by(controllers.c.enrolled_at, controllers.c.ctl)
    )
    for row in rows:
        if row.org not in have and row.ctl not in known:
            have.add(row.org)
            conn.execute(
                log_witness.insert().values(
                    ctl=row.ctl, org=row.org, pub=row.sign_pub, chosen_at=clock.wall()
                )
            )


def asked_now(conn: Connection) -> list[Named]:
    """The witnesses in use: chosen, and still enrolled."""
    rows = conn.execute(
        select(log_witness.c.ctl, log_witness.c.org)
        .join(controllers, controllers.c.ctl == log_witness.c.ctl)
        .where(controllers.c.state == "enrolled")
        .order_by(log_witness.c.chosen_at, log_witness.c.ctl)
    )
    return [Named(row.ctl, row.org) for row in rows]


def _public(conn: Connection, ctl: str) -> bytes | None:
    pub = conn.execute(select(log_witness.c.pub).filter_by(ctl=ctl)).scalar_one_or_none()
    return None if pub is None else bytes.fromhex(pub)


def _signed_last(conn: Connection, ctl: str, origin: int) -> tuple[int, int]:
    size = conn.execute(
        select(func.max(log_cosignature.c.size)).filter_by(origin=origin, ctl=ctl)
    ).scalar_one()
    return origin, int(size or 0)


def _refuse(expected: str, got: str) -> NoReturn:
    raise RemoteError("not a witness' answer", where="up/cosign", expected=expected, got=got)

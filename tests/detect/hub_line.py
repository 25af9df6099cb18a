"""The hub in virtual time: its real reachability, alarms and cases, over rooms that answer or not.

Rooms answer pings as the network lets them (2 % of messages lost each way, up to 0.5 s late each
way) and their journals' faults arrive as signed batches. Ticks are stepped where a link turns or
pongs are missing in a row; between, nothing the hub looks at changes, and `full` proves it.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from edge.pipe import HURRY_S
from hub import crypto
from hub.alarms.kinds import DEAF, SILENT, STOPPED
from hub.clock import iso_ms
from hub.fleet.ears import RETURN_MS
from hub.problems import Problem
from hub.store.tables_business import booking, booking_venue, contingency_case
from hub.store.tables_core import controllers, events, rooms, stations
from hub.web.views_alarm_make import Alarm, BoardData, alarms_of
from protocols.messages.bodies import Pong, seal_batch
from protocols.messages.event import Event, decode_event, encode_event, event_hash, first_prev
from protocols.messages.identity import kid as kid_of
from protocols.messages.topics import parse_topic
from tests.detect.labels import DAY, EVERYWHERE, MINUTE, Label, S
from tests.detect.room_line import JITTER_MS, LOSS, PING_MS, START, Row
from tests.hub.booking.town import NOW, Town, build_town, published

MONO_MS = 1_000_000
OFF_LINE = ("controller", "wan", *EVERYWHERE)
BEFORE_MS, AFTER_MS = 15 * S, RETURN_MS + 45 * S
ORG = "changsha"
LOST = int(LOSS * 2**16)
DRAWS = 4
"""Of a second: whether the question and the answer are lost, and how late each is."""
ROOMS_KEPT = 64
SENT = ("session.prepared", "phase.changed", "fault.raised", "fault.cleared")
"""What of a room's rows the hub's alarms and cases read; the rest is not sent here."""


def ctl_of(room: int) -> str:
    return f"c-{room + 0x100:012x}"


def room_of(ctl: str) -> int:
    return int(ctl.removeprefix("c-"), base=16) - 0x100


@lru_cache(ROOMS_KEPT)
def luck(seed: int, room: int, day: int) -> memoryview:
    """A day's draws of a room's link, each from 0 to 65535, each by itself."""
    chance = random.Random(f"{seed}:{room}:{day}")  # noqa: S311 - the same again
    return memoryview(chance.randbytes(DAY // S * DRAWS * 2)).cast("H")


def session_of(room: int) -> str:
    return f"s-{room + 0x100:012x}"


@dataclass(frozen=True, slots=True)
class Page:
    """People were called: an alarm that wants to be acknowledged has come up."""

    at_ms: int
    room: int
    kind: str
    ident: str


@dataclass
class HubLine:
    """A hub over a run; `pages` are its calls, `seen` every alarm that came up, quiet or not."""

    folder: Path
    count: int
    faults: Sequence[Label]
    seed: int
    end_ms: int
    full: bool = False
    pages: list[Page] = field(default_factory=list)
    seen: list[Page] = field(default_factory=list)
    ticks: int = 0
    now_ms: int = 0

    def __post_init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._n = itertools.count()
        self._chance = random.Random(self.seed)  # noqa: S311
        self._awake_ms, self._running, self._ears_open = -1, True, True
        self._away: dict[int, int] = defaultdict(int)
        self._known: set[str] = set()
        self._tips = [first_prev()] * self.count
        self._seqs = [0] * self.count
        self.town = build_town(self.folder)
        published(self.town)
        self.signers = self._enrol()
        self._wire()
        self._set(0)

    # -- a platform with many rooms --------------------------------------------------------------
    def _enrol(self) -> list[Any]:
        town, signers = self.town, []
        with town.store.write() as conn:
            row = dict(conn.execute(booking.select()).mappings().one())
            query = booking_venue.select().where(booking_venue.c.org == ORG)
            venue = dict(conn.execute(query).mappings().one())
            for room in range(self.count):
                seed, place = crypto.new_seed(), f"{ORG}-{room + 100}"
                public = crypto.public_of(seed)
                signers.append(crypto.signer(seed, "controller"))
                conn.execute(
                    insert(rooms).values(
                        id=place, org=ORG, room=str(room + 100), name="室", ctl=ctl_of(room)
                    )
                )
                station = {"id": f"{place}-1", "room": place, "org": ORG, "n": 1, "locker": 1}
                conn.execute(insert(stations).values(**station, kind="open", active=True))
                who = {"ctl": ctl_of(room), "place": place, "org": ORG, "seal_pub": "0" * 64}
                keys = {"sign_kid": kid_of(public), "sign_pub": public.hex()}
                more = {"mqtt_user": ctl_of(room), "state": "enrolled", "enrolled_at": NOW}
                conn.execute(insert(controllers).values(**who, **keys, **more, held=False))
                number = {"number": f"2026-0302-{room + 10}", "session": session_of(room)}
                conn.execute(insert(booking).values({**row, **number}))
                at = {"booking": number["number"], "place": place}
                conn.execute(insert(booking_venue).values({**venue, **at}))
            conn.execute(
                update(controllers)
                .where(
                    controllers.c.enrolled_at == NOW,
                    ~(controllers.c.ctl.in_([ctl_of(one) for one in range(self.count)])),
                )
                .values(state="retired")
            )
        return signers

    def _wire(self) -> None:
        self.town.fleet.transport = self
        self.town.rooms.rebuild()
        self.town.projector.run_pending()

    def publish(self, name: str, payload: bytes, qos: int) -> None:  # noqa: ARG002 as a transport
        """A message to a room; only pings are answered here."""
        where = parse_topic(name)
        if where is None or where.leaf != "down/ping" or not self._ears_open:
            return
        room = room_of(where.ctl)
        gone, late_ms = self.fate(room, self.now_ms // S)
        if not gone and not self._away[room]:
            self.at(self.now_ms + late_ms, partial(self._pong, room))

    def fate(self, room: int, second: int) -> tuple[bool, int]:
        """Whether a question of this second or its answer is lost, and when the answer comes."""
        day, at = divmod(second, DAY // S)
        out, back, late, later = luck(self.seed, room, day)[at * DRAWS : at * DRAWS + DRAWS]
        return out < LOST or back < LOST, (late + later) * JITTER_MS >> 16

    def _pong(self, room: int) -> None:
        if self._running and self._ears_open and not self._away[room]:
            self._hear(room)

    def _hear(self, room: int) -> None:
        told = Pong(
            re="",
            ask="",
            epoch="e" * 32,
            seq=self._seqs[room],
            acked=self._seqs[room],
            outbox=0,
            journal_ok=True,
            loop_ms=1,
        )
        before = self.town.rooms.link(ctl_of(room)).reachable
        self.town.rooms.pong(ctl_of(room), told)
        if before is not True:
            self._look()

    # -- time ------------------------------------------------------------------------------------
    def at(self, at_ms: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (round(at_ms), next(self._n), act))

    def _set(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.town.clock.now = START + timedelta(milliseconds=now_ms)
        self.town.clock.mono = MONO_MS + now_ms

    def run(self, rows: Sequence[Sequence[Row]]) -> list[Page]:
        for one in (one for one in self.faults if one.kind in OFF_LINE):
            self._plan(one)
        for room, journal in enumerate(rows):
            self._send_all(room, journal)
        for from_ms, to_ms in [(0, MINUTE)] + ([(0, self.end_ms)] if self.full else []):
            self._wake(from_ms, to_ms)
        for second in () if self.full else self._unlucky():
            self._wake((second - 10) * S, (second + 30) * S)
        while self._heap and self._heap[0][0] <= self.end_ms:
            at_ms, _, act = heapq.heappop(self._heap)
            self._set(at_ms)
            act()
        return self.pages

    def _unlucky(self) -> Iterator[int]:
        """Seconds in which pings of a room begin to be missed often enough in a row to matter.

        A room is silent after fifteen seconds, and one whose pong was missed is asked each second:
        with an answer to any of the questions below nothing the hub looks at changes.
        """
        for room, day in itertools.product(range(self.count), range(self.end_ms // DAY + 1)):
            drawn = luck(self.seed, room, day)
            ways = zip(drawn[:: 5 * DRAWS], drawn[1 :: 5 * DRAWS], strict=True)
            for n, (out, back) in enumerate(ways):
                second = day * DAY // S + 5 * n
                if (out < LOST or back < LOST) and all(
                    self.fate(room, second + more)[0] for more in (3, 4, 5)
                ):
                    yield second

    def _wake(self, from_ms: float, to_ms: float) -> None:
        self.at(max(0, from_ms), partial(self._awake, round(to_ms)))

    def _awake(self, to_ms: int) -> None:
        asleep = self._awake_ms < self.now_ms
        self._awake_ms = max(self._awake_ms, to_ms)
        if not asleep:
            return
        if self._running:
            # It was awake all the time: each room that was there has answered, each second looked.
            for room in range(self.count):
                link = self.town.rooms.link(ctl_of(room))
                if link.reachable is True and not self._away[room]:
                    self._hear(room)
            self.town.rooms._ears._looked_ms = self.town.clock.mono_ms()
        self.at((self.now_ms // S + 1) * S, self._tick)

    def _tick(self) -> None:
        self.ticks += 1
        if self._running:
            before = self._turns()
            self.town.fleet.tick()
            if self.now_ms // S % 10 == 0:
                self.town.contingency.tick()
            if self._turns() != before:
                self._look()
        if self.now_ms + S <= self._awake_ms:
            self.at(self.now_ms + S, self._tick)

    def _turns(self) -> list[tuple[bool | None, bool]]:
        links = (self.town.rooms.link(ctl_of(room)) for room in range(self.count))
        return [(one.reachable, one.own) for one in links]

    # -- what is broken --------------------------------------------------------------------------
    def _plan(self, one: Label) -> None:
        for at in (one.from_ms, one.to_ms):
            # Pings begin with the waking: by chance, so that a fault meets them at any moment.
            self._wake(at - BEFORE_MS - self._chance.randrange(PING_MS), at + AFTER_MS)
        if one.kind == "hub_stopped":
            self.at(one.from_ms, partial(setattr, self, "_running", False))
            self.at(one.to_ms, self.restart)
        elif one.kind == "hub_line":
            self.at(one.from_ms, partial(setattr, self, "_ears_open", False))
            self.at(one.to_ms, partial(setattr, self, "_ears_open", True))
        else:
            for room in range(self.count) if one.room < 0 else (one.room,):
                back = one.to_ms + 2 * S + self._chance.random() * HURRY_S * S
                back = one.to_ms + 2 * S if one.kind == "controller" else back
                self.at(one.from_ms, partial(self._leave, room, 1))
                self.at(back, partial(self._leave, room, -1))

    def _leave(self, room: int, more: int) -> None:
        self._away[room] += more

    def restart(self) -> None:
        """A new process over the same database."""
        old = self.town
        self.town = build_town(self.folder, like=old, url=f"sqlite:///{self.folder}/hub.sqlite")
        old.store.close()
        self._set(self.now_ms)
        self._wire()
        self.town.contingency.begin()
        self._running = True
        self._look()

    # -- the rooms' record -----------------------------------------------------------------------
    def _send_all(self, room: int, journal: Sequence[Row]) -> None:
        kept = [one for one in journal if one.type in SENT]
        for at_ms, group in itertools.groupby(kept, key=lambda one: one.at_ms):
            sent = at_ms + self._chance.random() * JITTER_MS
            while self._chance.random() < LOSS:
                sent += 5 * S
            self.at(sent, partial(self._deliver, room, tuple(group)))

    def _deliver(self, room: int, group: tuple[Row, ...]) -> None:
        if self._away[room] or not self._running or not self._ears_open:
            self.at(self.now_ms + 5 * S, partial(self._deliver, room, group))
            return
        first = self._seqs[room] + 1
        if first == 1:
            opened = {"pred_epoch": "", "pred_seq": 0, "pred_hash": first_prev(), "cause": "start"}
            group = (Row(0, "epoch.opened", "", opened), *group)
        lines = [self._line(room, row) for row in group]
        raw = seal_batch(
            ctl=ctl_of(room),
            epoch=f"{room:032x}",
            first=first,
            lines=lines,
            signers=[self.signers[room]],
        )
        outcome = self.town.recorder.batch(ctl_of(room), raw)
        assert outcome.refused == "", outcome
        self.town.projector.run_pending()
        self._look()

    def _line(self, room: int, row: Row) -> bytes:
        self._seqs[room] += 1
        event = Event(
            v=1,
            ctl=ctl_of(room),
            epoch=f"{room:032x}",
            seq=self._seqs[room],
            prev=self._tips[room],
            session=row.session,
            boot="boot",
            mono_ms=row.at_ms,
            at=iso_ms(START + timedelta(milliseconds=row.at_ms)),
            at_trust="ntp",
            type=row.type,
            data=row.data,
        )
        line = encode_event(event)
        self._tips[room] = event_hash(line)
        return line

    # -- people ----------------------------------------------------------------------------------
    def alarms(self) -> list[Alarm]:
        """The rail of the board as it stands."""
        town = self.town
        town.projector.run_pending()
        return alarms_of(
            BoardData(
                now=town.clock.wall(),
                rooms=town.rooms.snapshot(),
                sessions=(),
                cases=(),
                names={},
                home_orgs=frozenset(),
                pack=town.pack,
                may_ack=True,
                hub=(town.rooms.itself(town.facts.hub),),
            )
        )

    def _look(self) -> None:
        for one in self.alarms():
            if one.ident in self._known:
                continue
            self._known.add(one.ident)
            ctl, _, name = one.ident.partition(":")
            room = room_of(ctl) if ctl.startswith("c-") else -1
            page = Page(self.now_ms, room, one.kind, one.ident)
            self.seen.append(page)
            if not one.quiet and not one.acked:
                self.pages.append(page)
            if not one.acked:  # what only informs is read too
                answer = self.now_ms + 30 * S + self._chance.randrange(4 * MINUTE)
                self.at(answer, partial(self._ack, ctl, name))

    def _ack(self, ctl: str, name: str) -> None:
        if not self._running:
            self.at(self.now_ms + MINUTE, partial(self._ack, ctl, name))
            return
        try:
            self.town.contingency.ack_alarm(self.town.who(f"{ORG}.fault_handler"), ctl, name)
        except Problem as refused:
            if refused.status != 404:  # over by itself before somebody came
                raise
        with self.town.store.write() as conn:
            conn.execute(
                update(contingency_case)
                .where(contingency_case.c.cleared_at.is_not(None))
                .values(state="closed")
            )

    def cases(self) -> list[tuple[int, str]]:
        """(moment, session) of every case that was opened."""
        with self.town.store.read() as conn:
            raws = conn.execute(
                select(events.c.raw).where(events.c.type == "case.opened").order_by(events.c.id)
            ).scalars()
            found = [decode_event(bytes(raw)) for raw in raws]
        return [(one.mono_ms - MONO_MS, one.session) for one in found]


__all__ = ["DEAF", "SILENT", "STOPPED", "HubLine", "Page", "Town"]

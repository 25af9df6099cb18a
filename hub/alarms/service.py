"""Alarms of the hub: raised behind a projection cursor, acknowledged and closed by named people.

Faults a room raised are acknowledged the same way; they end by themselves in the room. An alarm of
the record ends when its cause is gone and somebody has acknowledged it, or when a named person
closes it with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from hub.alarms import rows
from hub.alarms.kinds import CLONE, FACTS, ROWS, UNREADABLE, Said, over, raised, seen_to, shortened
from hub.alarms.rows import Act, Evidence, HubAlarm
from hub.clock import iso_ms
from hub.ports import Actor, Parts, allow, by, refuse
from hub.projection import Projector, StoredEvent, Unreadable
from protocols.policy.permits import open_sessions
from protocols.policy.room_model import RoomState

HANDLING: Final = (
    "fault_handler",
    "operator",
    "home_manager",
    "deputy",
    "guest_coordinator",
    "room_staff",
    "technician",
    "witness",
)
CLOSING: Final = (
    "fault_handler",
    "operator",
    "home_manager",
    "deputy",
    "guest_coordinator",
    "technician",
    "administrator",
)
"""Who ends an alarm that does not end by itself; only of the room's own organisation."""
ACKED: Final = "alarm.acked"
CLOSED: Final = "alarm.closed"
TYPES: Final = (*FACTS, *ROWS, ACKED, CLOSED)
FOUND_LATER: Final = timedelta(minutes=10)
"""WIRE §5: what is older is shown as found later and pages nobody."""
REASON_CHARS_MAX: Final = 500


class Alarms:
    """Alarms of the platform.

    Args:
        parts: the hub's parts.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def register(self, projector: Projector) -> None:
        """Adds the handler, and hears of rows no handler could read."""
        projector.register("alarms", self._on_event, TYPES)
        projector.on_unreadable(self._unreadable)

    def ack(self, actor: Actor, ctl: str, name: str, *, session: str = "") -> None:
        """Acknowledges an alarm or a room's fault: somebody has it in hand.

        Args:
            actor: who.
            ctl: the room's controller.
            name: a standing alarm's id, or a fault of the room.
            session: the session its case belongs to.

        Raises:
            Problem: 403 a room of others, 404 no such alarm.
        """
        allow(actor, HANDLING)
        self._refuse(actor, ctl, name)
        with self._parts.store.write() as conn:
            found = rows.load(conn, ctl, name)
            data = {"ctl": ctl, "fault": name, "by": by(actor)}
            ref = self._parts.facts.append(conn, type=ACKED, session=session, data=data)
            about = None if found is None else Said(found.kind, ctl, found.subject)
            rows.act(conn, ctl, name, rows.ACK, Act(actor.post, _told_at(ref.at)), about=about)
            self._tell()

    def close(self, actor: Actor, ctl: str, name: str, reason: str) -> dict[str, Any]:
        """Ends an alarm that does not end by itself, by name and with a reason.

        Raises:
            Problem: 403 a room of others, 404 no such alarm, 409 a clone still held, 422 no reason.
        """
        allow(actor, CLOSING)
        self._refuse(actor, ctl, name, own=True)
        if not 0 < len(reason.strip()) <= REASON_CHARS_MAX:
            raise refuse(
                422,
                "alarm_reason",
                zh="须写明关闭告警的理由",
                en="Closing an alarm needs a reason",
                where="alarm.reason",
                expected=f"1 to {REASON_CHARS_MAX} characters",
                got=f"{len(reason)} characters",
                do="写明查明的情况和处理结果",
            )
        with self._parts.store.write() as conn:
            found = rows.load(conn, ctl, name)
            if found is None:
                raise _no_alarm(ctl, name)
            if found.kind == CLONE and found.returned_at is None:
                raise _still_held(ctl)
            data = {
                "ctl": ctl,
                "fault": name,
                "kind": found.kind,
                "subject": found.subject,
                "upto": {"epoch": found.last_epoch, "seq": found.last_seq},
                "reason": reason.strip(),
                "by": by(actor),
            }
            ref = self._parts.facts.append(conn, type=CLOSED, session=found.session, data=data)
            self._closed(conn, data, actor.post, _told_at(ref.at))
            self._tell()
        return {"ctl": ctl, "fault": name, "closed_by": actor.post}

    # Rows and facts

    def _on_event(self, conn: Connection, stored: StoredEvent) -> None:
        event = stored.event
        if stored.ctl.startswith("c-"):
            if event.type in ROWS:
                self._row(conn, stored, stored.ctl)
        elif event.type in FACTS:
            self._row(conn, stored, str(event.data.get("ctl", "")))
        elif event.type in {ACKED, CLOSED}:
            self._act(conn, stored)

    def _row(self, conn: Connection, stored: StoredEvent, ctl: str) -> None:
        event = stored.event
        said = raised(event.type, ctl, event.session, event.data)
        if said is not None:
            at = datetime.fromisoformat(event.at)
            row = Evidence(
                source=stored.ctl,
                epoch=stored.epoch,
                seq=stored.seq,
                id=stored.id,
                at=at,
                found_later=stored.late or self._old(stored.recorded_at),
            )
            if rows.put(conn, said, row):
                self._tell()
        taken = seen_to(event.type, ctl, event.data)
        if taken is not None:
            post = str(event.data["by"][0]["post"])
            rows.seen(conn, taken, Act(post, datetime.fromisoformat(event.at)), row_id=stored.id)
            self._tell()
        ended = over(event.type, ctl, event.data)
        if ended is not None:
            at = datetime.fromisoformat(event.at)
            rows.returned(conn, ended, at=at, row_id=stored.id)
            self._tell()

    def _act(self, conn: Connection, stored: StoredEvent) -> None:
        data = stored.event.data
        at, post = datetime.fromisoformat(stored.event.at), str(data["by"]["post"])
        if stored.event.type == CLOSED:
            self._closed(conn, data, post, at)
            return
        ctl, name = str(data["ctl"]), str(data["fault"])
        found = rows.load(conn, ctl, name)
        about = None if found is None else Said(found.kind, ctl, found.subject)
        rows.act(conn, ctl, name, rows.ACK, Act(post, at), about=about)

    @staticmethod
    def _closed(conn: Connection, data: Mapping[str, Any], post: str, at: datetime) -> None:
        ctl, name, upto = str(data["ctl"]), str(data["fault"]), data["upto"]
        rows.act(
            conn,
            ctl,
            name,
            rows.CLOSE,
            Act(post, at, str(data["reason"])),
            about=Said(str(data["kind"]), ctl, str(data["subject"])),
            upto=(str(upto["epoch"]), int(upto["seq"])),
        )

    def _unreadable(self, conn: Connection, row: Unreadable) -> None:
        """In the transaction that marked the row: mark and alarm stand or fall together."""
        said = Said(UNREADABLE, row.ctl, "", row.session, {"seq": shortened(row.seq)})
        evidence = Evidence(
            source=row.ctl,
            epoch=row.epoch,
            seq=row.seq,
            id=row.id,
            at=row.recorded_at,
            found_later=row.late or self._old(row.recorded_at),
        )
        if rows.put(conn, said, evidence):
            self._tell()

    def _old(self, at: datetime) -> bool:
        return self._parts.clock.wall() - at > FOUND_LATER

    def _tell(self) -> None:
        self._parts.store.after_commit(lambda: self._parts.bus.publish("board"))

    # Who may

    def _refuse(self, actor: Actor, ctl: str, name: str, *, own: bool = False) -> None:
        """Refuses an alarm that is not there, or of a room that is others'.

        `own`: only the room's own organisation; else also the venues of its open sessions.
        """
        room, state = self._parts.rooms.view(ctl), self._parts.rooms.state(ctl)
        with self._parts.store.read() as conn:
            found = rows.load(conn, ctl, name)
        if ctl == self._parts.facts.hub and found is not None and not own:
            return  # the hub is everybody's
        fault = state is not None and name in state.faults and not own
        if room is None or (found is None and not fault):
            raise _no_alarm(ctl, name)
        orgs = {room.org} | (set() if own else _venues(state))
        if actor.org not in orgs:
            raise refuse(
                403,
                "other_organisation",
                zh="该事项属于其他场次的单位",
                en="This belongs to other venues",
                where=f"alarm {ctl}:{name}",
                expected=" or ".join(sorted(orgs)),
                got=actor.org,
                do="由该场次的单位办理",
            )


def _told_at(at: datetime) -> datetime:
    """The moment as the fact's own bytes say it: to the millisecond."""
    return datetime.fromisoformat(iso_ms(at))


def _venues(state: RoomState | None) -> set[str]:
    """Organisations whose sessions run in the room."""
    if state is None:
        return set()
    return {one.org for session in open_sessions(state) for one in session.venues}


def _still_held(ctl: str) -> Exception:
    """Closing the alarm would leave the commands held and nobody called."""
    return refuse(
        409,
        "still_held",
        zh="控制器仍有两份，须先在设备页恢复下发",
        en="The controller is still held; release it first",
        where=f"controller {ctl}",
        expected="a controller whose commands were let go on the device page",
        got="held",
        do="核实只剩一台后，在设备页恢复下发设备指令",
    )


def _no_alarm(ctl: str, name: str) -> Exception:
    return refuse(
        404,
        "no_such_alarm",
        zh="没有这个告警",
        en="No such alarm",
        where="alarm",
        expected="a room's controller and one of its faults or alarms",
        got=f"{ctl}:{name}",
        do="从告警列表进入",
    )


__all__ = ["CLOSING", "HANDLING", "Alarms", "HubAlarm"]

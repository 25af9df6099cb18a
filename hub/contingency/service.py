"""The contingency service: cases open by themselves, people handle them, nothing decides alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

from hub.access import sees_case
from hub.alarms.service import HANDLING, Alarms
from hub.booking_link import SessionLink, link_of
from hub.contingency import cases, lost_rows, opening, view
from hub.contingency.cases import CaseRecord
from hub.contingency.decisions import SCOPES, Choice, decide, load, no_case, opened_key
from hub.contingency.listening import Listening
from hub.contingency.stamp import stamp
from hub.fleet.ears import Hearing
from hub.fleet.rooms import Link, RoomView
from hub.ports import Actor, Parts, allow, by, refuse
from hub.projection import Projector, StoredEvent
from protocols.policy.contingency import CASE_TABLE, CaseInput, CaseState, Stamp, clock

CLOSING: Final = ("fault_handler", "operator", "home_manager", "deputy")
STEP_STATES: Final = ("done", "skipped", "open")
TEXT_CHARS_MAX: Final = 2000
ENTRIES_MAX: Final = 2000
"""History of one case; a day of notes is a few dozen."""
SEALING: Final = ("seal", "unseal")
MARK_MS: Final = 10_000
"""How much of a running case's time a reboot without a trusted clock may cost at most."""


class Contingency:
    """Contingency cases of the platform."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.alarms = Alarms(parts)
        self._listening = Listening(parts)

    def register(self, projector: Projector) -> None:
        """Adds the handlers that open and follow cases, and raise alarms of the record."""
        projector.register("contingency", self._on_event, (*opening.TYPES, lost_rows.FACT))
        self.alarms.register(projector)

    def on_link(self, ctl: str, link: Link) -> None:
        """The line to a room turned: silence opens a case, an answer ends what silence opened."""
        if link.reachable is None:
            return
        with self._parts.store.write() as conn:
            self._listening.on_link(conn, ctl, reachable=link.reachable)
            if link.reachable:
                opening.heard_again(conn, self._parts, ctl)
            else:
                opening.silent(conn, self._parts, ctl)

    def on_hearing(self, hearing: Hearing) -> None:
        """The hub hears no room at all, or hears again: one trouble, whoever else noticed it."""
        with self._parts.store.write() as conn:
            self._listening.on_hearing(conn, hearing)

    def begin(self) -> None:
        """The hub starts: an absence is named before rooms tell what they noticed of it."""
        self._listening.tick()

    def tick(self) -> list[str]:
        """Counts the clocks of open cases; returns those whose limit has just passed."""
        self._listening.tick()
        due: list[str] = []
        now, wall = stamp(self._parts.clock), self._parts.clock.wall()
        with self._parts.store.read() as conn:
            standing = cases.listed(conn, session="", open_only=True)
            running = [one for one in standing if one.clock.last is not None]
            moved = [one for one in running if self._must_write(conn, one, now)]
        if not moved:
            return due
        with self._parts.store.write() as conn:
            for record in moved:
                counted = record.clock.run(now)
                cases.change(conn, record.id, cases.clock_values(counted, wall))
                if self._limit_passed(conn, record, counted.elapsed_ms):
                    due.append(record.id)
        for case in due:
            self._parts.bus.publish(f"case:{case}", case)
        return due

    def list(self, *, session: str = "", open_only: bool = False) -> list[dict[str, Any]]:
        """Cases, open ones first."""
        now = stamp(self._parts.clock)
        with self._parts.store.read() as conn:
            found = cases.listed(conn, session=session, open_only=open_only)
            linked = [(one, link_of(conn, one.session)) for one in found]
        return [*self._lines(linked, now)]

    def list_for(
        self, actor: Actor, *, session: str = "", open_only: bool = False
    ) -> Sequence[dict[str, Any]]:
        """`list`, of the cases that concern this person."""
        now = stamp(self._parts.clock)
        with self._parts.store.read() as conn:
            found = cases.listed(conn, part=actor.org, session=session, open_only=open_only)
            linked = [(one, link_of(conn, one.session)) for one in found]
        return self._lines([(one, link) for one, link in linked if _sees(actor, one, link)], now)

    def _lines(
        self, linked: Sequence[tuple[CaseRecord, SessionLink | None]], now: Stamp
    ) -> Sequence[dict[str, Any]]:
        names: dict[str, str] = {}
        if any(link is None for _, link in linked):
            names = {one.place: one.name for one in self._parts.rooms.snapshot()}
        return [
            view.case_line(one, link, now, room=names.get(str(one.row["place"]), ""))
            for one, link in linked
        ]

    def view_for(self, actor: Actor, case: str) -> dict[str, Any]:
        """`view`, for whom the case concerns; else 404."""
        self.must_see(actor, case)
        return self.view(case)

    def must_see(self, actor: Actor, case: str) -> None:
        """Refuses whom the case does not concern, as if there were none.

        Raises:
            Problem: 404.
        """
        with self._parts.store.read() as conn:
            record = load(conn, case)
            if not _sees(actor, record, link_of(conn, record.session)):
                raise no_case(case)

    def view(self, case: str) -> dict[str, Any]:
        """The whole case.

        Raises:
            Problem: 404.
        """
        with self._parts.store.read() as conn:
            record = load(conn, case)
            link = link_of(conn, record.session)
        room = self._room(record, link)
        return view.case_json(record, link, stamp(self._parts.clock), room)

    def _room(self, record: CaseRecord, link: SessionLink | None) -> RoomView | None:
        """The room a case is about: its venue's, or the one its faults stand in."""
        venue = link.venue(str(record.row["org"])) if link is not None else None
        ctl = venue.ctl if venue is not None else None
        if link is None:
            ctl = next((str(one["ctl"]) for one in record.faults), None)
        found: RoomView | None = self._parts.rooms.view(ctl) if ctl else None
        return found

    def ack(self, actor: Actor, case: str) -> dict[str, Any]:
        """Acknowledges the case; a second acknowledgement changes nothing."""
        allow(actor, HANDLING)
        with self._parts.store.write() as conn:
            record = self._mine(conn, actor, case)
            if record.row["acked_at"] is None:
                now = self._parts.clock.wall()
                cases.change(conn, case, {"acked_by": actor.post, "acked_at": now})
                self._enter(conn, record, "acked", {}, actor)
                self._fact(conn, "case.acked", record, actor)
        return self.view(case)

    def step(
        self, actor: Actor, case: str, key: str, state: str, reason: str = ""
    ) -> dict[str, Any]:
        """Marks a step of the checklist done, skipped with a reason, or open again."""
        allow(actor, HANDLING)
        with self._parts.store.write() as conn:
            record = self._mine(conn, actor, case)
            _check_step(record, key=key, state=state, reason=reason)
            now = self._parts.clock.wall()
            values = {
                "case": case,
                "key": key,
                "state": state,
                "reason": reason,
                "by": actor.post,
                "at": now,
            }
            cases.set_step(conn, values)
            told = {"key": key, "state": state, "reason": reason}
            self._enter(conn, record, "step", told, actor)
            self._fact(conn, "case.step", record, actor, **told)
        return self.view(case)

    def note(self, actor: Actor, case: str, text: str) -> dict[str, Any]:
        """Adds a note to the history."""
        allow(actor, HANDLING)
        if not 0 < len(text.strip()) <= TEXT_CHARS_MAX:
            raise _invalid("note.text", f"1 to {TEXT_CHARS_MAX} characters", str(len(text)))
        with self._parts.store.write() as conn:
            record = self._mine(conn, actor, case)
            self._enter(conn, record, "note", {"text": text.strip()}, actor)
            self._fact(conn, "case.note", record, actor, text=text.strip())
        return self.view(case)

    def scope(self, actor: Actor, case: str, scope: str) -> dict[str, Any]:
        """Chooses whom the case concerns; the software only proposed."""
        allow(actor, HANDLING)
        if scope not in SCOPES:
            raise _invalid("case.scope", " or ".join(SCOPES), scope)
        with self._parts.store.write() as conn:
            record = self._mine(conn, actor, case)
            cases.change(conn, case, {"scope": scope, "scope_by": actor.post})
            self._enter(conn, record, "scoped", {"scope": scope}, actor)
            self._fact(conn, "case.scoped", record, actor, scope=scope)
        return self.view(case)

    def decide(
        self,
        actor: Actor,
        case: str,
        option: str,
        pin: str,
        second_login: str = "",
        second_pin: str = "",
        *,
        reason: str,
        scope: str,
        decider_login: str = "",
        proof: str = "",
    ) -> dict[str, Any]:
        """Records a decision; see `decisions.decide`. It issues no order by itself.

        With `decider_login` the named person decided elsewhere (`proof` says how it came), the
        actor records it and the second person signs with the actor; else the actor decides and
        the second person records.
        """
        decider = self._person(decider_login, "decider_login") if decider_login else None
        second = None
        if second_login:
            second = (self._person(second_login, "second_login"), second_pin)
        choice = Choice(option=option, scope=scope, reason=reason, decider=decider, proof=proof)
        taken = decide(self._parts, case, choice, (actor, pin), second)
        return {**self.view(case), "decision": taken}

    def seal(
        self,
        actor: Actor,
        case: str,
        *,
        action: str,
        seal_no: str,
        what: str,
        pin: str,
        second_login: str,
        second_pin: str,
        photo_sha256: str = "",
    ) -> dict[str, Any]:
        """Seals or unseals material: two persons in different roles, seal number, photograph."""
        _check_seal(action=action, seal_no=seal_no, what=what)
        second = self._person(second_login, "second_login")
        with self._parts.store.read() as conn:
            record = self._mine(conn, actor, case)
        first_duty = opened_key(self._parts, record, actor, pin).duty
        second_duty = opened_key(self._parts, record, second, second_pin).duty
        if first_duty.person == second_duty.person or first_duty.role == second_duty.role:
            raise _invalid("seal.second_login", "another person in another role", second_duty.role)
        persons = [first_duty.shown(), second_duty.shown()]
        told = {"seal_no": seal_no, "what": what, "persons": persons}
        with self._parts.store.write() as conn:
            record = self._mine(conn, actor, case)
            now = self._parts.clock.wall()
            cases.add_seal(
                conn,
                {
                    "case": case,
                    "action": action,
                    **told,
                    "photo_sha256": photo_sha256 or None,
                    "at": now,
                },
            )
            self._enter(conn, record, f"{action}ed", told, actor)
            self._fact(conn, f"case.{action}ed", record, actor, **told)
        return self.view(case)

    def close(self, actor: Actor, case: str, summary: str) -> dict[str, Any]:
        """Closes a case whose fault is cleared and decided upon, with a summary.

        Raises:
            Problem: 409 with every condition, 422 no summary.
        """
        allow(actor, CLOSING)
        if not 0 < len(summary.strip()) <= TEXT_CHARS_MAX:
            raise _invalid("case.summary", f"1 to {TEXT_CHARS_MAX} characters", str(len(summary)))
        with self._parts.store.write() as conn:
            record = self._mine(conn, actor, case)
            _refuse_open(record)
            now = self._parts.clock.wall()
            cases.change(
                conn,
                case,
                {
                    "state": CaseState.CLOSED.value,
                    "closed_by": actor.post,
                    "closed_at": now,
                    "summary": summary.strip(),
                },
            )
            self._enter(conn, record, "closed", {"summary": summary.strip()}, actor)
            self._fact(conn, "case.closed", record, actor, summary=summary.strip())
        return self.view(case)

    def ack_alarm(self, actor: Actor, ctl: str, fault: str) -> dict[str, Any]:
        """Acknowledges an alarm or a room's fault, and the cases it belongs to.

        Raises:
            Problem: 403 a room of others, 404 no such alarm.
        """
        with self._parts.store.read() as conn:
            every = cases.of_fault(conn, ctl, fault)
            found = [one for one in every if _sees(actor, one, link_of(conn, one.session))]
        self.alarms.ack(actor, ctl, fault, session=found[0].session if found else "")
        for record in found:
            if record.row["state"] != cases.CLOSED:
                self.ack(actor, record.id)
        return {"ctl": ctl, "fault": fault, "case": found[0].id if found else None}

    def _on_event(self, conn: Connection, stored: StoredEvent) -> None:
        if stored.ctl.startswith("c-"):
            opening.on_event(conn, stored, self._parts)
        elif stored.event.type == lost_rows.FACT:
            lost_rows.on_fact(conn, stored, self._parts)

    def _must_write(self, conn: Connection, record: CaseRecord, now: Stamp) -> bool:
        """The steady clock bridges a restart by itself; only a reboot needs the stored mark."""
        elapsed_ms = record.clock.run(now).elapsed_ms
        old = elapsed_ms - record.clock.elapsed_ms >= MARK_MS
        return old or self._limit(conn, record, elapsed_ms) is not None

    def _limit(self, conn: Connection, record: CaseRecord, elapsed_ms: int) -> CaseState | None:
        """The state the passed limit leads to, or None."""
        offset = view.after_start_ms(record, link_of(conn, record.session))
        shown = clock(record.template, elapsed_ms, after_planned_start_ms=offset)
        target = CASE_TABLE.get((CaseState(record.row["state"]), CaseInput.LIMIT))
        return target if shown.expired else None

    def _limit_passed(self, conn: Connection, record: CaseRecord, elapsed_ms: int) -> bool:
        target = self._limit(conn, record, elapsed_ms)
        if target is None:
            return False
        cases.change(conn, record.id, {"state": target.value})
        told = {"limit_s": record.row["limit_s"], "state": target.value}
        cases.add_entry(conn, record.id, "limit", told, by="hub", at=self._parts.clock.wall())
        return True

    def _person(self, login: str, where: str) -> Actor:
        found: Actor | None = self._parts.accounts.register.actor_by_login(login)
        if found is None:
            raise _invalid(where, "the sign-in name of another person", login[:40])
        return found

    def _mine(self, conn: Connection, actor: Actor, case: str) -> CaseRecord:
        """The case, for whoever belongs to one of its session's venues."""
        record = load(conn, case)
        link = link_of(conn, record.session)
        orgs = link.orgs if link is not None else (str(record.row["org"]),)
        if actor.org not in orgs:
            raise _not_yours(f"case {case}", orgs, actor)
        if record.row["state"] == cases.CLOSED or len(record.entries) >= ENTRIES_MAX:
            raise refuse(
                409,
                "case_closed",
                zh="处置单已结案",
                en="The case is closed",
                where=f"case {case}",
                expected="an open case",
                got=str(record.row["state"]),
                do="如需补充，另开处置单",
            )
        return record

    def _enter(
        self, conn: Connection, record: CaseRecord, what: str, data: dict[str, Any], actor: Actor
    ) -> None:
        at = self._parts.clock.wall()
        cases.add_entry(conn, record.id, what, data, by=actor.post, at=at)
        case = record.id
        self._parts.store.after_commit(lambda: self._parts.bus.publish(f"case:{case}", case))

    def _fact(
        self, conn: Connection, kind: str, record: CaseRecord, actor: Actor, **more: Any
    ) -> None:
        data = {"case": record.id, "by": by(actor), **more}
        self._parts.facts.append(conn, type=kind, session=record.session, data=data)


def _not_yours(where: str, orgs: tuple[str, ...], actor: Actor) -> Exception:
    return refuse(
        403,
        "other_organisation",
        zh="该事项属于其他场次的单位",
        en="This belongs to other venues",
        where=where,
        expected=" or ".join(orgs),
        got=actor.org,
        do="由该场次的单位办理",
    )


def _sees(actor: Actor, record: CaseRecord, link: SessionLink | None) -> bool:
    return sees_case(actor, org=str(record.row["org"]), link=link)


def _refuse_open(record: CaseRecord) -> None:
    conditions = view.may_close(record)
    missing = [str(one["key"]) for one in conditions if not one["met"]]
    if missing:
        raise refuse(
            409,
            "case_not_closable",
            zh="结案条件未满足",
            en="The case cannot be closed yet",
            where=f"case {record.id}",
            expected="fault cleared, a decision recorded, seals lifted",
            got="missing: " + ", ".join(missing),
            do="补齐所列条件后结案",
            more={"conditions": conditions},
        )


def _check_step(record: CaseRecord, *, key: str, state: str, reason: str) -> None:
    known = [one.key for one in record.template.steps]
    if key not in known:
        raise _invalid("step.key", " or ".join(known), key)
    if state not in STEP_STATES:
        raise _invalid("step.state", " or ".join(STEP_STATES), state)
    if len(reason) > TEXT_CHARS_MAX or (state == "skipped" and not reason.strip()):
        raise _invalid("step.reason", f"1 to {TEXT_CHARS_MAX} characters for a skip", reason[:40])


def _check_seal(*, action: str, seal_no: str, what: str) -> None:
    if action not in SEALING:
        raise _invalid("seal.action", " or ".join(SEALING), action)
    if not 0 < len(seal_no) <= 64:  # noqa: PLR2004 - the column's width
        raise _invalid("seal.seal_no", "the number on the seal, 1 to 64 characters", seal_no)
    if not 0 < len(what) <= TEXT_CHARS_MAX:
        raise _invalid("seal.what", f"what is sealed, 1 to {TEXT_CHARS_MAX} characters", what[:40])


def _invalid(where: str, expected: str, got: str) -> Exception:
    return refuse(
        422,
        "case_act_invalid",
        zh="填写内容不符合要求",
        en="The act is not complete",
        where=where,
        expected=expected,
        got=got,
        do="按所列字段更正",
    )

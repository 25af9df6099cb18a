"""The start of the controller, plans from the hub, and what the runtime says itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.room_rules import remote
from edge.room_rules.kinds import Record, SelfTest
from edge.room_rules.work import Work
from protocols.policy.permits import open_sessions
from protocols.policy.room_model import Session, UnreadableEvent
from protocols.policy.room_state import apply
from protocols.policy.session import Phase

_PUBLIC = ("booking", "kind", "start_at", "org", "role", "home_org", "venues")
_MEMBER = ("no", "kind", "org", "here", "station", "locker")


def started(work: Work) -> None:
    """The controller has started: say so, and go on recording what was being recorded.

    A device that came back meanwhile says nothing of it by itself: each is asked.
    """
    if any(one.state == "lost" for one in work.state.devices.values()):
        work.do(SelfTest())
    work.emit(
        "room.started",
        "",
        software=str(work.data.get("software") or ""),
        config_hash=str(work.data.get("config_hash") or ""),
    )
    remote.settle_interrupted(work)
    for session in open_sessions(work.state):
        if session.recording:
            work.do(Record(on=True, session=session.id))


def system(work: Work) -> None:
    """Journal a fact of the runtime as it is."""
    data = work.data.get("data")
    kind = str(work.data.get("type", ""))
    facts = dict(data) if isinstance(data, Mapping) else {}
    work.pass_on(kind, str(work.data.get("session") or ""), facts)


def plan(work: Work) -> None:
    """Take a plan whose signature holds: versions only go up, sessions are prepared."""
    version = (work.data.get("generation"), work.data.get("n"))
    about = {"generation": version[0], "n": version[1], "hash": work.data.get("hash")}
    known = work.state.plan
    if known is not None and version == (known.generation, known.n):
        if about["hash"] != known.hash:
            work.emit("plan.refused", "", **about, reason="other_hash")
        return
    if known is not None and _older(version, (known.generation, known.n)):
        work.emit("plan.refused", "", **about, reason="older")
        return
    _accept(work, about)


def _older(version: tuple[Any, Any], known: tuple[int, int]) -> bool:
    return all(type(part) is int for part in version) and version < known


def _accept(work: Work, about: dict[str, Any]) -> None:
    rows = work.data.get("sessions") or []
    prepared = {
        str(row.get("session")): _prepared(work, row, about)
        for row in rows
        if isinstance(row, Mapping)
    }
    try:
        _try_all(work, about, prepared)
    except UnreadableEvent as error:
        work.emit("plan.refused", "", **about, reason=str(error)[:300])
        return
    work.emit("plan.accepted", "", **about, sessions=list(prepared))
    for name, data in prepared.items():
        if _differs(work.session(name), data):
            _prepare(work, name, data)
    for session in tuple(work.state.sessions.values()):
        if session.phase is Phase.PREPARED and session.id not in prepared:
            _move(work, session, Phase.IDLE)


def _try_all(work: Work, about: dict[str, Any], prepared: Mapping[str, dict[str, Any]]) -> None:
    # A plan is taken whole or not at all.
    trial = [("plan.accepted", "", about)]
    trial += [("session.prepared", name, data) for name, data in prepared.items()]
    for kind, session, data in trial:
        apply(
            work.state,
            kind,
            session,
            data,
            seq=work.state.seq,
            mono_ms=work.inp.mono_ms,
            at=work.inp.at,
        )


def _prepared(work: Work, row: Mapping[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    members = row.get("members") or []
    return {
        **{key: row.get(key) for key in _PUBLIC},
        "members": [
            {key: one.get(key) for key in _MEMBER} for one in members if isinstance(one, Mapping)
        ],
        "pack_hash": str(work.data.get("pack_hash") or ""),
        "plan": about,
    }


def _differs(session: Session | None, data: Mapping[str, Any]) -> bool:
    if session is None:
        return True
    if session.phase is Phase.CLOSED:
        return False
    planned = {one["no"]: (one["station"], one["locker"], one["here"]) for one in data["members"]}
    standing = {one.no: (one.station, one.locker, one.here) for one in session.members.values()}
    same = session.start_at == data["start_at"] and session.pack_hash == data["pack_hash"]
    return session.phase is Phase.IDLE or planned != standing or not same


def _prepare(work: Work, name: str, data: dict[str, Any]) -> None:
    work.emit_data("session.prepared", name, data)
    session = work.state.sessions[name]
    if session.phase is Phase.IDLE:
        _move(work, session, Phase.PREPARED)


def _move(work: Work, session: Session, target: Phase) -> None:
    data = {"from": session.phase.value, "to": target.value, "by": "policy", "order": ""}
    work.emit_data("phase.changed", session.id, data)

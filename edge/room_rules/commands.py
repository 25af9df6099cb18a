"""Commands whose signatures hold (WIRE §7): journalled before acting, answered once for ever."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge.room_rules import doors, remote
from edge.room_rules.kinds import Clip, Reset, SelfTest
from edge.room_rules.lockers import CLIP_AFTER_S, CLIP_BEFORE_S
from edge.room_rules.orders import number_of
from edge.room_rules.work import Args, RefusedError, Work
from protocols.policy import gate
from protocols.policy.members import OUT, MemberInput, next_step
from protocols.policy.permits import open_sessions, people
from protocols.policy.room_fields import signer_json, signers_of
from protocols.policy.room_model import Member, Session, Signer
from protocols.policy.session import Phase

CLIP_S_MAX = 3600
"""A clip is evidence of a moment, not of a day."""
NEVER = ("", 0)
"""The revision of an object that no event has changed yet."""
DROPS = {
    "absent": MemberInput.ABSENT,
    "withdrawn": MemberInput.WITHDRAW,
    "replaced": MemberInput.REPLACE,
    "removed": MemberInput.REMOVE,
}

Verb = Callable[[Work, Args, tuple[Signer, ...]], None]


def command(work: Work) -> None:
    """Take a command: carried out once, refused by name, or answered as before."""
    stored = work.answered_before()
    if stored is not None:
        work.accept(result=stored, repeated=True)
        return
    name = str(work.data.get("id", ""))
    verb = str(work.data.get("verb", ""))
    args = work.data.get("args")
    try:
        _unchanged(work)
        _VERBS.get(verb, _unknown)(
            work,
            Args(args if isinstance(args, Mapping) else {}),
            signers_of(work.data.get("by")),
        )
    except RefusedError as error:
        if verb == "config.apply":
            remote.config_refused(work, error)
        work.emit("cmd.refused", "", id=name, reason=error.reason)
        work.refuse(error.reason, **error.result)
        return
    work.accept()


def _unknown(work: Work, args: Args, by: tuple[Signer, ...]) -> None:  # noqa: ARG001 one signature
    raise RefusedError("unknown_verb", got=str(work.data.get("verb", ""))[:40])


def _unchanged(work: Work) -> None:
    """The issuer saw the object as it is now: revisions are (epoch, seq) of its last event."""
    expect = work.data.get("expect")
    if not isinstance(expect, Mapping):
        return
    known = work.state.revs.get(str(expect.get("obj", "")), NEVER)
    rev = expect.get("rev")
    given = tuple(rev) if isinstance(rev, (list, tuple)) else rev
    if given != known:
        raise RefusedError("changed_meanwhile", expected=list(known))


def _about(work: Work, name: str) -> None:
    """What the issuers looked at is what they act on; another object's state answers for nothing.

    That an override says what it looked at at all is judged with its signatures.
    """
    expect = work.data.get("expect")
    if isinstance(expect, Mapping) and expect.get("obj") != name:
        raise RefusedError(
            "bad_argument", where="expect.obj", expected=name, got=str(expect.get("obj"))[:40]
        )


def _session(work: Work, args: Args) -> Session:
    session = work.session(work.data.get("session") or args.data.get("session"))
    if session is None:
        raise RefusedError("other_session")
    return session


def _member(session: Session, args: Args) -> Member:
    member = session.members.get(number_of(args.data.get("no", args.data.get("member"))))
    if member is None or not member.here:
        raise RefusedError("unknown_member")
    return member


def _override(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    """Open a locker past the gate: two persons, two roles, its own event, never a release."""
    if not gate.two_roles(people(by)):
        raise RefusedError("two_roles", missing=["second_role"])
    locker = work.state.lockers.get(args.number("locker"))
    if locker is None:
        raise RefusedError("unknown_locker")
    _about(work, f"locker:{locker.number}")
    if locker.opening is not None:
        raise RefusedError("door_in_use")
    held = locker.deposit
    work.command_accepted(by)
    if locker.door == "open":
        work.command_done("already_open")
        return
    doors.begin(
        work,
        locker,
        session="" if held is None else held.session,
        no=0 if held is None else held.no,
        why="override",
        by=by,
        intent=str(work.data.get("id", "")),
    )


def _swap(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    """Move a member to another station of this room in one step."""
    session = _session(work, args)
    member = _member(session, args)
    station = args.number("station")
    if station not in work.state.seats:
        raise RefusedError("unknown_station")
    taken = any(
        other.station == station and other.step not in OUT and other.here
        for one in open_sessions(work.state)
        for other in one.members.values()
    )
    if taken or session.phase in (Phase.ENDED, Phase.CLOSED):
        raise RefusedError("station_taken" if taken else "phase")
    work.command_accepted(by)
    work.emit_data(
        "station.swapped",
        session.id,
        {
            "no": member.no,
            "from": member.station,
            "station": station,
            "reason": args.words("reason"),
            "by": signer_json(by),
        },
    )
    work.command_done()


def _replace(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    """Take a member off the committee, with or without a substitute."""
    session = _session(work, args)
    member = _member(session, args)
    why = "replaced" if "why" not in args.data else args.one_of("why", tuple(DROPS))
    reason = args.words("reason")
    if next_step(member.step, DROPS[why]) is None:
        raise RefusedError("step", missing=[f"member_{member.step.value}"])
    data = {"no": member.no, "reason": reason, "by": signer_json(by)}
    if why == "replaced":
        data["substitute"] = _substitute(session, member, args)
    work.command_accepted(by)
    work.emit_data(f"member.{why}", session.id, data)
    work.command_done()


def _substitute(session: Session, member: Member, args: Args) -> dict[str, object] | None:
    row = args.data.get("substitute")
    if row is None:
        return None
    found = Args(row if isinstance(row, Mapping) else {})
    number = found.number("no")
    if number in session.members:
        raise RefusedError("number_taken")
    return {
        "no": number,
        "kind": member.kind,
        "org": member.org,
        "here": True,
        "station": member.station if found.data.get("station") is None else found.number("station"),
        "locker": member.locker if found.data.get("locker") is None else found.number("locker"),
    }


def _device(work: Work, args: Args) -> str:
    name = args.words("device", needed=True)
    if name not in work.state.devices:
        raise RefusedError("unknown_device")
    return name


def _selftest(work: Work, args: Args, by: tuple[Signer, ...]) -> None:  # noqa: ARG001 one signature
    work.command_accepted(by)
    work.do(SelfTest())
    work.command_done("started")


def _reset(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    name = _device(work, args)
    work.command_accepted(by)
    work.do(Reset(name))
    work.command_done("started")


def _clip(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    session = _session(work, args)
    reason = args.words("reason", needed=True)
    spans = {
        key: args.number(key) if key in args.data else default
        for key, default in (("from_s", CLIP_BEFORE_S), ("to_s", CLIP_AFTER_S))
    }
    if not all(0 <= span <= CLIP_S_MAX for span in spans.values()):
        raise RefusedError("bad_argument", where="from_s, to_s", expected=f"0 to {CLIP_S_MAX}")
    work.command_accepted(by)
    work.do(Clip(reason, session.id, spans["from_s"], spans["to_s"]))
    work.command_done()


_VERBS: Mapping[str, Verb] = {
    "locker.override": _override,
    "station.swap": _swap,
    "member.replace": _replace,
    "device.selftest": _selftest,
    "device.reset": _reset,
    "clip.mark": _clip,
    **remote.VERBS,
}
"""Every verb of WIRE §7 (`protocols.messages.acts.VERBS`); a test compares."""

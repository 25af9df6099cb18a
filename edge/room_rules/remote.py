"""Verbs about the controller itself: a new epoch, another line, contents first, other options.

The room judges and writes, the running program carries out (`edge.remote`) and comes back with a
`command_result`. What only the program can see (which lines there are, which contents it has,
whether options fit) stands in the command's `seen`; it is a reading like any other.

A line and a set of options are on trial until the hub has answered over them; whatever was on its
way when the controller stopped is settled by the next start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edge.room_rules.kinds import ApplyConfig, FetchClip, Reopen, SwitchUplink
from edge.room_rules.work import Args, RefusedError, Work
from protocols.policy.room_model import Signer

ON_TRIAL = ("config.apply", "network.switch")
"""Verbs whose effect is kept only after a round trip; one of them at a time."""
TEXT_MAX = 80

Verb = Callable[[Work, Args, tuple[Signer, ...]], None]


def _seen(work: Work) -> Mapping[str, Any]:
    found = work.data.get("seen")
    return found if isinstance(found, Mapping) else {}


def _id(work: Work) -> str:
    return str(work.data.get("id", ""))


def _no_other_trial(work: Work) -> None:
    for name, verb in work.state.pending.items():
        if verb in ON_TRIAL:
            raise RefusedError("on_trial", got=f"{verb} {name}"[:TEXT_MAX])


def _reopen(work: Work, args: Args, by: tuple[Signer, ...]) -> None:  # noqa: ARG001 one signature
    work.command_accepted(by)
    work.do(Reopen(_id(work)))


def _switch(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    lines, now = tuple(_seen(work).get("uplinks") or ()), str(_seen(work).get("uplink") or "")
    others = tuple(str(name) for name in lines if name != now)
    if not others:
        raise RefusedError("no_second_uplink")
    to = args.one_of("to", lines) if "to" in args.data else others[0]
    _no_other_trial(work)
    work.command_accepted(by)
    if to == now:
        work.command_done("unchanged")
        return
    work.emit("network.switched", "", id=_id(work), uplink=to, before=now, state="trial", cause="")
    work.do(SwitchUplink(_id(work), to))


def _fetch(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    rows = args.data.get("segments")
    unknown = tuple(_seen(work).get("unknown") or ())
    if not isinstance(rows, (list, tuple)) or not rows:
        raise RefusedError("bad_argument", where="segments", expected="contents by their SHA-256")
    if unknown:
        raise RefusedError("unknown_clip", got=str(unknown[0])[:TEXT_MAX], missing=list(unknown))
    work.command_accepted(by)
    work.do(FetchClip(_id(work), tuple(str(row) for row in rows)))


def _apply(work: Work, args: Args, by: tuple[Signer, ...]) -> None:
    version, values = args.number("version"), args.data.get("set")
    if not isinstance(values, Mapping):
        raise RefusedError("bad_argument", where="set", expected="options by their names")
    refused = _seen(work).get("refused")
    if isinstance(refused, Mapping):
        more = {key: str(refused.get(key, "")) for key in ("where", "expected", "got")}
        raise RefusedError(str(refused.get("reason") or "bad_argument"), **more)
    _no_other_trial(work)
    work.command_accepted(by)
    if _seen(work).get("unchanged") is True:
        work.command_done("unchanged")
        return
    work.emit("config.tried", "", id=_id(work), version=version, set=dict(values))
    work.do(ApplyConfig(_id(work), version, dict(values)))


def config_refused(work: Work, error: RefusedError) -> None:
    """Draft why a configuration is not taken: which option, what was expected, what came."""
    about = {key: str(error.result.get(key, "")) for key in ("where", "expected", "got")}
    work.emit("config.refused", "", id=_id(work), reason=error.reason, **about)


VERBS: Mapping[str, Verb] = {
    "journal.reopen": _reopen,
    "network.switch": _switch,
    "clip.fetch": _fetch,
    "config.apply": _apply,
}
"""Verbs the running program carries out."""


def result(work: Work) -> None:
    """Take what became of a command; one that is not on its way any more was settled before."""
    verb = work.state.pending.get(_id(work))
    if verb is None:
        return
    _settle(work, _id(work), verb, work.data)


def settle_interrupted(work: Work) -> None:
    """After a start: what was on its way is not any more, and what was on trial is not in force."""
    cause = "restart"
    for name, verb in tuple(work.state.pending.items()):
        if verb == "journal.reopen":
            # The start itself has opened an epoch; that is what was asked for.
            _settle(work, name, verb, {"result": "reopened"})
        elif verb in ON_TRIAL:
            _settle(work, name, verb, {**work.data, "result": "reverted", "cause": cause})
        elif verb in VERBS:
            _settle(work, name, verb, {"result": "interrupted"})


def _settle(work: Work, name: str, verb: str, data: Mapping[str, Any]) -> None:
    outcome, cause = str(data.get("result") or "done"), str(data.get("cause") or "")
    kept = outcome == "kept"
    if verb == "network.switch":
        about = {"uplink": str(data.get("uplink") or ""), "before": str(data.get("before") or "")}
        work.emit("network.switched", "", id=name, **about, state=outcome, cause=cause)
    if verb == "config.apply" and kept:
        values = dict(data.get("set") or {})
        work.emit("config.applied", "", id=name, version=data.get("version"), set=values)
    elif verb == "config.apply":
        work.emit("config.reverted", "", id=name, cause=cause)
    work.emit("cmd.done", "", id=name, verb=verb, result=outcome)

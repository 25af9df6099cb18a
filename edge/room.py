"""The room: one input in, drafts of events and effects out. Pure: no I/O, clock, or randomness.

Order of use in the loop (DESIGN §4, STYLE rule 19):

    state = sense(state, inp, pack=pack)             # raw readings; volatile, never journalled
    drafts, effects = decide(state, inp, pack=pack)
    rows = journal.append(drafts)                    # durable
    state = apply(state, …) for each row             # the state moves only here
    run the effects

`step` does the same without a journal, for tests and replays. A restart is: fold the journal, then
`Input("started")`; a door whose outcome is not in the journal is then judged by its sensor and
never pulsed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge.room_rules import commands, desk, lockers, orders, plans, remote, sensors, settle
from edge.room_rules.kinds import (
    Answer,
    ApplyConfig,
    Clip,
    Draft,
    Effect,
    FetchClip,
    Input,
    Pulse,
    Record,
    Remote,
    Reopen,
    Reset,
    SelfTest,
    Sound,
    SwitchUplink,
    WipeSecrets,
)
from edge.room_rules.work import Work
from protocols.policy.pack import Pack
from protocols.policy.room_state import RoomState

__all__ = [
    "INPUTS",
    "Answer",
    "ApplyConfig",
    "Clip",
    "Draft",
    "Effect",
    "FetchClip",
    "Input",
    "Pulse",
    "Record",
    "Remote",
    "Reopen",
    "Reset",
    "SelfTest",
    "Sound",
    "SwitchUplink",
    "WipeSecrets",
    "decide",
    "sense",
    "step",
]

Handler = Callable[[Work], None]

_HANDLERS: Mapping[str, Handler] = {
    "started": plans.started,
    "tick": settle.nothing,
    "plan": plans.plan,
    "system": plans.system,
    "card": desk.card,
    "card_error": desk.card_error,
    "card_removed": settle.nothing,
    "lockers": lockers.read,
    "pulse": lockers.pulse,
    "mat": settle.nothing,
    "radar": settle.nothing,
    "mains": sensors.mains,
    "ups": sensors.ups,
    "device": sensors.device,
    "selftest": sensors.selftest,
    "segment": sensors.segment,
    "segment_damaged": sensors.segment_damaged,
    "segment_lost": sensors.segment_lost,
    "av_gap": sensors.av_gap,
    "recording": sensors.recording,
    "network": sensors.network,
    "system_probe": sensors.system_probe,
    "order": orders.order,
    "order_refused": orders.order_refused,
    "statement": orders.statement,
    "command": commands.command,
    "command_result": remote.result,
    "clock_offset": sensors.clock_offset,
    "staff": desk.staff,
}

INPUTS = tuple(_HANDLERS)
"""Every kind of input; another kind is a bug of the caller."""


def decide(
    state: RoomState, inp: Input, *, pack: Pack
) -> tuple[tuple[Draft, ...], tuple[Effect, ...]]:
    """Return what is to be journalled and then done. Raises KeyError for an unknown kind."""
    work = _run(state, inp, pack)
    return tuple(work.drafts), tuple(work.effects)


def sense(state: RoomState, inp: Input, *, pack: Pack) -> RoomState:  # noqa: ARG001 one signature
    """Return the state with this input's raw readings noted; every other input leaves it as is."""
    return sensors.sense(state, inp)


def step(
    state: RoomState, inp: Input, pack: Pack
) -> tuple[RoomState, tuple[Draft, ...], tuple[Effect, ...]]:
    """Return the state after `inp`, as if its drafts had been journalled from `state.seq` on."""
    work = _run(sense(state, inp, pack=pack), inp, pack)
    return work.state, tuple(work.drafts), tuple(work.effects)


def _run(state: RoomState, inp: Input, pack: Pack) -> Work:
    work = Work(state=sense(state, inp, pack=pack), inp=inp, pack=pack)
    handler = _HANDLERS[inp.kind]
    sensors.heard(work)
    handler(work)
    settle.settle(work)
    return work

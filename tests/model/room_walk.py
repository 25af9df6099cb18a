"""A room, its lockers as they really are, and one thing after another happening to both.

A place is the state that the room itself folds, beside the truth: which doors stand open, which
locker has its member's phone in it. Every input goes through `edge.room.decide` and its drafts
through the fold, as JSON, like rows of a journal; each step is judged by `tests.model.law`.

Time is not counted: everything happens at once, and `wait` lets more pass than anything waits for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from edge.room import Answer, Draft, Input, Pulse, step
from protocols.policy.custody import Stage
from protocols.policy.members import MemberStep
from protocols.policy.pack import Pack
from protocols.policy.room_model import Deposit, Locker, Member, Opening, RoomState, Session
from protocols.policy.room_state import RoomConfig, apply, initial, recorded
from tests.edge.room_bench import MANAGER, SESSION, STAFF, demo_pack, session_plan
from tests.model import law

AT: Final = "2026-11-24T00:40:00.000Z"
LONG_MS: Final = 3_600_000
"""Longer than a lock may take, a door may stand open and an item may lie uncollected."""
ELSEWHERE: Final = 9
"""A member of the committee who sits at another venue."""


@dataclass(frozen=True, slots=True)
class Place:
    """One state of the whole: what the room knows, and what is so."""

    state: RoomState
    open: tuple[bool, ...]
    inside: tuple[bool, ...]

    @property
    def session(self) -> Session:
        return self.state.sessions[SESSION]

    def member(self, no: int) -> Member:
        return self.session.members[no]

    def locker(self, no: int) -> Locker:
        return self.state.lockers[no]


@dataclass(frozen=True, slots=True)
class Setting:
    """What the room is, and by which rules it is run. `home`: orders are made on its screen."""

    members: int = 3
    item_sensor: bool = True
    committee: bool = False
    documents: tuple[str, ...] = ("report",)
    elsewhere: bool = True
    home: bool = False

    @property
    def numbers(self) -> range:
        return range(1, self.members + 1)

    def pack(self) -> Pack:
        pack = demo_pack()
        quantifier = "committee" if self.committee else "member"
        gate = replace(pack.gate, documents=self.documents, documents_quantifier=quantifier)
        return replace(pack, gate=gate)


def person(no: int, *, here: bool = True) -> dict[str, Any]:
    place = no if here else None
    org = "changsha" if here else "hubei"
    return {"no": no, "kind": "expert", "org": org, "here": here, "station": place, "locker": place}


@dataclass(slots=True)
class Walk:
    """Steps through one setting; `wrong` collects what must never be, with the way it came."""

    setting: Setting
    pack: Pack = field(init=False)
    wrong: list[str] = field(default_factory=list)
    steps: int = 0
    answer: Mapping[str, Any] = field(default_factory=dict)
    pulsed: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.pack = self.setting.pack()

    def first(self) -> Place:
        """The room after its first start, with a plan, all doors read shut and empty."""
        config = RoomConfig(
            ctl="c-0123456789ab",
            place="changsha-2",
            lockers=tuple(self.setting.numbers),
            item_sensor=self.setting.item_sensor,
        )
        shut = (False,) * self.setting.members
        place = Place(initial(config), shut, shut)
        members = [person(no) for no in self.setting.numbers]
        members += [person(ELSEWHERE, here=False)] if self.setting.elsewhere else []
        more = {"role": "home", "home_org": "changsha"} if self.setting.home else {}
        rows = [session_plan(members=members, **more)]
        place = self.feed(place, "started", {"software": "", "config_hash": ""})
        plan = {"generation": 1, "n": 1, "hash": "ab", "sessions": rows, "pack_hash": "ab"}
        place = self.feed(place, "plan", plan)
        place = self.feed(place, "system_probe", {"ok": True})
        return self.read(place)

    def feed(self, place: Place, kind: str, data: Mapping[str, Any], *, late: int = 0) -> Place:
        """One input: decided, written, folded, and judged."""
        before = place.state
        inp = Input(kind, data, before.mono_ms + late, AT)
        after, drafts, effects = step(before, inp, self.pack)
        self.steps += 1
        self.answer = next((one.result for one in effects if isinstance(one, Answer)), {})
        pulses = tuple(one for one in effects if isinstance(one, Pulse))
        self.pulsed = tuple(one.lock for one in pulses)
        found = law.broken(law.Step(self.pack, before, after, inp, drafts, pulses, self.answer))
        if drafts and after != _folded(before, drafts, inp):
            found.append("a restart would find another room than this one")
        self.wrong += [f"{one}: {kind} {dict(data)}" for one in found]
        return replace(place, state=after)

    # -- the room's doors --------------------------------------------------------------------
    def read(self, place: Place) -> Place:
        """The board tells what is so."""
        rows = {
            str(no): [
                "open" if place.open[no - 1] else "closed",
                "present" if place.inside[no - 1] else "absent",
            ]
            for no in self.setting.numbers
        }
        return self.feed(place, "lockers", {"states": rows})

    def door(self, place: Place, no: int, *, open_: bool, inside: bool | None = None) -> Place:
        """A door is moved, and perhaps what lies behind it, before anybody reads it."""
        within = place.inside[no - 1] if inside is None else inside
        return replace(
            place, open=_put(place.open, no, open_), inside=_put(place.inside, no, within)
        )

    def wait(self, place: Place) -> Place:
        return self.feed(place, "tick", {}, late=LONG_MS)

    def restart(self, place: Place) -> Place:
        """The controller stops and comes back: only what was journalled is left."""
        state = recorded(place.state)
        words = {"software": "", "config_hash": ""}
        return self.feed(replace(place, state=state), "started", words)

    # -- people ------------------------------------------------------------------------------
    def card(self, place: Place, no: int) -> Place:
        matches = [{"session": SESSION, "no": no}] if no else []
        return self.feed(place, "card", {"matches": matches, "layout": "resident"})

    def staff(self, place: Place, act: str, *by: Mapping[str, str], **args: Any) -> Place:
        people = list(by) or [STAFF]
        data = {"act": act, "session": SESSION, "args": args, "by": people}
        return self.feed(place, "staff", data)

    def order(self, place: Place, word: str, **more: Any) -> Place:
        n = place.session.last_n + 1
        data = {
            "id": f"o{place.state.seq}",
            "session": SESSION,
            "n": n,
            "order": word,
            "members": [],
            "venues": [],
            "committee": "complete",
            "exceptions": ["members_seated"] if word == "start" else [],
            "by": MANAGER,
            "via": "screen" if self.setting.home else "hub",
            "raw": "r",
        }
        return self.feed(place, "order", {**data, **more})

    def statement(self, place: Place, no: int, document: str) -> Place:
        data = {
            "id": f"st{place.state.seq}",
            "session": SESSION,
            "member": no,
            "document": document,
            "outcome": "signed",
            "digest": "",
            "by": [STAFF],
            "raw": "r",
        }
        return self.feed(place, "statement", data)

    def command(self, place: Place, verb: str, *by: Mapping[str, str], **args: Any) -> Place:
        name = f"c{place.state.seq}"
        data = {"id": name, "verb": verb, "args": args, "by": list(by), "session": SESSION}
        return self.feed(place, "command", data)


def _put(row: tuple[bool, ...], no: int, value: bool) -> tuple[bool, ...]:
    return (*row[: no - 1], value, *row[no:])


def _folded(state: RoomState, drafts: tuple[Draft, ...], inp: Input) -> RoomState:
    """The state after these rows, read back as a journal gives them."""
    for draft in drafts:
        data = json.loads(json.dumps(draft.data))
        state = apply(
            state,
            draft.type,
            draft.session,
            data,
            seq=state.seq + 1,
            mono_ms=inp.mono_ms,
            at=inp.at,
        )
    return state


# -- what two places have in common -------------------------------------------------------------
def key(place: Place) -> tuple[Any, ...]:
    """What of a place decides what may follow: without times, ids, counters, and names.

    Members are interchangeable, so their rows are sorted.
    """
    session = place.session
    rows = sorted(
        _row(place, no) for no in session.members if session.members[no].here and no != ELSEWHERE
    )
    return (
        session.phase.value,
        session.order_out,
        session.committee_complete,
        session.started,
        session.wiped,
        bool(session.exceptions and any(one.need == "sealing" for one in session.exceptions)),
        tuple(sorted(session.sealing.items())),
        tuple(rows),
    )


def distinct(place: Place) -> list[int]:
    """One member of each kind there is in this place.

    Of two whose rows are alike, what the one may do leads where the other's acts lead, with their
    numbers exchanged: to the same key.
    """
    of_kind: dict[Any, int] = {}
    for no in range(1, len(place.open) + 1):
        of_kind.setdefault(_row(place, no), no)
    return list(of_kind.values())


def _row(place: Place, no: int) -> tuple[Any, ...]:
    member, locker = place.member(no), place.locker(no)
    return (
        place.open[no - 1],
        place.inside[no - 1],
        member.step.value,
        member.away is not None,
        ("?",) if member.declared is None else tuple(member.declared),
        member.confirm_due,
        bool(member.items),
        tuple(sorted(member.documents)),
        # One person's second word must stay one word, so it is looked at apart.
        min(len(member.release_by), 2),
        tuple(sorted({one.role for one in member.release_by})),
        locker.door,
        locker.item,
        no in place.session.confirmed_empty,
        _deposit(locker.deposit),
        _opening(locker.opening),
    )


def _deposit(held: Deposit | None) -> str:
    if held is None:
        return ""
    return "out" if held.out else f"held {held.item}"


def _opening(opening: Opening | None) -> tuple[Any, ...]:
    if opening is None:
        return ()
    seen = opening.opened_ms is not None
    # That the controller stopped meanwhile is asked only as long as the lock has not moved.
    torn = opening.interrupted and opening.stage is Stage.WAITING
    return (opening.why, opening.stage.value, seen, opening.noticed, torn)


def has_phone(place: Place, no: int) -> bool:
    """The member has come, his phone is with him, and there is a session to put it away for."""
    come = place.member(no).step not in (MemberStep.EXPECTED, MemberStep.ABSENT)
    return come and not place.inside[no - 1] and not place.session.wiped

"""A member's way through the day: one table (step, input) -> step; what is absent is refused.

`expected -> [late] -> identified -> deposited -> seated -> released -> left`. Lateness and being
away are flags beside the step: whoever comes back is where he was. Admitted is who has deposited.
Those who drop out (absent, declined, withdrawn, replaced, removed) leave through an order
`member_release` if something of theirs lies in a locker (DESIGN §6.1). Who is released without
having been admitted has put something in that the room has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class MemberStep(StrEnum):
    """How far a member has come."""

    EXPECTED = "expected"
    IDENTIFIED = "identified"
    DEPOSITED = "deposited"
    SEATED = "seated"
    RELEASED = "released"
    LEFT = "left"
    ABSENT = "absent"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    REPLACED = "replaced"
    REMOVED = "removed"


class MemberInput(StrEnum):
    """What happens to a member."""

    LATE = "late"
    IDENTIFY = "identify"
    DEPOSIT = "deposit"
    SEAT = "seat"
    UNSEAT = "unseat"
    AWAY_START = "away_start"
    AWAY_END = "away_end"
    RELEASE = "release"
    LEAVE = "leave"
    ABSENT = "absent"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    REPLACE = "replace"
    REMOVE = "remove"


ADMITTED = frozenset({MemberStep.DEPOSITED, MemberStep.SEATED})
"""Devices are in the locker, the member may sit down; these may go away for a while."""

OUT = frozenset(
    {
        MemberStep.ABSENT,
        MemberStep.DECLINED,
        MemberStep.WITHDRAWN,
        MemberStep.REPLACED,
        MemberStep.REMOVED,
    }
)
"""No longer of the committee."""

GONE = OUT | {MemberStep.RELEASED, MemberStep.LEFT}
"""Nothing is waited for any more."""

_BEFORE_RELEASE = (
    MemberStep.EXPECTED,
    MemberStep.IDENTIFIED,
    MemberStep.DEPOSITED,
    MemberStep.SEATED,
)
_DROPS = {
    MemberInput.WITHDRAW: MemberStep.WITHDRAWN,
    MemberInput.REPLACE: MemberStep.REPLACED,
    MemberInput.REMOVE: MemberStep.REMOVED,
}


def _table() -> dict[tuple[MemberStep, MemberInput], MemberStep]:
    step, what = MemberStep, MemberInput
    table = {
        (step.EXPECTED, what.LATE): step.EXPECTED,
        (step.EXPECTED, what.IDENTIFY): step.IDENTIFIED,
        (step.EXPECTED, what.ABSENT): step.ABSENT,
        (step.EXPECTED, what.DECLINE): step.DECLINED,
        (step.ABSENT, what.IDENTIFY): step.IDENTIFIED,
        (step.ABSENT, what.REPLACE): step.REPLACED,
        (step.DECLINED, what.REPLACE): step.REPLACED,
        (step.WITHDRAWN, what.REPLACE): step.REPLACED,
        (step.IDENTIFIED, what.DECLINE): step.DECLINED,
        (step.IDENTIFIED, what.DEPOSIT): step.DEPOSITED,
        (step.IDENTIFIED, what.RELEASE): step.RELEASED,
        (step.DEPOSITED, what.SEAT): step.SEATED,
        (step.SEATED, what.UNSEAT): step.DEPOSITED,
        (step.RELEASED, what.LEAVE): step.LEFT,
    }
    for admitted in ADMITTED:
        table[(admitted, what.AWAY_START)] = admitted
        table[(admitted, what.AWAY_END)] = admitted
        table[(admitted, what.DEPOSIT)] = admitted
        table[(admitted, what.RELEASE)] = step.RELEASED
    for before in _BEFORE_RELEASE:
        table |= {(before, drop): target for drop, target in _DROPS.items()}
    for out in OUT:
        table[(out, what.RELEASE)] = step.RELEASED
        table[(out, what.LEAVE)] = step.LEFT
    return table


MEMBER_TABLE: Mapping[tuple[MemberStep, MemberInput], MemberStep] = MappingProxyType(_table())
"""The whole of it; absent = refused. `deposit` of an admitted member is a re-deposit."""

WHILE_AWAY = frozenset(
    {
        MemberInput.AWAY_END,
        MemberInput.WITHDRAW,
        MemberInput.REPLACE,
        MemberInput.REMOVE,
    }
)
"""What may happen to somebody who is out of the room."""


def next_step(step: MemberStep, what: MemberInput, *, away: bool = False) -> MemberStep | None:
    """Return the step that `what` leads to, None if it is refused."""
    if away and what not in WHILE_AWAY:
        return None
    if not away and what is MemberInput.AWAY_END:
        return None
    return MEMBER_TABLE.get((step, what))

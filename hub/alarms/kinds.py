"""Kinds of hub alarms: which recorded row raises one, how grave it is, who must act, what ends it.

Priorities follow ISA-18.2: by the consequence if nobody acts and the time left to act. P1 stops or
endangers a running evaluation, P2 costs evidence or safety of the record, P3 is to be looked at
within the day. Faults a room raises (`fault.raised`) have alarms of their own and are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

P1: Final = "p1"
P2: Final = "p2"
P3: Final = "p3"
TEXT_CHARS_MAX: Final = 160
"""A reason beside an alarm is one or two lines; the whole of it stands in the row."""
CLONE: Final = "stream.clone"
GAP: Final = "record.gap"
UNREADABLE: Final = "record.unreadable"
OVERRIDE: Final = "override"
RETAINED: Final = "retained"
INTERRUPTED: Final = "interrupted"
SILENT: Final = "room.silent"
HEARD: Final = "room.heard"
DEAF: Final = "hub.deaf"
HEARING: Final = "hub.hearing"
STOPPED: Final = "hub.stopped"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of alarm.

    Attributes:
        running: priority while a session runs in the room; `idle`: otherwise.
        who: the role that must act.
        fields: values of the row's data that its sentence shows.
        notice: it only informs; reading it is all there is to do, and it pages nobody.
        flaps: it comes and goes by itself; back within ten minutes it is the same alarm.
    """

    word: str
    running: str
    idle: str
    who: str
    fields: tuple[str, ...] = ()
    notice: bool = False
    flaps: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What a row says: an alarm of this kind about `subject` ('' the controller as a whole)."""

    kind: str
    ctl: str
    subject: str = ""
    session: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Over:
    """What a row says is over, or seen to: alarms of these kinds about `subject`."""

    kinds: tuple[str, ...]
    ctl: str
    subject: str = ""


_ALL: Final = (
    # No sign of life of a room that others have: cause unknown, its session's record waits there.
    Kind(SILENT, P2, P3, "fault_handler", flaps=True),
    # No sign of life of any room: the hub's own line, told once and not for each of them.
    Kind(DEAF, P2, P2, "operator", ("rooms",), flaps=True),
    Kind(STOPPED, P3, P3, "operator", ("seconds",), notice=True),
    # Two living copies of one controller: nobody knows which of them acts in the room.
    Kind(CLONE, P1, P2, "technician"),
    Kind("stream.fork", P2, P2, "technician", ("seq",)),
    Kind("stream.rollback", P2, P3, "technician"),
    Kind("stream.tail_lost", P2, P3, "technician"),
    Kind("stream.quarantine", P2, P3, "technician", ("leaf",)),
    Kind("stream.notices_dropped", P3, P3, "technician"),
    Kind(UNREADABLE, P2, P3, "technician", ("seq",)),
    Kind(GAP, P2, P3, "witness", ("from", "to", "cause")),
    # Somebody else signs plans, or the hub was restored wrongly: the room works by another one.
    Kind("plan.other_hash", P1, P2, "home_manager", ("generation", "n")),
    # The log lost entries it had signed for, or somebody shows two of them.
    Kind("log.shrunk", P2, P2, "administrator", ("origin", "size", "here")),
    Kind("witness.refused", P2, P2, "home_manager", ("reason", "size")),
    Kind("plan.older", P3, P3, "technician", ("generation", "n")),
    Kind("plan.refused", P2, P2, "home_manager", ("generation", "n", "reason")),
    Kind("cmd.retained", P2, P2, "technician"),
    Kind("cmd.refused", P3, P3, "fault_handler", ("reason",)),
    Kind("wire.refused", P2, P3, "technician", ("leaf",)),
    Kind("ack.bad", P2, P2, "technician", ("reason",)),
    Kind("journal.rolled_back", P2, P2, "technician"),
    Kind("hub.rollback", P3, P3, "operator", notice=True),
    # A member's things lie behind the first, nobody's behind the second.
    Kind("locker.unexplained_held", P1, P1, "room_staff", ("locker", "member")),
    Kind("locker.unexplained", P2, P2, "room_staff", ("locker",)),
    Kind("locker.override", P2, P2, "witness", ("locker",)),
    Kind("locker.interrupted", P2, P3, "room_staff", ("locker",)),
    Kind("locker.open_failed", P3, P3, "room_staff", ("locker",)),
    Kind("locker.fault", P3, P3, "technician", ("locker",)),
)
KINDS: Final[Mapping[str, Kind]] = {one.word: one for one in _ALL}
UNEXPLAINED: Final = ("locker.unexplained", "locker.unexplained_held")
OPENING: Final = ("locker.interrupted", "locker.open_failed")

FACTS: Final = (
    SILENT,
    HEARD,
    DEAF,
    HEARING,
    STOPPED,
    CLONE,
    "stream.fork",
    "stream.rollback",
    "stream.tail_lost",
    "stream.quarantine",
    "stream.notices_dropped",
    "stream.unreadable",
    "stream.clone_released",
    "log.shrunk",
    "log.reopened",
)
"""The hub's own facts that raise or end an alarm; in a room's stream the word means nothing."""
ROWS: Final = (
    GAP,
    "plan.refused",
    "plan.accepted",
    "cmd.refused",
    "wire.refused",
    "ack.bad",
    "witness.refused",
    "journal.rolled_back",
    "hub.rollback",
    "locker.unexplained",
    "locker.acked",
    "locker.opening",
    "locker.opened",
    "locker.open_failed",
    "locker.fault",
)
"""Rows of rooms that raise, acknowledge or end an alarm."""
_ENDED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "stream.clone_released": (CLONE,),
    HEARD: (SILENT,),
    HEARING: (DEAF,),
    "plan.accepted": ("plan.refused",),
    "log.reopened": ("log.shrunk",),
}
_RENAMED: Final = {"stream.unreadable": UNREADABLE}
_PLAN: Final = {"other_hash": "plan.other_hash", "older": "plan.older"}


def raised(kind: str, ctl: str, session: str, data: Mapping[str, Any]) -> Said | None:
    """The alarm a row raises, None if it raises none.

    Args:
        kind: the row's type, of `FACTS` or `ROWS`.
        ctl: the controller it is about.
        session: the row's session, '' where it has none.
        data: the row's data, as somebody else wrote it.
    """
    word = _word(kind, data)
    if word not in KINDS:
        return None
    if word == GAP:
        subject = str(data.get("epoch", ""))[:8] + f":{data.get('from')}"
    else:
        subject = f"locker:{data.get('locker')}" if word.startswith("locker.") else ""
    shown = {name: shortened(data.get(name)) for name in KINDS[word].fields}
    return Said(word, ctl, subject[:48], session, shown)


def over(kind: str, ctl: str, data: Mapping[str, Any]) -> Over | None:
    """The alarms a row ends, None if it ends none."""
    if kind in _ENDED_BY:
        return Over(_ENDED_BY[kind], ctl)
    if kind == "locker.opened":
        return Over(OPENING, ctl, f"locker:{data.get('locker')}")
    return None


def seen_to(kind: str, ctl: str, data: Mapping[str, Any]) -> Over | None:
    """The alarms that somebody on duty acknowledged at the room's own screen, None if none."""
    if kind == "locker.acked":
        return Over(UNEXPLAINED, ctl, f"locker:{data.get('locker')}")
    return None


def level(kind: Kind, *, running: bool) -> str:
    """p1, p2 or p3 by what is at stake in the room now."""
    return kind.running if running else kind.idle


def shortened(value: object) -> str:
    """A value for a sentence; what the row does not tell is a dash."""
    return "–" if value is None or value == "" else str(value)[:TEXT_CHARS_MAX]


def _word(kind: str, data: Mapping[str, Any]) -> str:
    reason = str(data.get("reason", ""))
    if kind == "plan.refused":
        return _PLAN.get(reason, kind)
    if kind == "cmd.refused" and reason.startswith(RETAINED):
        return "cmd.retained"
    if kind == "locker.unexplained" and data.get("member") is not None:
        return "locker.unexplained_held"
    if kind == "locker.opening":
        return "locker.override" if data.get("why") == OVERRIDE else ""
    if kind == "locker.open_failed" and data.get("outcome") == INTERRUPTED:
        return "locker.interrupted"
    return _RENAMED.get(kind, kind)

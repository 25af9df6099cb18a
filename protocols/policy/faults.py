"""Faults as pure rules: what is wrong, since when long enough, and what it is a consequence of.

A fault is raised when its fact has held for `raise_s` and cleared when the opposite has held for
`clear_s`; unknown does neither, silence is its own fault (DESIGN §6.3). A fault that keeps coming
back, or a link that keeps breaking off for less than `raise_s`, becomes one "unstable" that clears
only after a quiet window. The first cause groups its
consequences: what fails while the mains are gone is told as a consequence of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from protocols.terms import FaultKind

NETWORK_RUNGS = (
    "carrier",
    "route",
    "gateway",
    "wan",
    "dns",
    "tcp",
    "tls",
    "mqtt",
    "echo",
)
"""The ladder; the lowest failing rung is the diagnosis, ``ok`` none."""

UNSTABLE = "unstable"
DISK, CLOCK = "disk", "clock"
"""Devices of the recording itself: where pictures go and what dates them (AV, DESIGN §6.3)."""

AGREE_S = 6
"""Seconds until contact and UPS must say the same: two polls of 2 s and one lost answer."""

CONSEQUENCES_OF = {
    FaultKind.POWER: (
        FaultKind.NETWORK,
        FaultKind.DEVICE,
        FaultKind.AV,
        FaultKind.STATION,
        FaultKind.SYSTEM,
    ),
    FaultKind.NETWORK: (FaultKind.SYSTEM,),
    FaultKind.DEVICE: (FaultKind.AV, FaultKind.STATION),
}
"""Which kinds an open fault explains. Proposed by the software, judged by people."""

CONSEQUENCE_KEYS = {
    FaultKind.POWER: "ups_carries",
    FaultKind.NETWORK: "records_wait",
    FaultKind.DEVICE: "device_silent",
    FaultKind.STATION: "seat_empty",
    FaultKind.SYSTEM: "scores_stop",
    FaultKind.EXPERT: "member_missing",
    FaultKind.AV: "recording_gap",
    FaultKind.RECORD: "rows_lost",
}
"""What follows from a fault, as a key for the screens (fact, consequence, action)."""


class Verdict(StrEnum):
    """What to do about a fault now."""

    NOTHING = "nothing"
    RAISE = "raise"
    RAISE_UNSTABLE = "raise_unstable"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Limits:
    """Times of one kind of fault, in seconds; as many as `flaps` within `window_s` are unstable."""

    raise_s: int
    clear_s: int
    flaps: int
    window_s: int


@dataclass(frozen=True, slots=True)
class Watch:
    """One possible fault as it stands.

    Attributes:
        bad: the fact; None = unknown.
        since_ms: since when the fact is as it is.
        raised: whether the fault is open.
        unstable: whether it is open as unstable.
        raises: when it was raised before.
        breaks: when it went bad, this time included, where that is counted.
    """

    bad: bool | None
    since_ms: int
    raised: bool = False
    unstable: bool = False
    raises: tuple[int, ...] = ()
    breaks: tuple[int, ...] = ()


def judge(watch: Watch, limits: Limits, now_ms: int) -> Verdict:
    """Return what is due for one possible fault."""
    held_ms = now_ms - watch.since_ms
    if watch.bad is None or watch.bad is watch.raised:
        return Verdict.NOTHING
    if not watch.bad:
        quiet_s = limits.window_s if watch.unstable else limits.clear_s
        return Verdict.CLEAR if held_ms >= quiet_s * 1000 else Verdict.NOTHING
    window_ms = limits.window_s * 1000
    if sum(now_ms - at <= window_ms for at in watch.breaks) >= limits.flaps:
        return Verdict.RAISE_UNSTABLE
    if held_ms < limits.raise_s * 1000:
        return Verdict.NOTHING
    recent = sum(now_ms - at <= window_ms for at in watch.raises)
    return Verdict.RAISE_UNSTABLE if recent + 1 >= limits.flaps else Verdict.RAISE


def cause_of(kind: str, open_faults: tuple[tuple[str, str], ...]) -> str:
    """Return the id of the fault that explains one of `kind`, '' if none does.

    `open_faults`: (id, kind) in the order they were raised; the first cause wins.
    """
    return next(
        (name for name, cause in open_faults if kind in CONSEQUENCES_OF.get(FaultKind(cause), ())),
        "",
    )


@dataclass(frozen=True, slots=True)
class PowerReading:
    """Two agreeing reads each of the mains contact and the UPS.

    Attributes:
        contact: mains present by the contact; None = not known.
        ups: online, battery or low by the UPS; None = silent.
    """

    contact: bool | None
    ups: str | None


def mains_of(reading: PowerReading, *, disagreed: bool = False) -> tuple[str, bool]:
    """Return (on/off/unknown, whether contact and UPS disagree); `disagreed`: whether they did.

    Mains are lost as soon as either says so; that both say the same is checked separately, for a
    contact that sticks and a UPS that lies look alike from here. That one of the two falls silent
    settles nothing between them.
    """
    by_ups = None if reading.ups is None else reading.ups == "online"
    known = [word for word in (reading.contact, by_ups) if word is not None]
    if not known:
        return "unknown", disagreed
    if disagreed and len(known) == 1:
        return "off", True
    return ("on" if all(known) else "off"), len(set(known)) > 1


def power_bad(mains: str, *, disagree: bool) -> bool | None:
    """Return whether the power supply is at fault; None = not known."""
    if mains == "unknown":
        return None
    return mains == "off" or disagree


def power_fault(mains: str, *, disagree: bool, held_ms: int) -> bool | None:
    """Return whether the supply is to be called faulty by now; None = not to be said yet.

    A UPS is asked in turns and believed after two answers, so contact and UPS never change in the
    same moment: a contradiction counts only after `AGREE_S`.
    """
    if disagree and held_ms < AGREE_S * 1000:
        return None
    return power_bad(mains, disagree=disagree)


def power_what(*, disagree: bool) -> str:
    """Return what the fault of the power supply is."""
    return "disagree" if disagree else "mains_lost"


def av_proposal(down_ms: tuple[int, ...], *, covered: bool, warn_s: int, pause_s: int) -> str:
    """Return none, warn or pause: what to propose while streams are not recorded.

    Args:
        down_ms: for each stream that is not recorded, since how long.
        covered: whether another stream of the room is recorded meanwhile.
        warn_s: a gap this long is told.
        pause_s: after this long a pause is proposed, unless another stream covers the room.
    """
    longest_ms = max(down_ms, default=-1)
    if longest_ms >= pause_s * 1000 and not covered:
        return "pause"
    return "warn" if longest_ms >= warn_s * 1000 else "none"


def clock_bad(offset_ms: int | None, bound_ms: int, alarm_ms: int) -> bool | None:
    """Return whether the wall clock is certainly off by more than `alarm_ms`; None = not known."""
    return None if offset_ms is None else abs(offset_ms) - bound_ms > alarm_ms


def network_bad(rung: str) -> bool | None:
    """Return whether the network is at fault; an unknown word is not known."""
    if rung == "ok":
        return False
    return True if rung in NETWORK_RUNGS else None


def network_what(failing: tuple[str, ...]) -> str:
    """Return the lowest failing rung, ok if none fails."""
    return next((rung for rung in NETWORK_RUNGS if rung in failing), "ok")

"""What a room's state is made of: frozen values, JSON-able, without a name or an ID number.

`RoomState` is a fold of recorded events (`protocols.policy.room_state.apply`), so the room after a
restart and the hub on its boards see the same. Only `Sensing` is volatile: raw readings that wait
for their second reading or their time; it starts empty, which means unknown.

Units: ``_ms`` are milliseconds on the room's steady clock (it goes on across restarts), `at` is
RFC 3339 UTC. Members are numbers (DESIGN G8). `session` '' means no session.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from protocols.policy.custody import Stage
from protocols.policy.members import MemberStep
from protocols.policy.session import Phase

SESSIONS_KEPT = 16
"""Closed sessions kept in the state; a room has one or two sessions a day."""
COMMANDS_KEPT = 128
"""Answers at hand for ids that come again at once; all others are in the journal's results."""
PENDING_KEPT = 32
"""Commands accepted and not done at one time; a room has a handful of locks and one network."""
FAULTS_KEPT = 64
"""Cleared faults kept for the screen of the day."""
STEPS_KEPT = 64
"""Checklist rows kept per fault; a pack's checklist has at most 64."""


SEALING = "sealing"
"""Need of a named exception that waives sealing before a release on postpone or terminate."""


class UnreadableEvent(ValueError):  # noqa: N818 the name every reader of the record knows
    """An event is of a known type but its data cannot be used.

    Attributes:
        where: type and field.
        expected: what would have been right.
        got: what came, shortened.
    """

    def __init__(self, where: str, *, expected: str, got: object) -> None:
        """Build the message from its parts."""
        self.where = where
        self.expected = expected
        self.got = repr(got)[:80]
        super().__init__(
            f"{where}: expected {expected}, got {self.got}: the event stays recorded and unused"
        )


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """A device of the room. `kind`: the driver's word; the number ending `name`: its station."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class RoomConfig:
    """What stands in the room. `item_sensor` False: the lock board has no item bits."""

    ctl: str
    place: str
    stations: tuple[int, ...] = ()
    lockers: tuple[int, ...] = ()
    item_sensor: bool = True
    streams: tuple[str, ...] = ()
    devices: tuple[DeviceConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanRef:
    """Version and hash of the plan in force."""

    generation: int
    n: int
    hash: str


@dataclass(frozen=True, slots=True)
class Venue:
    """One venue of a session; `role` home or guest."""

    org: str
    role: str
    ctl: str = ""
    place: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who acted: person token, post on the roster, role, organisation. Never a name."""

    person: str = ""
    post: str = ""
    role: str = ""
    org: str = ""


@dataclass(frozen=True, slots=True)
class Away:
    """A member has left for a while. `expected_min` in minutes."""

    since_ms: int
    reason: str
    consent_by: str
    escort: str
    expected_min: int


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a session. `here`: checks in at this venue. `out`: why no longer a member."""

    no: int
    kind: str
    org: str
    here: bool
    station: int | None
    locker: int | None
    step: MemberStep = MemberStep.EXPECTED
    late: bool = False
    away: Away | None = None
    method: str = ""
    steps: Mapping[str, bool] = field(default_factory=dict)
    declared: tuple[str, ...] | None = None
    confirm_due: bool = False
    items: tuple[str, ...] = ()
    documents: Mapping[str, str] = field(default_factory=dict)
    out: str = ""
    release_by: tuple[Signer, ...] = ()
    released_ms: int | None = None
    saved: bool = False
    told: tuple[str, ...] = ()
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """An order as this room answered it; `result` accepted or the reason of refusal."""

    id: str
    n: int
    order: str
    result: str
    members: tuple[int, ...]
    by: tuple[Signer, ...]
    at_ms: int


@dataclass(frozen=True, slots=True)
class StartException:
    """A need of `start` that somebody answered for by name of post."""

    need: str
    reason: str
    by: tuple[Signer, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """One session at this venue."""

    id: str
    booking: str
    kind: str
    start_at: str
    org: str
    role: str
    home_org: str
    venues: tuple[Venue, ...]
    pack_hash: str
    plan: PlanRef
    phase: Phase = Phase.IDLE
    phase_ms: int = 0
    members: Mapping[int, Member] = field(default_factory=dict)
    orders: tuple[OrderSeen, ...] = ()
    last_n: int = 0
    order_out: str = ""
    committee_complete: bool = False
    started: bool = False
    recording: bool = False
    release_ms: int = 0
    exceptions: tuple[StartException, ...] = ()
    lead: int | None = None
    clarification: str = ""
    sealing: Mapping[str, str] = field(default_factory=dict)
    confirmed_empty: tuple[int, ...] = ()
    fault_kinds: tuple[str, ...] = ()
    wiped: bool = False


@dataclass(frozen=True, slots=True)
class Deposit:
    """What the record says lies in a locker. `out`: taken out under escort, due back."""

    session: str
    no: int
    items: tuple[str, ...]
    item: str
    out: bool = False
    out_ms: int = 0


@dataclass(frozen=True, slots=True)
class Opening:
    """A door the room has decided to open; `why` deposit, release, escorted or override."""

    intent: str
    why: str
    session: str
    no: int
    since_ms: int
    stage: Stage = Stage.WAITING
    opened_ms: int | None = None
    noticed: bool = False
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Locker:
    """One locker: what the sensors say, what the record says, and the door in progress.

    `forced_ms`: its last opening outside the procedure, until staff acknowledge or a session ends.
    """

    number: int
    door: str = "unknown"
    item: str = "unknown"
    since_ms: int = 0
    deposit: Deposit | None = None
    opening: Opening | None = None
    fault: str = ""
    failed: str = ""
    unexplained: int = 0
    forced_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Seat:
    """One station's seat: occupied, vacant or unknown."""

    station: int
    state: str = "unknown"
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """One device: ok, lost, or unknown as long as nothing was heard of it."""

    name: str
    kind: str
    state: str = "unknown"
    reason: str = ""
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Power:
    """Mains and their contact on/off/unknown, UPS online/battery/low/unknown, reserve in per cent.

    `mains` is what contact and UPS say together; `charge_pct` None = not known.
    """

    mains: str = "unknown"
    contact: str = "unknown"
    ups: str = "unknown"
    charge_pct: int | None = None
    disagree: bool = False
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """A word that holds since a moment: network rung, evaluation system.

    `breaks`: when it was lost after it had been ok, the last moments.
    """

    state: str = "unknown"
    since_ms: int = 0
    detail: str = ""
    breaks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """One recorded stream: state and what was stored of it. `gap_ms` totals its gaps."""

    name: str
    state: str = "unknown"
    since_ms: int = 0
    segments: int = 0
    last_at: str = ""
    gap_ms: int = 0
    gaps: int = 0


@dataclass(frozen=True, slots=True)
class CaseStep:
    """One row of a checklist as done here."""

    key: str
    state: str
    reason: str
    by: tuple[Signer, ...]
    at: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault; open until `cleared_ms` is set. `cause`: the fault whose consequence it is."""

    id: str
    kind: str
    device: str
    what: str
    session: str
    consequence: str
    cause: str
    raised_ms: int
    raised_at: str
    cleared_ms: int | None = None
    acked: bool = False
    steps: Mapping[str, CaseStep] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether it has not been cleared."""
        return self.cleared_ms is None


@dataclass(frozen=True, slots=True)
class SelfTest:
    """The last self-test; `failed` names devices."""

    ok: bool
    at_ms: int
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody inside who is no member: post and purpose."""

    who_post: str
    purpose: str
    devices: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A raw reading and since when it is so."""

    value: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Sensing:
    """Raw readings not yet facts. Volatile: not part of the fold, empty after a restart.

    Keys: ``mat:1`` on/off, ``radar:1`` none/moving/still/both, ``card_error`` reason.
    """

    readings: Mapping[str, Reading] = field(default_factory=dict)


@dataclass(frozen=True)
class RoomState:
    """Everything a room controller knows and stands for.

    Without slots, for `evolve`: every recorded row makes a new state, at the hub of every room.

    `answers`: ids to what was answered; `pending`: ids of commands accepted and not done, to their
    verbs; `clock_off_ms`: by how much the wall clock is ahead of the hub's, None = not known, and
    `clock_bound_ms` how far that may be wrong, `clock_ms` when it was found.
    """

    config: RoomConfig
    epoch: str = ""
    seq: int = 0
    mono_ms: int = 0
    base_ms: int = 0
    at: str = ""
    software: str = ""
    plan: PlanRef | None = None
    sessions: Mapping[str, Session] = field(default_factory=dict)
    lockers: Mapping[int, Locker] = field(default_factory=dict)
    seats: Mapping[int, Seat] = field(default_factory=dict)
    devices: Mapping[str, Device] = field(default_factory=dict)
    streams: Mapping[str, Stream] = field(default_factory=dict)
    power: Power = field(default_factory=Power)
    network: Level = field(default_factory=Level)
    system: Level = field(default_factory=Level)
    faults: Mapping[str, Fault] = field(default_factory=dict)
    fault_count: int = 0
    raises: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    openings: int = 0
    answers: Mapping[str, str] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)
    selftest: SelfTest | None = None
    visitors: tuple[Visitor, ...] = ()
    help_ms: int | None = None
    clock_step_ms: int = 0
    clock_off_ms: int | None = None
    clock_bound_ms: int = 0
    clock_ms: int = 0
    revs: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    sensing: Sensing = field(default_factory=Sensing)

    def evolve(self, **changes: Any) -> RoomState:
        """Return the state with these fields changed: `dataclasses.replace` in a tenth of its time.

        Raises TypeError for a field there is not.
        """
        after = object.__new__(RoomState)
        values = after.__dict__
        values.update(self.__dict__)
        values.update(changes)
        if len(values) != len(self.__dict__):
            unknown = ", ".join(sorted(changes.keys() - self.__dict__.keys()))
            raise TypeError(f"RoomState: expected its own fields, got {unknown}")
        return after

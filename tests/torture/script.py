"""What is done to a town, in which order: drawn from a seed, dealt into rounds.

A round is what happens between two quiet tails in which everything has to arrive. In every second
round the broker stands apart, so that its line to the hub can be bad too.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from typing import Final

from edge.simulators.link_faults import Fault, Way
from tests.torture.town import HUB_LINE, ROOMS

KINDS: Final = ("cut", *(one.value for one in Fault if one is not Fault.NONE))
LEGS: Final = ("room", HUB_LINE)
KILLS_A_ROUND: Final = 25
VICTIMS: Final = ("room", "room", "hub", "broker")
PAUSE_S: Final = (0.2, 1.6)  # shorter than anything needs to come back
BRIEF_S: Final = (0.1, 0.7)
PEACE_S: Final = (3.0, 8.0)  # after every fifth blow: what comes next hits those who work again
FAULT_S: Final = (1.0, 5.0)
LONG_S: Final = 20.0  # longer than either side's keepalive: only then is a dead line noticed
SILENT: Final = ("stall", "half_open")


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much of each."""

    kills: int
    store_losses: int
    restores: int
    faults: int

    @property
    def rounds(self) -> int:
        """At least two: one with the broker in the hub's hands, one apart."""
        return max(2, -(-self.kills // KILLS_A_ROUND))


@dataclass(frozen=True, slots=True)
class Step:
    """One blow.

    Args:
        what: `kill`, `store`, `restore` or `fault`.
        name: who is killed, or which line is bad.
        kind: of a fault; `way` is which one stalls.
        lasts_s: how long the line is bad.
        pause_s: until the next blow.
    """

    what: str
    name: str = ""
    kind: str = ""
    way: str = "up"
    lasts_s: float = 0.0
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Round:
    """Blows in their order; a backup is made when it begins, if it holds a restore."""

    number: int
    apart: bool
    steps: tuple[Step, ...]


def draw(
    amounts: Amounts, seed: int, *, rooms: int = len(ROOMS), brief: bool = False
) -> list[Round]:
    """All rounds of a seed; `brief`: no peace between them, and lines are bad for moments."""
    rng = random.Random(f"{seed} {asdict(amounts)}")  # noqa: S311 - chooses, no secret
    dealt: list[list[Step]] = [[] for _ in range(amounts.rounds)]
    victims = [VICTIMS[n % len(VICTIMS)] for n in range(amounts.kills)]
    rng.shuffle(victims)
    for n, victim in enumerate(victims):
        name = _room(rng, rooms) if victim == "room" else victim
        dealt[n % amounts.rounds].append(Step("kill", name, pause_s=_pause(rng, brief=brief)))
    first = rng.randrange(amounts.rounds)
    for n in range(amounts.store_losses):
        step = Step("store", "broker", pause_s=_pause(rng, brief=brief))
        dealt[(first + n) % amounts.rounds].append(step)
    for n in range(amounts.restores):
        step = Step("restore", "hub", pause_s=_pause(rng, brief=brief))
        dealt[
            (first + n * max(1, amounts.rounds // max(1, amounts.restores))) % amounts.rounds
        ].append(step)
    for n in range(amounts.faults):
        leg = LEGS[n // len(KINDS) % len(LEGS)]
        at = rng.randrange(amounts.rounds)
        at = min(at | 1, amounts.rounds - 1 - amounts.rounds % 2) if leg == HUB_LINE else at
        dealt[at].append(_fault(rng, KINDS[n % len(KINDS)], leg, rooms=rooms, brief=brief))
    for steps in dealt:
        rng.shuffle(steps)
    return [Round(n, n % 2 == 1, tuple(steps)) for n, steps in enumerate(dealt)]


def _fault(rng: random.Random, kind: str, leg: str, *, rooms: int, brief: bool) -> Step:
    lasts_s = rng.uniform(*(PAUSE_S if brief else FAULT_S))
    if kind in SILENT and not brief and rng.random() < 0.5:
        lasts_s = LONG_S
    return Step(
        "fault",
        _room(rng, rooms) if leg == "room" else leg,
        kind=kind,
        way=rng.choice(list(Way)).value,
        lasts_s=lasts_s,
        pause_s=_pause(rng, brief=brief),
    )


def _pause(rng: random.Random, *, brief: bool) -> float:
    if brief:
        return rng.uniform(*BRIEF_S)
    return rng.uniform(*(PEACE_S if rng.random() < 0.2 else PAUSE_S))


def _room(rng: random.Random, rooms: int) -> str:
    org, room, _ = rng.choice(ROOMS[:rooms])
    return f"{org}-{room}"

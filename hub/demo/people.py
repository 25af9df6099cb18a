"""Invented members: names and ID numbers that are well-formed and belong to nobody on purpose.

The area codes are those of districts that were dissolved, and the birth dates lie before the scheme
of resident numbers began, so that a made-up number cannot meet a living person's by accident.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨"
GIVEN = (
    "文博",
    "雅琴",
    "建明",
    "丽华",
    "志远",
    "晓梅",
    "国栋",
    "思源",
    "海燕",
    "立新",
    "宏图",
    "静怡",
)
AREAS = ("422201", "422301", "422401", "432301", "432501")
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643
CHECK = "10X98765432"
# Member numbers that the day's script needs for one thing each.
TWO_ITEMS, LATE, DISSENTS, NO_CARD = 1, 3, 4, 5


@dataclass(frozen=True, slots=True)
class Member:
    """One invented committee member; `card` False = left it at home."""

    no: int
    kind: str
    org: str
    name: str
    number: str
    station: int
    card: bool = True
    late: bool = False
    dissents: bool = False
    items: tuple[str, ...] = ("phone",)


def id_number(rng: random.Random) -> str:
    """An 18-character number with a right check digit (GB 11643)."""
    birth = f"{rng.randint(1931, 1939)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"
    body = f"{rng.choice(AREAS)}{birth}{rng.randint(900, 999)}"
    total = sum(int(digit) * weight for digit, weight in zip(body, WEIGHTS, strict=True))
    return body + CHECK[total % 11]


def committee(rng: random.Random, home: str, guests: list[str]) -> list[Member]:
    """Three members at home, one of them the tenderer's representative, two at each guest.

    One home expert comes late, the first guest's second expert has no card and dissents, and one
    member deposits a watch beside the phone: the day needs each of them once.
    """
    seats = [(home, 1, "expert"), (home, 2, "tenderer_rep"), (home, 3, "expert")]
    seats += [(guest, station, "expert") for guest in guests for station in (1, 2)]
    names = rng.sample([s + g for s in SURNAMES for g in GIVEN], len(seats))
    return [
        Member(
            no=no,
            kind=kind,
            org=org,
            name=names[no - 1],
            number=id_number(rng),
            station=station,
            late=no == LATE,
            card=no != NO_CARD,
            dissents=no == DISSENTS,
            items=("phone", "watch") if no == TWO_ITEMS else ("phone",),
        )
        for no, (org, station, kind) in enumerate(seats, 1)
    ]

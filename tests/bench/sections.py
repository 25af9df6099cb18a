"""The sections of `make proof`: what is claimed, what tries to break it, what it rests on."""

from __future__ import annotations

import sys
from dataclasses import dataclass

CORES = ("protocols", "deploy/requirements.txt")
ROOM = (*CORES, "edge")
PRODUCT = (*ROOM, "hub")
README_ROWS = frozenset(
    (
        *("histories", "cuts-journal", "cuts-hub", "torture-mosquitto", "torture-embedded"),
        *("backlog", "full-disk", "states", "doors", "detect", "fuzz-codecs", "hostile", "faults"),
        *("refusals", "transparency"),
    )
)
"""What a newcomer asks first; the rest is in docs/proof.md."""


@dataclass(frozen=True, slots=True)
class Section:
    """What is claimed, and the tests that try to break it; properties are tried 5 000 times.

    `command`: a module with its options instead of tests; it prints `n = …` last and goes on where
    it was when it is started again on the same files. `rests_on`: the part of the product whose
    change makes the figure stale; what is run belongs to it anyway.
    """

    name: str
    claim: str
    tests: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    rests_on: tuple[str, ...] = PRODUCT

    @property
    def words(self) -> list[str]:
        """What is started."""
        if self.command:
            return [sys.executable, "-m", *self.command]
        pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *self.tests]
        return [*pytest, "--hypothesis-show-statistics", "-m", "not hardware"]

    @property
    def sources(self) -> list[str]:
        """Every file and folder the figure rests on."""
        run = [one for one in self.tests if one.startswith("tests/")]
        run += ["/".join(self.command[0].split(".")[:2])] if self.command else []
        return [*self.rests_on, *run]


def fuzzed(name: str, claim: str, *rests_on: str) -> Section:
    """A group of targets of tests/fuzz; no new shard begins in the last minutes of the section."""
    command = ("tests.fuzz", name, "--minutes", "38")
    return Section(name, claim, command=command, rests_on=rests_on or PRODUCT)


_BLOWS = (
    *("--kills", "500", "--store-losses", "50", "--restores", "10", "--faults", "70"),
    *("--minutes", "36"),
)
_WALK = ("tests/model/test_gate_exhaustive.py", "-rP")

SECTIONS = (
    Section(
        "histories",
        "nothing is lost, doubled or forked unseen",
        command=("tests.simulation", "1", "--count", "10000", "--minutes", "40"),
    ),
    Section(
        "cuts-journal",
        "a power cut takes no row a room said is written",
        command=("tests.power_cuts", "journal", "--count", "20000"),
        rests_on=ROOM,
    ),
    Section(
        "cuts-hub",
        "nor one that the hub has acknowledged",
        command=("tests.power_cuts", "hub", "--count", "20000"),
        rests_on=(*CORES, "hub"),
    ),
    Section(
        "room",
        "the fold is the room and the gate holds",
        ("tests/edge/test_room.py", "-k", "whatever"),
        rests_on=ROOM,
    ),
    Section(
        "states",
        "no state of a room breaks a law or keeps a phone",
        (*_WALK, "-k", "three_members_to_the_end and False"),
        rests_on=ROOM,
    ),
    Section(
        "states-all",
        "nor where the whole committee has to sign",
        (*_WALK, "-k", "three_members_to_the_end and True"),
        rests_on=ROOM,
    ),
    Section(
        "force",
        "nor do escorts and overrides of three members",
        (*_WALK, "-k", "past_the_gate_to"),
        rests_on=ROOM,
    ),
    Section(
        "hands",
        "nor does any act of a hand, a lock or a board",
        (*_WALK, "-k", "hand_to or member_to or one_future"),
        rests_on=ROOM,
    ),
    Section(
        "doors",
        "no opening without its cause on record",
        ("tests/model/test_room_machine.py",),
        rests_on=ROOM,
    ),
    Section(
        "recording",
        "the hub ends with every row, once",
        ("tests/protocols/messages/test_cursor.py", "-k", "whatever"),
    ),
    Section(
        "packages",
        "every flipped byte is found and named",
        ("tests/protocols/evidence", "-k", "single_flipped or any_bytes"),
        rests_on=CORES,
    ),
    Section(
        "codecs",
        "any bytes in any portions are read or counted",
        ("tests/protocols/wire",),
        rests_on=("protocols/wire",),
    ),
    fuzzed("fuzz-codecs", "no bytes of a line break a codec", "protocols/wire"),
    fuzzed("fuzz-messages", "no bytes break a parser of messages", "protocols"),
    fuzzed("fuzz-ingest", "no message stops the hub's record"),
    fuzzed("fuzz-packages", "no package stops the verifier", "protocols", "hub/archive"),
    Section(
        "hostile",
        "no hostile package is called sound",
        command=("tests.fuzz.hostile", "--count", "5000"),
        rests_on=(*CORES, "hub/archive"),
    ),
    *(
        Section(
            f"torture-{broker}",
            f"kills, lost stores, old backups: every row, once ({broker})",
            command=("tests.torture", "--broker", broker, *_BLOWS),
        )
        for broker in ("mosquitto", "embedded")
    ),
    Section(
        "backlog",
        "thirty days drain, and nobody waits for them",
        command=("tests.torture.backlog", "--events", "150000", "--seed", "1"),
    ),
    Section(
        "full-disk",
        "no write that finds the disk full loses a row",
        command=("tests.torture.full_disk", "--writes", "500"),
    ),
    Section(
        "brokers",
        "real brokers have the holes of the model",
        ("tests/torture/test_calibration.py",),
    ),
    Section(
        "detect",
        "faults are seen in time, one trouble is one call",
        command=("tests.detect", "faults", "--minutes", "30"),
    ),
    Section(
        "alarm-life",
        "a restart loses no call and doubles none",
        command=("tests.detect", "life", "--minutes", "35"),
    ),
    Section(
        "checks",
        "no check of a codec can be wrong unnoticed",
        ("tests/mutants/test_codec_checks.py", "-rP", "-k", "unnoticed"),
        rests_on=("protocols/wire", "tests/protocols/wire"),
    ),
    Section(
        "faults",
        "every planted fault is noticed",
        ("tests/mutants/test_bank.py", "-k", "noticed"),
    ),
    Section(
        "transparency",
        "no change of a log of a thousand rows and no fork goes unseen",
        command=("tests.transparency",),
        rests_on=("protocols", "hub/transparency", "edge/witness.py"),
    ),
    Section(
        "refusals",
        "no altered, old or foreign order, command or code counts",
        command=("tests.edge.refusals", "--messages", "1000"),
        rests_on=ROOM,
    ),
    Section(
        "strangers",
        "nothing of a stranger or on another's topic arrives",
        ("tests/hub/test_broker_identity.py", "-rP"),
    ),
    Section(
        "rights",
        "each role of each organisation gets what the table says",
        command=("tests.bench.rights",),
    ),
    Section(
        "sign-in",
        "strangers lock nobody out, codes count once",
        ("tests/hub/accounts",),
    ),
    Section(
        "attack",
        "no request makes the hub fail, no room fills it",
        (
            *("tests/hub/api/test_fuzzed.py", "tests/hub/web/test_limits.py"),
            "tests/hub/media/test_rogue.py",
        ),
    ),
    Section(
        "clips",
        "a thousand changed clips reach nothing and get an answer each",
        command=("tests.fuzz.clips", "--count", "1000"),
        rests_on=ROOM,
    ),
    Section(
        "flood",
        "in ten minutes of one room's flood another is heard within seconds",
        command=("tests.torture.flood", "--seconds", "600"),
    ),
    Section(
        "comeback",
        "a thousand rooms with certificates are back within a minute",
        command=("tests.torture.comeback", "--clients", "1000"),
    ),
    Section(
        "days",
        "a whole day, also of deaths, ends with a sound package",
        ("tests/system/test_demo_day.py", "tests/system/test_demo_torture.py"),
    ),
)

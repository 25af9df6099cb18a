"""Whoever holds every key but the witnesses' rewrites a record of a thousand rows.

The room's stream is written anew behind the place that was changed, chained, counted and sealed
with the room's own key; the venue signs the package. Only what two venues co-signed stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from protocols.evidence import package as make
from protocols.evidence.checkpoint import (
    Checkpoint,
    Note,
    cosign,
    joined,
    log_entry,
    origin_name,
    sign_checkpoint,
)
from protocols.evidence.merkle import CompactRange, joint_proof, leaf_hash
from protocols.evidence.tally import ROOM_TYPE
from protocols.evidence.verifier import (
    CHECKPOINT,
    LOG_PLACES,
    LOG_PROOF,
    MemoryFiles,
    Report,
    verify_package,
)
from protocols.messages.event import event_hash
from tests.protocols.evidence.sample_log import HOME_CTL, HOME_WITNESS, trust
from tests.protocols.evidence.sample_package import (
    EPOCH1,
    SEGMENTS,
    Recorder,
    bag,
    hub_stream,
    payload,
    segment_data,
)
from tests.protocols.messages.wire_keys import CTL, GUEST, HUB, HUB_KEY, ROOM, SESSION, Key

ENTRIES: Final = 1_000
BATCH: Final = 64
KINDS: Final = ("edit", "delete", "insert", "swap", "cut")
WAYS: Final = ("same_places", "fewer_places", "own_log", "own_log_borrowed")
"""What the forger does about the log: names the true places, leaves rows out of it, or makes a log
of the forged rows that the hub signs, without co-signatures or with those of the true one."""

Row = tuple[str, dict[str, Any], str]
Place = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Truth:
    """The record as it was: the room's rows, and the log over them and the hub's."""

    rows: tuple[Row, ...]
    leaves: tuple[bytes, ...]
    places: dict[int, Place]
    note: Note


def stream_of(rows: Sequence[Row], key: Key = ROOM) -> Recorder:
    """The room's stream with these rows behind its beginning; counted and sealed as it goes."""
    made = Recorder(CTL, EPOCH1, key)
    made.open()
    for kind, data, session in rows:
        if kind == ROOM_TYPE:
            made.counted()
        else:
            made.write(kind, data, session)
    for first in range(1, made.seq + 1, BATCH):
        made.seal(first, min(first + BATCH - 1, made.seq))
    return made


@cache
def hub() -> Recorder:
    """The hub's stream, which nobody changes here."""
    return hub_stream()


@cache
def truth() -> Truth:
    """A record of `ENTRIES` rows in all, and its log, co-signed by home and guest."""
    rows: list[Row] = [("session.prepared", {"booking": "2026-1124-01"}, SESSION)]
    rows += [("media.segment", segment_data(one), "") for one in SEGMENTS]
    ends: list[Row] = [
        ("phase.changed", {"from": "signing", "to": "ended"}, SESSION),
        (ROOM_TYPE, {}, SESSION),
    ]
    left = ENTRIES - len(hub().lines) - len(rows) - len(ends) - 1
    rows += [("clarification", {"n": n}, SESSION) for n in range(left)] + ends
    places, leaves = _log(stream_of(rows))
    return Truth(tuple(rows), tuple(leaves), places, _note(leaves, signed=True))


def _log(room: Recorder) -> tuple[dict[int, Place], list[bytes]]:
    """Every row in the order of storing: the hub's rows among the room's."""
    streams = [
        [((one.ctl, one.epoch, seq), event_hash(line)) for seq, line in one.lines.items()]
        for one in (room, hub())
    ]
    every, own = streams[0], streams[1]
    for n, row in enumerate(own):
        every.insert(min(50 + n * 100, len(every)), row)
    leaves = [leaf_hash(log_entry(*place, digest)) for place, digest in every]
    return {n: place for n, (place, _) in enumerate(every)}, leaves


def _note(leaves: Sequence[bytes], *, signed: bool) -> Note:
    tree = CompactRange()
    tree.extend(leaves)
    point = Checkpoint(origin_name(HUB, 1), len(leaves), tree.root())
    note = sign_checkpoint(point, public=HUB_KEY.pub, sign=HUB_KEY.private.sign)
    if not signed:
        return note
    lines = [
        cosign(point, name=ctl, public=key.pub, time_s=1_800_000_000, sign=key.private.sign)
        for ctl, key in ((HOME_CTL, HOME_WITNESS), (CTL, ROOM))
    ]
    return joined(note, lines)


def proof(known: dict[int, Place], leaves: Sequence[bytes]) -> list[bytes]:
    """One proof for these places of a log."""
    tree, nodes = CompactRange(), {(0, at): leaf for at, leaf in enumerate(leaves)}
    nodes.update({(level, at): made for level, at, made in tree.extend(leaves)})
    return joint_proof(known, len(leaves), lambda level, at: nodes[level, at])


@dataclass(slots=True)
class Forger:
    """Rewrites the record and packs it again.

    `key`: of the venue, `room`: of the room; those of the trust file, or fresh ones.
    """

    way: str
    key: Key = GUEST
    room: Key = ROOM
    _true: Truth = field(default_factory=truth)

    def package(self, rows: Sequence[Row]) -> dict[str, bytes]:
        """The whole package around these rows."""
        made = stream_of(rows, self.room)
        files = {**_frame(), **made.files(), **hub().files(), **self._log_files(made)}
        return bag(files, key=self.key)

    def _log_files(self, made: Recorder) -> dict[str, bytes]:
        true, own = self._true, {(CTL, EPOCH1, seq) for seq in made.lines}
        own |= {(one.ctl, one.epoch, seq) for one in (hub(),) for seq in one.lines}
        note, leaves = true.note, true.leaves
        places = {n: place for n, place in true.places.items() if place in own}
        if self.way == "fewer_places":
            _, forged = _log(made)
            same = {place for n, place in _log(made)[0].items() if forged[n] in set(leaves)}
            places = {n: place for n, place in places.items() if place in same}
        elif self.way.startswith("own_log"):
            places, forged = _log(made)
            bare = _note(forged, signed=False)
            note = bare if self.way == "own_log" else joined(bare, true.note.signatures[1:])
            leaves = tuple(forged)
        return {
            CHECKPOINT: note.encode(),
            LOG_PLACES: make.log_places(places),
            LOG_PROOF: make.log_proof(proof(places, leaves)),
        }


@cache
def _frame() -> dict[str, bytes]:
    """Every file of the sample but its streams."""
    return {name: raw for name, raw in payload().items() if not name.startswith("data/streams/")}


def changed(rows: Sequence[Row], kind: str, at: int) -> list[Row]:
    """The rows with one of them changed, left out, put in, swapped with the next, or cut there."""
    new, found = ("clarification", {"n": -1}, SESSION), list(rows)
    acts: dict[str, Callable[[], list[Row]]] = {
        "edit": lambda: [*found[:at], _edited(found[at]), *found[at + 1 :]],
        "delete": lambda: [*found[:at], *found[at + 1 :]],
        "insert": lambda: [*found[:at], new, *found[at:]],
        "swap": lambda: [*found[:at], *found[at : at + 2][::-1], *found[at + 2 :]],
        "cut": lambda: [*found[:at], *found[-2:]],
    }
    return acts[kind]()


def _edited(row: Row) -> Row:
    return row[0], {**row[1], "n": -2}, row[2]


def verdict(files: dict[str, bytes]) -> Report:
    """What the package's program says of it, with the trust file that pins the witnesses."""
    return verify_package(MemoryFiles(files), trust().encode(), "en")

"""The sample package in a log of a thousand rows, with two pinned witnesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from protocols.evidence import package as make
from protocols.evidence.checkpoint import (
    Checkpoint,
    NoteSignature,
    cosign,
    joined,
    log_entry,
    origin_name,
    sign_checkpoint,
)
from protocols.evidence.merkle import CompactRange, joint_proof, leaf_hash
from protocols.evidence.verifier import (
    CHECKPOINT,
    LOG_PLACES,
    LOG_PROOF,
    MemoryFiles,
    Report,
    verify_package,
)
from protocols.messages.event import event_hash
from protocols.messages.trust import TrustFile, WitnessKey
from tests.protocols.evidence.sample_package import (
    Recorder,
    bag,
    hub_stream,
    payload,
    room,
)
from tests.protocols.messages.wire_keys import CTL, HUB, HUB_KEY, ROOM, Key, trust_file

HOME_CTL, HOME_WITNESS = "c-00000000ffff", Key("home witness controller")
SIZE = 1_000
FIRST = 100
"""Where the package's rows begin in the log, in three portions with others between."""


def trust(*, checkpoint: str = "cosigned", **more) -> TrustFile:
    """A trust file that pins the home's and the guest's controller."""
    pinned = (
        WitnessKey("hubei", HOME_CTL, HOME_WITNESS.kid, HOME_WITNESS.pub.hex()),
        WitnessKey("changsha", CTL, ROOM.kid, ROOM.pub.hex()),
    )
    return replace(trust_file(**more), checkpoint=checkpoint, witnesses=pinned)


Place = tuple[str, str, int]


def recorded() -> dict[Place, str]:
    """Every row of the sample's streams and its hash."""
    streams: Sequence[Recorder] = (*room(), hub_stream())
    return {
        (one.ctl, one.epoch, seq): event_hash(line)
        for one in streams
        for seq, line in one.lines.items()
    }


@dataclass
class Log:
    """A log of `SIZE` rows: the sample's, and rows of others."""

    places: dict[int, Place] = field(default_factory=dict)
    leaves: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Puts the sample's rows in."""
        rows = list(recorded().items())
        for n in range(SIZE):
            at, odd = divmod(n - FIRST, 2)
            mine = at if n >= FIRST and odd == 0 and at < len(rows) else -1
            if mine >= 0:
                place, digest = rows[mine]
                self.places[n] = place
                self.leaves.append(leaf_hash(log_entry(*place, digest)))
            else:
                self.leaves.append(leaf_hash(b"other %d" % n))

    def files(
        self,
        *,
        signers: Sequence[tuple[str, Key]] = ((HOME_CTL, HOME_WITNESS), (CTL, ROOM)),
        key: Key = HUB_KEY,
        n: int = 1,
        places: dict[int, Place] | None = None,
        more: Sequence[NoteSignature] = (),
    ) -> dict[str, bytes]:
        """The three files of a package."""
        known = self.places if places is None else places
        tree, nodes = CompactRange(), {(0, at): leaf for at, leaf in enumerate(self.leaves)}
        done = tree.extend(self.leaves)
        nodes.update({(level, at): made for level, at, made in done})
        point = Checkpoint(origin_name(HUB, n), len(self.leaves), tree.root())
        note = sign_checkpoint(point, public=key.pub, sign=key.private.sign)
        lines = [
            cosign(point, name=ctl, public=one.pub, time_s=1_800_000_000, sign=one.private.sign)
            for ctl, one in signers
        ]
        proof = joint_proof(known, len(self.leaves), lambda level, at: nodes[level, at])
        return {
            CHECKPOINT: joined(note, [*lines, *more]).encode(),
            LOG_PLACES: make.log_places(known),
            LOG_PROOF: make.log_proof(proof),
        }


def checked(files: dict[str, bytes], *, by: TrustFile | None = None, record=None) -> Report:
    """The verdict on the sample with these files of the log beside it."""
    whole = {**(record or payload()), **files}
    raw = (by or trust()).encode()
    return verify_package(MemoryFiles(bag(whole)), raw, "en")

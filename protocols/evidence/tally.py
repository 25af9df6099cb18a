"""How many rows of a session a recorder holds, said in its own stream before anyone hands it over.

A package lists the hash of every row and shows only those of its session. Without a count by the
recorder itself nobody could tell a row of another session from one that a venue would rather not
show. So a room writes `session.sealed` when the session closes, and the hub `record.closed` when
it packs; both say, per epoch, how many rows there are from the session's first on and a digest
over their numbers. The verifier counts again and has its own copy of `digest_of`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

ROOM_TYPE: Final = "session.sealed"
"""A room's count: rows of the session and shared rows since its first `session.prepared`."""
HUB_TYPE: Final = "record.closed"
"""The hub's count for one package: rows of the session in its own stream."""
EPOCHS_TOLD_MAX: Final = 64
"""Epochs one event names: 64 of 170 bytes stay below its 16 KiB; a day has one to three."""


@dataclass(frozen=True, slots=True)
class EpochTally:
    """One epoch's rows: first and last seq, how many are counted, and `digest_of` their seqs."""

    epoch: str
    first: int
    last: int
    rows: int
    digest: str


def digest_of(seqs: Iterable[int]) -> str:
    """SHA-256 in hex over the numbers in ascending order, each in decimal with a line feed."""
    return hashlib.sha256("".join(f"{seq}\n" for seq in sorted(seqs)).encode("ascii")).hexdigest()


def tally(rows: Iterable[tuple[str, int]]) -> dict[str, Any]:
    """The data of a count: `{epochs: [{epoch, first, last, rows, digest}], untold}`.

    Args:
        rows: (epoch, seq) of every row counted, in the order they were written.

    Returns:
        The newest `EPOCHS_TOLD_MAX` epochs, oldest first; `untold` says how many came before.
    """
    epochs: dict[str, list[int]] = {}
    for epoch, seq in rows:
        epochs.setdefault(epoch, []).append(seq)
    told = list(epochs.items())[-EPOCHS_TOLD_MAX:]
    return {
        "epochs": [
            {
                "epoch": epoch,
                "first": min(seqs),
                "last": max(seqs),
                "rows": len(seqs),
                "digest": digest_of(seqs),
            }
            for epoch, seqs in told
        ],
        "untold": len(epochs) - len(told),
    }


def read_tally(data: object) -> tuple[EpochTally, ...]:
    """The epochs of a count as far as they can be read; what cannot counts as not said."""
    rows = data.get("epochs") if isinstance(data, dict) else None
    found = []
    for row in rows if isinstance(rows, list) else ():
        one = row if isinstance(row, dict) else {}
        numbers = [one.get(key) for key in ("first", "last", "rows")]
        texts = [one.get(key) for key in ("epoch", "digest")]
        if {type(n) for n in numbers} == {int} and {type(text) for text in texts} == {str}:
            found.append(
                EpochTally(
                    epoch=one["epoch"],
                    first=one["first"],
                    last=one["last"],
                    rows=one["rows"],
                    digest=one["digest"],
                )
            )
    return tuple(found)

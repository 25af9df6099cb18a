"""What a package takes from the log: a checkpoint with its co-signatures, places, one proof.

All rows of the package are proven together, those listed by their hash only too: a joint proof of
neighbours is hardly longer than that of one row, and nothing rests on who may see what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from hub.store.tables_core import events
from hub.store.tables_log import log_checkpoint, log_cosignature, log_witness
from hub.transparency import tree
from protocols.evidence.checkpoint import Note, joined, parse_note
from protocols.evidence.merkle import joint_proof
from protocols.evidence.package import log_places, log_proof
from protocols.evidence.verifier import CHECKPOINT, LOG_PLACES, LOG_PROOF

Rows = Mapping[tuple[str, str], Iterable[int]]
"""(ctl, epoch) -> seqs of the rows a package lists."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint with all its co-signatures, and the organisations that gave them."""

    note: Note
    orgs: frozenset[str]

    def by_both(self, home: str) -> bool:
        """Whether the home and a guest co-signed it."""
        return home in self.orgs and bool(self.orgs - {home})


def files(conn: Connection, rows: Rows, *, home: str) -> dict[str, bytes]:
    """The three files of a package, by name; none before the first checkpoint."""
    log = tree.load(conn)
    if log is None:
        return {}
    places = _places(conn, log, rows)
    chosen = _chosen(conn, log.origin, above=max(places, default=0), home=home)
    if chosen is None:
        return {}
    size = chosen.note.checkpoint.size
    covered = {index: place for index, place in places.items() if index < size}
    proof = joint_proof(covered, size, tree.Nodes(conn, log.origin))
    return {
        CHECKPOINT: chosen.note.encode(),
        LOG_PLACES: log_places(covered),
        LOG_PROOF: log_proof(proof),
    }


def newest(conn: Connection) -> Signed | None:
    """The newest checkpoint of the newest log, with its co-signatures."""
    log = tree.load(conn)
    return None if log is None else next(iter(_signed(conn, log.origin, above=-1)), None)


def _chosen(conn: Connection, origin: int, *, above: int, home: str) -> Signed | None:
    """The newest that covers every row and that both sides co-signed, else the newest of all."""
    covering = _signed(conn, origin, above=above)
    both = [one for one in covering if one.by_both(home)]
    return next(iter(both or covering or _signed(conn, origin, above=-1)), None)


def _signed(conn: Connection, origin: int, *, above: int) -> list[Signed]:
    lines: dict[int, list[tuple[str, bytes]]] = {}
    for row in conn.execute(
        select(log_cosignature.c.size, log_cosignature.c.line, log_witness.c.org)
        .join(log_witness, log_witness.c.ctl == log_cosignature.c.ctl)
        .where(log_cosignature.c.origin == origin, log_cosignature.c.size > above)
        .order_by(log_cosignature.c.ctl)
    ):
        lines.setdefault(int(row.size), []).append((row.org, bytes(row.line)))
    notes = conn.execute(
        select(log_checkpoint.c.size, log_checkpoint.c.note)
        .where(log_checkpoint.c.origin == origin, log_checkpoint.c.size > above)
        .order_by(log_checkpoint.c.size.desc())
    )
    return [_with(bytes(row.note), lines.get(int(row.size), [])) for row in notes]


def _with(raw: bytes, lines: list[tuple[str, bytes]]) -> Signed:
    note = parse_note(raw)
    text = note.checkpoint.text + b"\n"
    more = [parse_note(text + line).signatures[0] for _, line in lines]
    return Signed(joined(note, more), frozenset(org for org, _ in lines))


def _places(conn: Connection, log: tree.Growing, rows: Rows) -> dict[int, tuple[str, str, int]]:
    """Index in the log -> row, for the rows that are in it."""
    ids: dict[int, tuple[str, str, int]] = {}
    for (ctl, epoch), given in rows.items():
        seqs = set(given)
        if not seqs:
            continue
        found = conn.execute(
            select(events.c.id, events.c.seq).where(
                events.c.ctl == ctl,
                events.c.epoch == epoch,
                events.c.seq.between(min(seqs), max(seqs)),
            )
        )
        ids.update({int(row.id): (ctl, epoch, int(row.seq)) for row in found if row.seq in seqs})
    return {index: ids[one] for one, index in tree.indexes_of(conn, log, ids).items()}

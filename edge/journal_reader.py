"""What can be asked of the journal without writing to it: rows to send, proofs, replay.

The uplink's thread has a reader of its own over a read-only connection; the writer is a reader too.
A row whose bytes no longer match their hash or their place is never given out.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.clock import iso_ms
from edge.journal_file import ConnectionPort
from protocols.messages.event import GENESIS, Event, decode_event, event_hash

REPLAY_PAGE = 500  # rows held while replaying: the writer is never kept waiting
# Proofs of where an epoch begins, of what is missing and of what the hub has more stay for ever.
KEPT_TYPES = ("epoch.opened", "record.gap", "journal.rolled_back")
KV_PRUNED = "pruned:"  # before an epoch: which of its rows were deleted
BEGIN_BYTES = 128  # of a line: version, controller, epoch and seq stand in it (WIRE §4)
ROTTEN_MAX = 1_000  # rotten rows named one by one; more are one damaged store


@dataclass(frozen=True, slots=True)
class Row:
    """One event as stored: `line` is its bytes without LF, `hash` their SHA-256 in hex.

    The last three stand in a row just written only: when it was, and whether the clock was trusted.
    """

    epoch: str
    seq: int
    hash: str
    line: bytes
    mono_ms: int = 0
    at: str = ""
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class EpochInfo:
    """One start of the writer. `first` is the lowest seq still kept, `last + 1` when none is."""

    epoch: str
    first: int
    last: int
    last_hash: str
    pred_epoch: str
    pred_seq: int
    pred_hash: str
    cause: str
    acked: int


@dataclass(slots=True)
class JournalReader:
    """Everything that can be asked of a journal without writing to it; for one thread."""

    path: Path
    port: ConnectionPort
    rotten: list[tuple[str, int]] = field(default_factory=list, init=False)

    def epochs(self) -> list[EpochInfo]:
        """All epochs, oldest first. Never pruned."""
        rows = self.port.execute(
            "SELECT epoch, COALESCE((SELECT MIN(seq) FROM event WHERE event.n = epoch.n), last + 1)"
            ", last, last_hash, pred_epoch, pred_seq, pred_hash, cause, acked FROM epoch ORDER BY n"
        )
        return [EpochInfo(*row) for row in rows]

    def rows(
        self, epoch: str, first: int, limit_events: int = 64, limit_bytes: int = 128 * 1024
    ) -> list[Row]:
        """Unbroken rows of one epoch from `first` on, as a batch would carry them.

        Args:
            epoch: 32 hex digits.
            first: seq of the first row wanted.
            limit_events: at most this many rows.
            limit_bytes: at most this many bytes with one LF each, but always one row if there.

        Returns:
            Rows up to the first hole or rotten row; empty when `first` cannot be served.
        """
        found: list[Row] = []
        size = 0
        begins = f'"epoch":"{epoch}","seq":'
        for seq, line, digest in self.port.execute(
            "SELECT seq, line, hash FROM event WHERE n = (SELECT n FROM epoch WHERE epoch = ?)"
            " AND seq >= ? ORDER BY seq LIMIT ?",
            (epoch, first, limit_events),
        ):
            size += len(line) + 1
            if seq != first + len(found) or (found and size > limit_bytes):
                break
            # A damaged index leads to sound bytes of another place.
            its_own = f"{begins}{seq},".encode() in line[:BEGIN_BYTES]
            if not its_own or event_hash(line) != digest:
                self._note_rotten(epoch, seq)
                break
            found.append(Row(epoch, seq, digest, line))
        return found

    def read_back(self, epoch: str, seq: int) -> Row | None:
        """One row whose bytes still match their hash; None when rotten, pruned or never written."""
        rows = self.rows(epoch, seq, limit_events=1)
        return rows[0] if rows else None

    def row_hash(self, epoch: str, seq: int) -> str | None:
        """The hash of a row, also of an epoch's pruned last one; `GENESIS` for seq 0."""
        about = self.port.execute("SELECT n, last, last_hash FROM epoch WHERE epoch = ?", (epoch,))
        if not about:
            return None
        n, last, last_hash = about[0]
        if seq == 0:
            return GENESIS
        if seq == last:
            return str(last_hash)
        rows = self.port.execute("SELECT hash FROM event WHERE n = ? AND seq = ?", (n, seq))
        return str(rows[0][0]) if rows else None

    def gap_end(self, epoch: str, seq: int) -> int | None:
        """The last seq of the hole that begins at `seq`; None when `seq` can be served."""
        info = next((one for one in self.epochs() if one.epoch == epoch), None)
        if info is None or seq > info.last or self.read_back(epoch, seq) is not None:
            return None
        after = self.port.execute(
            "SELECT seq FROM event WHERE n = (SELECT n FROM epoch WHERE epoch = ?) AND seq > ?"
            " ORDER BY seq",
            (epoch, seq),
        )
        sound = (row[0] for row in after if self.read_back(epoch, row[0]) is not None)
        return next(sound, info.last + 1) - 1

    def hole(self, epoch: str, seq: int) -> tuple[int, str] | None:
        """The last seq of the hole of one cause that begins at `seq`, and the cause.

        Returns:
            `pruned` where this journal deleted the rows, `rotten` where they no longer match their
            hash, `lost` where they are missing; None when `seq` can be served.
        """
        end = self.gap_end(epoch, seq)
        if end is None:
            return None
        there = self.port.execute(
            "SELECT seq FROM event WHERE n = (SELECT n FROM epoch WHERE epoch = ?)"
            " AND seq BETWEEN ? AND ?",
            (epoch, seq, end),
        )
        rotten, pruned = {row[0] for row in there}, self.pruned(epoch)

        def cause(at: int) -> str:
            if at in rotten:
                return "rotten"
            return "pruned" if any(first <= at <= last for first, last in pruned) else "lost"

        why = cause(seq)
        return next((at - 1 for at in range(seq + 1, end + 1) if cause(at) != why), end), why

    def pruned(self, epoch: str) -> list[tuple[int, int]]:
        """(first, last) of every stretch of rows that `prune` deleted in one epoch, ascending."""
        return [
            (first, last) for first, last in json.loads(self.kv_get(KV_PRUNED + epoch) or b"[]")
        ]

    def gaps(self) -> list[tuple[str, int, int]]:
        """(epoch, first, last) of every hole this journal has declared; they are never pruned."""
        return [
            (str(data["epoch"]), int(data["from"]), int(data["to"]))
            for data in self._said("record.gap")
        ]

    def gap_row(self, epoch: str, first: int) -> Row | None:
        """The newest sound row that declares the hole from `first` on; None where none does."""
        for named, seq, line, digest in self.port.execute(
            "SELECT epoch.epoch, event.seq, event.line, event.hash"
            " FROM event JOIN epoch ON epoch.n = event.n"
            " WHERE event.type = 'record.gap' ORDER BY event.id DESC"
        ):
            if event_hash(line) != digest:
                continue
            data = decode_event(line).data
            if (data["epoch"], data["from"]) == (epoch, first):
                return Row(str(named), int(seq), str(digest), bytes(line))
        return None

    def rolled_back(self) -> list[str]:
        """Epochs of which this journal has said that the hub has more than it."""
        return [str(data["epoch"]) for data in self._said("journal.rolled_back")]

    def acked(self, epoch: str) -> int:
        """How far the hub has this epoch, 0 when nothing or unknown."""
        rows = self.port.execute("SELECT acked FROM epoch WHERE epoch = ?", (epoch,))
        return int(rows[0][0]) if rows else 0

    def cursor(self) -> tuple[str, int]:
        """(epoch, acked) of the oldest epoch with rows to send, else of the newest epoch."""
        rows = self.port.execute("SELECT epoch, acked FROM epoch WHERE acked < last ORDER BY n")
        if not rows:
            rows = self.port.execute("SELECT epoch, acked FROM epoch ORDER BY n DESC LIMIT 1")
        return (str(rows[0][0]), int(rows[0][1])) if rows else ("", 0)

    def outbox(self) -> int:
        """How many rows the hub has not acknowledged."""
        return int(self.port.execute("SELECT COALESCE(SUM(last - acked), 0) FROM epoch")[0][0])

    def replay(self, after: tuple[str, int] | None = None) -> Iterator[Event]:
        """All kept events in order of writing, or those after (epoch, seq).

        A row that no longer matches its hash is left out and named in `rotten`.
        """
        position = 0
        if after is not None:
            found = self.port.execute(
                "SELECT COALESCE(MAX(event.id), 0) FROM event JOIN epoch USING (n) WHERE event.n <="
                " (SELECT n FROM epoch WHERE epoch = ?) AND (epoch.epoch != ? OR seq <= ?)",
                (after[0], after[0], after[1]),
            )
            position = found[0][0]
        page = "SELECT id, epoch, seq, line, hash FROM event JOIN epoch USING (n) WHERE id > ?"
        while rows := self.port.execute(f"{page} ORDER BY id LIMIT ?", (position, REPLAY_PAGE)):
            position = rows[-1][0]
            for _, epoch, seq, line, digest in rows:
                if event_hash(line) == digest:
                    yield decode_event(line)
                else:
                    self._note_rotten(epoch, seq)

    def session_rows(self, session: str) -> list[tuple[str, int]]:
        """(epoch, seq) of a session's rows and of shared ones since it was prepared, in order."""
        mine = (session, session)
        return self.port.execute(
            "SELECT epoch, seq FROM event JOIN epoch USING (n) WHERE session IN ('', ?) AND id >="
            " (SELECT MIN(id) FROM event WHERE session = ? AND type = 'session.prepared')"
            " ORDER BY id",
            mine,
        )

    def prunable(
        self, *, done: Collection[str], idle: Collection[str], older_than: datetime
    ) -> list[int]:
        """Ids of the rows that may go (WIRE §4), oldest first; reads the whole file once.

        A shared row belongs to every session that was there: it goes once it is older than all
        rows of sessions that are not done. Rows stamped with an untrusted clock go only when a
        later trusted row is old enough.

        Args:
            done: sessions that are closed and receipted.
            idle: sessions that never began; their few rows stay and hold nothing up.
            older_than: now minus `keep_days`.
        """
        before, kept = iso_ms(older_than), ", ".join("?" * len(KEPT_TYPES))
        marks, others = ", ".join("?" * len(done)), ", ".join("?" * (len(done) + len(idle)))
        return [
            row[0]
            for row in self.port.execute(
                f"SELECT id FROM event WHERE type NOT IN ({kept})"  # noqa: S608 - only marks
                " AND id <= (SELECT MAX(id) FROM event WHERE trusted = 1 AND at < ?)"
                " AND (trusted = 0 OR at < ?)"
                f" AND (session IN ({marks}) OR session = '' AND id < (SELECT"
                " COALESCE(MIN(id), 9e18) FROM event"
                f" WHERE session != '' AND session NOT IN ({others})))"
                " AND seq <= (SELECT acked FROM epoch WHERE n = event.n) ORDER BY id",
                (*KEPT_TYPES, before, before, *done, *done, *idle),
            )
        ]

    def kv_get(self, key: str) -> bytes | None:
        """Small durable state by name."""
        rows = self.port.execute("SELECT value FROM kv WHERE key = ?", (key,))
        return bytes(rows[0][0]) if rows else None

    def result_get(self, command: str) -> bytes | None:
        """What a command answered when it was carried out; None when it was not."""
        rows = self.port.execute("SELECT value FROM result WHERE id = ?", (command,))
        return bytes(rows[0][0]) if rows else None

    def close(self) -> None:
        """Closes the file; twice is once."""
        self.port.close()

    def session_said(self, session: str, kind: str) -> list[Mapping[str, Any]]:
        """Data of every sound event of this type of one session, oldest first."""
        return [
            decode_event(line).data
            for line, digest in self.port.execute(
                "SELECT line, hash FROM event WHERE session = ? AND type = ? ORDER BY id",
                (session, kind),
            )
            if event_hash(line) == digest
        ]

    def _said(self, kind: str) -> list[Mapping[str, Any]]:
        """Data of every sound event of this type, oldest first."""
        return [
            decode_event(line).data
            for line, digest in self.port.execute(
                "SELECT line, hash FROM event WHERE type = ? ORDER BY id", (kind,)
            )
            if event_hash(line) == digest
        ]

    def _note_rotten(self, epoch: str, seq: int) -> None:
        if (epoch, seq) not in self.rotten and len(self.rotten) < ROTTEN_MAX:
            self.rotten.append((epoch, seq))

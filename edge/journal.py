"""The room's journal: what was said or moved is on the disk here first, and stays as it is.

Rules of this file (WIRE §4, §6; DESIGN §6.5):

* `append` returns after the disk has it. What raised is not in the file.
* Each start of the writer is a new epoch, whose first row names the tip before it. Nothing is ever
  written behind a row once written, so a restored or copied card shows as a branch.
* An acknowledgement moves a cursor and deletes nothing. `prune` deletes, by the rules of keeping
  (`edge.keeping`), and says so.
* A row that no longer matches its hash is never served. `gap_end` says how far the hole goes and
  `write_gap` records it, in a new epoch, so that the hub can go on.
* One thread owns the writer. Another thread reads through `reader()`, which cannot write.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from edge.clock import iso_ms
from edge.journal_file import (
    Connect,
    ConnectionPort,
    CorruptError,
    DiskFullError,
    JournalError,
    Lock,
    Salvage,
    StorageError,
    connect_reader,
    connect_sqlite,
    find_damage,
    make_durable,
    migrate,
    read_salvage,
    restore,
    set_aside,
)
from edge.journal_reader import KV_PRUNED, EpochInfo, JournalReader, Row
from protocols.evidence.tally import ROOM_TYPE, tally
from protocols.messages.errors import LocalError
from protocols.messages.event import (
    EVENT_VERSION,
    GENESIS,
    Event,
    decode_event,
    encode_chain,
)

__all__ = [
    "CorruptError",
    "DiskFullError",
    "EpochInfo",
    "Journal",
    "JournalError",
    "JournalReader",
    "LocalError",
    "Row",
    "StorageError",
]

EPOCH_BYTES = 16  # 128 bits: two rooms, or two starts, never draw the same
RECORDS_MAX = 256  # one transaction; a step of the room makes a handful
VALUE_BYTES_MAX = 4 * 1024 * 1024  # a plan with its policy and certificates is far below
PRUNED_MAX = 500  # rows deleted in one transaction: a fraction of a second on a slow card


class Draft(Protocol):
    """What the room wants recorded; the journal adds identity, order and time."""

    @property
    def type(self) -> str: ...
    @property
    def session(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


class ClockPort(Protocol):
    """The clock a journal stamps with; `edge.clock.Clock` is one."""

    def mono_ms(self) -> int: ...
    def wall(self) -> datetime: ...
    def trust(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Own:
    """A record of the journal's own making."""

    type: str
    session: str
    data: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Journal(JournalReader):
    """The one writer. Made by `Journal.open`, used by the thread that opened it."""

    ctl: str
    boot: str
    clock: ClockPort
    entropy: Callable[[int], bytes]
    lock: Lock
    salvaged_as: Path | None = None
    epoch: str = field(default="", init=False)
    seq: int = field(default=0, init=False)
    head: str = field(default=GENESIS, init=False)
    _n: int = field(default=0, init=False)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        ctl: str,
        boot: str,
        clock: ClockPort,
        entropy: Callable[[int], bytes],
        connect: Connect = connect_sqlite,
    ) -> Journal:
        """Opens or creates the journal and begins a new epoch.

        Args:
            path: the SQLite file; its folder exists and is on a local file system.
            ctl: this controller's id, `c-` and 12 hex.
            boot: the kernel's boot id.
            clock: stamps rows.
            entropy: n random bytes, as `os.urandom`.
            connect: how SQLite is reached.

        Raises:
            StorageError: not durable, not writable, or written by another process.
        """
        lock = Lock(path.with_name(f"{path.name}.lock"))
        port: ConnectionPort | None = None
        try:
            found = read_salvage(set_aside(path)) if find_damage(path) else None
            migrate(path)
            port = connect(path)
            make_durable(port, path)
            if found is not None:
                restore(port, with_epochs(found))
            journal = cls(
                path,
                port,
                ctl=ctl,
                boot=boot,
                clock=clock,
                entropy=entropy,
                lock=lock,
                salvaged_as=None if found is None else found.kept_as,
            )
            journal.open_epoch("start" if found is None else "salvage")
        except BaseException:
            # Also when a person ends it here. On a full disk this is tried again each second, and
            # a connection left open each time would use up the handles of the process.
            if port is not None:
                port.close()
            lock.release()
            raise
        return journal

    def open_epoch(self, cause: str, then: Sequence[Draft] = ()) -> list[Row]:
        """Begins a new epoch and writes its first row, and `then` behind it, in one transaction.

        Args:
            cause: `start`, `salvage`, `gap` or `reopen`.
            then: records that belong to the beginning.
        """
        newest = self.port.execute(
            "SELECT n, epoch, last, last_hash FROM epoch ORDER BY n DESC LIMIT 1"
        )
        n, pred_epoch, pred_seq, pred_hash = newest[0] if newest else (0, "", 0, GENESIS)
        opened = Own(
            "epoch.opened",
            "",
            {
                "pred_epoch": pred_epoch,
                "pred_seq": pred_seq,
                "pred_hash": pred_hash,
                "cause": cause,
            },
        )
        epoch = self.entropy(EPOCH_BYTES).hex()
        rows = self._chain([opened, *then], epoch, 0, pred_hash)
        with self._transaction():
            self.port.execute(
                "INSERT INTO epoch (n, epoch, last, last_hash, pred_epoch, pred_seq, pred_hash,"
                " cause) VALUES (?, ?, 0, ?, ?, ?, ?, ?)",
                (n + 1, epoch, pred_hash, pred_epoch, pred_seq, pred_hash, cause),
            )
            self._insert(n + 1, rows, [opened, *then])
        self.epoch, self._n = epoch, n + 1
        self.seq, self.head = rows[-1].seq, rows[-1].hash
        return rows

    def append(
        self,
        records: Sequence[Draft],
        *,
        kv: Mapping[str, bytes] | None = None,
        results: Mapping[str, bytes] | None = None,
    ) -> list[Row]:
        """Writes records, and the small state that goes with them, in one transaction.

        Args:
            records: in order; none is fine.
            kv: small durable state that becomes true with them.
            results: answers of commands by command id, kept as they are.

        Returns:
            The rows as stored, durable.

        Raises:
            LocalError: a record over 16 KiB or not JSON; nothing is written.
            DiskFullError, StorageError: the disk; nothing is written.
        """
        if not (records or kv or results):
            return []
        if len(records) > RECORDS_MAX:
            raise LocalError(
                "too many records for one transaction",
                where="journal.append",
                expected=f"at most {RECORDS_MAX}",
                got=len(records),
            )
        records = self._counted(records)
        rows = self._chain(records, self.epoch, self.seq, self.head)
        for key, value in (results or {}).items():
            _must_fit(key, value)
        with self._transaction():
            if rows:
                self._insert(self._n, rows, records)
            self._put(kv or {})
            if results:
                at = iso_ms(self.clock.wall())
                self.port.executemany(
                    "INSERT OR REPLACE INTO result VALUES (?, ?, ?)",
                    [(command, value, at) for command, value in results.items()],
                )
        if rows:
            self.seq, self.head = rows[-1].seq, rows[-1].hash
        return rows

    def write_gap(self, epoch: str, from_: int, to: int, cause: str) -> list[Row]:
        """Names a hole: a new epoch with `record.gap` behind its opening."""
        lost = {"epoch": epoch, "from": from_, "to": to, "cause": cause}
        return self.open_epoch("gap", [Own("record.gap", "", lost)])

    def set_cursor(self, epoch: str, upto: int, *, kv: Mapping[str, bytes] | None = None) -> None:
        """Moves the hub's position in one epoch, forward or (rewind) back. Deletes nothing.

        Args:
            epoch: 32 hex digits.
            upto: the last seq the hub has.
            kv: small durable state that becomes true with it.

        Raises:
            LocalError: no such epoch, or beyond its last row.
        """
        info = next((one for one in self.epochs() if one.epoch == epoch), None)
        if info is None or not 0 <= upto <= info.last:
            expected = "a known epoch" if info is None else f"0 to {info.last}"
            raise LocalError(
                "the cursor leaves the journal", where=f"epoch {epoch}", expected=expected, got=upto
            )
        with self._transaction():
            self.port.execute("UPDATE epoch SET acked = ? WHERE epoch = ?", (upto, epoch))
            self._put(kv or {})

    def kv_put(self, key: str, value: bytes) -> None:
        """Writes small durable state, on the disk on return."""
        self.append((), kv={key: value})

    def kv_wipe(self, key: str, value: bytes) -> None:
        """Writes small state in the place of what held a secret; the old bytes leave the files.

        Freed pages are zeroed by SQLite; the log, which still holds them as they were, is emptied.
        """
        self.kv_put(key, value)
        self.port.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def result_put(self, command: str, value: bytes) -> None:
        """Keeps a command's answer, on the disk on return."""
        self.append((), results={command: value})

    def prune(
        self, ids: Sequence[int], older_than: datetime, *, kv: Mapping[str, bytes]
    ) -> list[Row]:
        """Deletes rows that `prunable` found, and answers as old; what went is on the record.

        Args:
            ids: of rows, at most `PRUNED_MAX`; those the hub asked for again in between stay.
            older_than: now minus `keep_days`.
            kv: what a start needs in the place of the rows; true together with the deletion.

        Returns:
            The row that says how many went; none when nothing did.
        """
        before, marks = iso_ms(older_than), ", ".join("?" * len(ids))
        where = f"id IN ({marks}) AND seq <= (SELECT acked FROM epoch WHERE epoch.n = event.n)"  # noqa: S608
        with self._transaction():
            going = self.port.execute(
                f"SELECT epoch, seq FROM event JOIN epoch USING (n) WHERE {where}",  # noqa: S608
                ids,
            )
            old = int(
                self.port.execute("SELECT COUNT(*) FROM result WHERE at < ?", (before,))[0][0]
            )
            if not (going or old):
                return []
            self._put(self._stretches(going))
            self.port.execute(f"DELETE FROM event WHERE {where}", ids)  # noqa: S608
            self.port.execute("DELETE FROM result WHERE at < ?", (before,))
            said = Own("journal.pruned", "", {"rows": len(going), "answers": old, "before": before})
            rows = self._chain([said], self.epoch, self.seq, self.head)
            self._insert(self._n, rows, [said])
            self._put(kv)
        self.seq, self.head = rows[-1].seq, rows[-1].hash
        return rows

    def _stretches(self, going: Sequence[tuple[str, int]]) -> dict[str, bytes]:
        """Which rows are deleted, with those before: so that a hole has its cause."""
        found: dict[str, bytes] = {}
        for epoch in {epoch for epoch, _ in going}:
            parts = [*self.pruned(epoch), *((seq, seq) for name, seq in going if name == epoch)]
            joined: list[tuple[int, int]] = []
            for first, last in sorted(parts):
                if joined and first <= joined[-1][1] + 1:
                    joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
                else:
                    joined.append((first, last))
            found[KV_PRUNED + epoch] = json.dumps(joined).encode("ascii")
        return found

    def reader(self) -> JournalReader:
        """A reader of its own for the thread that calls this; it cannot write."""
        return JournalReader(self.path, connect_reader(self.path))

    def close(self) -> None:
        """Closes the file and gives it free for another writer; twice is once."""
        self.port.close()
        self.lock.release()

    def _counted(self, records: Sequence[Draft]) -> list[Draft]:
        """The records, with what the journal holds of a session put into its `session.sealed`.

        Only the journal knows every row, also those that the room's state could not use.
        """
        found: list[Draft] = []
        for record in records:
            if record.type != ROOM_TYPE:
                found.append(record)
                continue
            ahead = [
                (self.epoch, self.seq + place)
                for place, one in enumerate(found, start=1)
                if one.session in {"", record.session}
            ]
            counted = tally([*self.session_rows(record.session), *ahead])
            found.append(Own(record.type, record.session, {**record.data, **counted}))
        return found

    def _chain(self, records: Sequence[Draft], epoch: str, seq: int, prev: str) -> list[Row]:
        mono_ms, at, trust = self.clock.mono_ms(), iso_ms(self.clock.wall()), self.clock.trust()
        first = Event(
            v=EVENT_VERSION,
            ctl=self.ctl,
            epoch=epoch,
            seq=seq + 1,
            prev=prev,
            session="",
            boot=self.boot,
            mono_ms=mono_ms,
            at=at,
            at_trust=trust,
            type="",
            data={},
        )
        return [
            Row(epoch, number, hashed, line, mono_ms, at, trust != "none")
            for number, (line, hashed) in enumerate(encode_chain(first, records), start=seq + 1)
        ]

    def _insert(self, n: int, rows: Sequence[Row], records: Sequence[Draft]) -> None:
        self.port.executemany(
            "INSERT INTO event (n, seq, line, hash, session, type, at, trusted)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (n, row.seq, row.line, row.hash, record.session, record.type, row.at, row.trusted)
                for row, record in zip(rows, records, strict=True)
            ],
        )
        self.port.execute(
            "UPDATE epoch SET last = ?, last_hash = ? WHERE n = ?",
            (rows[-1].seq, rows[-1].hash, n),
        )

    def _put(self, kv: Mapping[str, bytes]) -> None:
        for key, value in kv.items():
            _must_fit(key, value)
            self.port.execute("INSERT OR REPLACE INTO kv VALUES (?, ?)", (key, value))

    def _transaction(self) -> _Transaction:
        return _Transaction(self.port)


def _must_fit(key: str, value: bytes) -> None:
    if len(value) > VALUE_BYTES_MAX:
        raise LocalError(
            "the value is too large",
            where=f"journal value {key}",
            expected=f"at most {VALUE_BYTES_MAX} bytes",
            got=f"{len(value)} bytes",
        )


@dataclass(frozen=True, slots=True)
class _Transaction:
    """`BEGIN IMMEDIATE` … `COMMIT`; any error rolls back and goes on to the caller."""

    port: ConnectionPort

    def __enter__(self) -> None:
        self.port.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            try:
                self.port.execute("COMMIT")
            except StorageError:
                self._roll_back()
                raise
        else:
            self._roll_back()

    def _roll_back(self) -> None:
        try:
            self.port.execute("ROLLBACK")
        except StorageError as error:
            # SQLite rolls some failures back by itself and then knows no transaction: that is fine.
            if "no transaction" not in str(error):
                raise


def with_epochs(found: Salvage) -> Salvage:
    """Completes the saved epochs from the saved events, for those whose own row was unreadable."""
    orphans: dict[int, list[Event]] = {}
    for (n, _), row in sorted(found.events.items()):
        if n not in found.epochs:
            orphans.setdefault(n, []).append(decode_event(row[3]))
    for n, events in orphans.items():
        first, last = events[0], events[-1]
        opened = first.data if first.type == "epoch.opened" else {}
        found.epochs[n] = (
            n,
            first.epoch,
            last.seq,
            found.events[n, last.seq][4],
            str(opened.get("pred_epoch", "")),
            int(opened.get("pred_seq", 0)),
            str(opened.get("pred_hash", GENESIS)),
            str(opened.get("cause", "salvage")),
            0,
        )
    return found

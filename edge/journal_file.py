"""The file under the journal: how it is opened, migrated, checked, and saved from when rotten.

Everything here is about one SQLite file. It is refused unless it runs with WAL and
`synchronous=FULL`: measured over thousands of simulated power cuts, only FULL lost nothing. A file
SQLite calls corrupt is never repaired and never deleted: it is kept aside as `<name>.bad-<n>`, and
every row whose hash still holds is copied into a new file.

The journal reaches SQLite through `ConnectionPort` only, so that a simulation can put a disk that
loses its unsynced writes underneath.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

# Another process may be copying the file for a backup; longer than this is a fault, not a wait.
BUSY_MS = 5_000
# After a burst the write-ahead log shrinks back to this, so a full disk is not full of log.
WAL_BYTES_MAX = 64 * 1024 * 1024
# Between two readable ends of a damaged table, rows are tried one by one; a wider hole is given up.
PROBE_ROWS_MAX = 20_000
HASH_DIGITS = 64
HASH = re.compile(rf"[0-9a-f]{{{HASH_DIGITS}}}")
# A store that went bad this often needs a person, not another copy.
BAD_COPIES_MAX = 100
# The index of the log could not be made longer, which is what an opening meets first on a full
# disk; SQLite calls it an input/output error.
SHARED_INDEX_REFUSED = sqlite3.SQLITE_IOERR_SHMSIZE
EPOCH_COLUMNS = "n, epoch, last, last_hash, pred_epoch, pred_seq, pred_hash, cause, acked"
EVENT_COLUMNS = "id, n, seq, line, hash, session, type, at, trusted"


class JournalError(Exception):
    """The journal cannot do what was asked; the text says what, where, expected, got, do."""


class StorageError(JournalError):
    """The disk or SQLite failed; nothing of the refused transaction is in the file."""


class DiskFullError(StorageError):
    """No space: telemetry goes first, the record is tried again; it works again unaided."""


class CorruptError(StorageError):
    """SQLite says the file is not sound."""


Row = tuple[Any, ...]


class ConnectionPort(Protocol):
    """What the journal needs of SQLite: autocommit, statements, rows as tuples.

    Implementations raise `StorageError` or a subclass, never an error of their library.
    """

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Runs one statement and returns all its rows."""
        ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Runs one statement for each set of parameters."""
        ...

    def close(self) -> None:
        """Closes the file; twice is once."""
        ...


def storage_error(error: sqlite3.Error, where: str) -> StorageError:
    """Names a `sqlite3` error in our words."""
    code = getattr(error, "sqlite_errorcode", 0) or 0
    if code == SHARED_INDEX_REFUSED:
        code = sqlite3.SQLITE_FULL
    kind: type[StorageError] = {
        sqlite3.SQLITE_FULL: DiskFullError,
        sqlite3.SQLITE_CORRUPT: CorruptError,
        sqlite3.SQLITE_NOTADB: CorruptError,
    }.get(code & 0xFF, StorageError)
    return kind(f"journal {where}: expected the statement to run, got: {error}")


@dataclass(slots=True)
class SqlitePort:
    """`ConnectionPort` over the standard library's `sqlite3`."""

    path: Path
    connection: sqlite3.Connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Runs one statement and returns all its rows."""
        try:
            return self.connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise storage_error(error, str(self.path)) from error

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Runs one statement for each set of parameters."""
        try:
            self.connection.executemany(sql, parameters)
        except sqlite3.Error as error:
            raise storage_error(error, str(self.path)) from error

    def close(self) -> None:
        """Closes the file; twice is once."""
        self.connection.close()


Connect = Callable[[Path], ConnectionPort]


def text_of(raw: bytes) -> str:
    """What SQLite calls text: a flipped bit makes a row rotten, never the journal unreadable."""
    return raw.decode("utf-8", "replace")


def connect_sqlite(path: Path) -> SqlitePort:
    """Opens a file for writing, in autocommit: every transaction is begun and ended by us.

    The file is its owner's alone, and so are the log and index SQLite keeps beside it: a plan in it
    holds keys that only a PIN protects.
    """
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.text_factory = text_of
    return SqlitePort(path, connection)


def connect_reader(path: Path) -> SqlitePort:
    """Opens a file for reading only, for the thread that calls this."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise storage_error(error, str(path)) from error
    connection.text_factory = text_of
    port = SqlitePort(path, connection)
    port.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    return port


STEPS = ("m001_journal",)
"""Every step of `edge.journal_schema`, so that a file at the newest one is known without it."""


def _is_newest(connection: sqlite3.Connection) -> bool:
    try:
        rows = connection.execute(
            "SELECT name FROM _sqlite_migrations WHERE migration_set = 'journal'"
        ).fetchall()
    except sqlite3.OperationalError:
        return False  # no such table: a new file
    return {row[0] for row in rows} >= set(STEPS)


def migrate(path: Path) -> None:
    """Brings the file to this program's schema, creating it if need be.

    Raises:
        StorageError: the disk failed.
    """
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            if not _is_newest(connection):
                from edge.journal_schema import bring_up  # noqa: PLC0415 - needed once in a life

                bring_up(connection)
            connection.commit()
    except sqlite3.Error as error:
        raise storage_error(error, str(path)) from error
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes names created in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_durable(port: ConnectionPort, path: Path) -> None:
    """Sets WAL and FULL and reads them back.

    Raises:
        StorageError: this SQLite does not take them, so nothing it says "committed" about counts.
    """
    port.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    port.execute("PRAGMA journal_mode = WAL")
    port.execute("PRAGMA synchronous = FULL")
    port.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_MAX}")
    # A wiped key must not stay readable in a page that is free now.
    port.execute("PRAGMA secure_delete = ON")
    mode = port.execute("PRAGMA journal_mode")[0][0]
    synchronous = port.execute("PRAGMA synchronous")[0][0]
    if (mode, synchronous) != ("wal", 2):
        raise StorageError(
            f"journal {path}: expected journal_mode wal and synchronous 2 (FULL), "
            f"got {mode} and {synchronous}. do: put the state folder on a local file system"
        )


@dataclass(slots=True)
class Lock:
    """One writer per journal: held as long as this process lives, released by the kernel."""

    path: Path
    _file: IO[bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Takes the lock.

        Raises:
            StorageError: another process writes this journal.
        """
        self._file = self.path.open("ab")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise StorageError(
                f"journal {self.path}: expected to be the only writer, got a second one. "
                "do: stop the other room controller of this state folder"
            ) from error

    def release(self) -> None:
        """Gives the journal free; twice is once."""
        self._file.close()


@dataclass(slots=True)
class Salvage:
    """What could be read of a corrupt file."""

    kept_as: Path
    events: dict[tuple[int, int], Row] = field(default_factory=dict)
    epochs: dict[int, Row] = field(default_factory=dict)
    small: list[Row] = field(default_factory=list)
    results: list[Row] = field(default_factory=list)


def find_damage(path: Path) -> str:
    """SQLite's own word on the file, and ours; empty when it is sound or not there yet.

    A disk that says it has synced and has not may leave pages of two moments, each of them sound.

    Raises:
        StorageError: the file cannot be opened at all, which is no proof of damage.
    """
    if not path.exists():
        return ""
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            connection.text_factory = text_of
            verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            if verdict == "ok":
                return _find_odd_epoch(connection)
    except sqlite3.Error as error:
        named = storage_error(error, str(path))
        if isinstance(named, CorruptError):
            return str(error)
        raise named from error
    return "" if verdict == "ok" else verdict


def _find_odd_epoch(connection: sqlite3.Connection) -> str:
    """What is wrong with the heads of epochs, on which the next one is built; '' where nothing."""
    there = {row[0] for row in connection.execute("SELECT name FROM pragma_table_info('epoch')")}
    if not there.issuperset(EPOCH_COLUMNS.split(", ")):
        return ""  # nothing is written yet, or by an older program: brought up to date first
    newest = 0
    heads = f"SELECT {EPOCH_COLUMNS} FROM epoch ORDER BY n"  # noqa: S608 - ours
    for row in connection.execute(heads):
        if not _is_epoch(row):
            return f"epoch {row[0]} cannot be read"
        newest = row[0]
    rows = connection.execute("SELECT coalesce(max(n), 0) FROM event").fetchone()[0]
    return "rows of an epoch that is not there" if rows > newest else ""


def set_aside(path: Path) -> Path:
    """Renames the file and its log to the next free `<name>.bad-<n>`.

    Raises:
        StorageError: there are already `BAD_COPIES_MAX` of them.
    """
    for n in range(1, BAD_COPIES_MAX + 1):
        aside = path.with_name(f"{path.name}.bad-{n}")
        if not aside.exists():
            break
    else:
        raise StorageError(
            f"journal {path}: expected fewer than {BAD_COPIES_MAX} damaged copies. "
            "do: replace the disk, then move the copies to a safe place"
        )
    path.rename(aside)
    for tail in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + tail).rename(aside.with_name(aside.name + tail))
    sync_folder(path.parent)
    return aside


def read_salvage(aside: Path) -> Salvage:
    """Reads what can be read of a damaged file; every event is checked against its own hash."""
    found = Salvage(aside)
    with closing(sqlite3.connect(aside)) as connection:
        connection.text_factory = text_of
        if not list(_until_damage(connection, "SELECT name FROM sqlite_schema")):
            return found
        for row in filter(_is_event, _scan(connection, "event", "id", EVENT_COLUMNS)):
            found.events[row[1], row[2]] = row
        epochs = filter(_is_epoch, _scan(connection, "epoch", "n", EPOCH_COLUMNS))
        found.epochs = {row[0]: row for row in epochs}
        small = _scan(connection, "kv", "rowid", "key, value")
        found.small = [row for row in small if _types(row) == (str, bytes)]
        results = _scan(connection, "result", "rowid", "id, value, at")
        found.results = [row for row in results if _types(row) == (str, bytes, str)]
    return found


def _types(row: Row) -> tuple[type, ...]:
    return tuple(type(value) for value in row)


def _is_epoch(row: Row) -> bool:
    """A damaged page can also answer with rows that are none."""
    return (
        _types(row) == (int, str, int, str, str, int, str, str, int)
        and all(HASH.fullmatch(row[column]) for column in (3, 6))
        and len(row[1]) == HASH_DIGITS // 2
        and 0 <= row[8] <= row[2]
    )


def _is_event(row: Row) -> bool:
    return (
        _types(row) == (int, int, int, bytes, str, str, str, str, int)
        and hashlib.sha256(row[3]).hexdigest() == row[4]
    )


def _scan(connection: sqlite3.Connection, table: str, key: str, columns: str) -> Iterator[Row]:
    """All rows that can be had: upwards to the damage, downwards to it, then one by one."""
    ends: list[int] = []
    for direction in ("ASC", "DESC"):
        reached = None
        rows = _until_damage(
            connection,
            f"SELECT {key}, {columns} FROM {table} ORDER BY {key} {direction}",  # noqa: S608 - ours
        )
        for row in rows:
            if ends and row[0] <= ends[0]:
                return
            reached = row[0]
            yield row[1:]
        ends.append(reached if reached is not None else 0)
    low, high = ends[0], ends[1] or ends[0] + PROBE_ROWS_MAX
    one = f"SELECT {columns} FROM {table} WHERE {key} = ?"  # noqa: S608 - names are ours
    for number in range(low + 1, min(high, low + PROBE_ROWS_MAX)):
        yield from _until_damage(connection, one, (number,))


def _until_damage(
    connection: sqlite3.Connection, sql: str, parameters: Sequence[Any] = ()
) -> Iterator[Row]:
    try:
        yield from connection.execute(sql, parameters)
    except sqlite3.Error:
        return


def restore(port: ConnectionPort, found: Salvage) -> None:
    """Writes what was saved into a new file, in one transaction, with the same bytes."""
    port.execute("BEGIN IMMEDIATE")
    port.executemany(
        "INSERT INTO event (n, seq, line, hash, session, type, at, trusted)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (found.events[place][1:] for place in sorted(found.events)),
    )
    port.executemany(
        "INSERT INTO epoch (n, epoch, last, last_hash, pred_epoch, pred_seq, pred_hash, cause,"
        " acked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (found.epochs[n] for n in sorted(found.epochs)),
    )
    port.executemany("INSERT OR IGNORE INTO kv (key, value) VALUES (?, ?)", found.small)
    port.executemany("INSERT OR IGNORE INTO result (id, value, at) VALUES (?, ?, ?)", found.results)
    port.execute("COMMIT")

"""The mirror: a second, append-only copy of what only the hub knows.

One line of JSON per transaction, written and flushed before the commit: `{"n", "sql", "facts",
"sum"}`. `n` counts the transactions and stands in the database too, so a backup knows where the
mirror goes on. A line whose commit never came is overruled by the next one with the same `n`.
Nobody was told about it, so replaying it is as if the answer had been lost on the way.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hub.store.tables_core import NOT_MIRRORED

_CHANGES: Final = ("INSERT INTO ", "UPDATE ", "DELETE FROM ")
FILE_MODE: Final = 0o600  # wrapped keys and password hashes stand in it


class MirrorError(Exception):
    """The mirror cannot be written or read; the text says where, what and what to do."""


@dataclass(slots=True)
class Capture:
    """The statements of one transaction that the mirror is to hold."""

    active: bool
    statements: list[tuple[str, list[Any]]] = field(default_factory=list)
    facts: list[bytes] = field(default_factory=list)
    _marks: list[tuple[int, int]] = field(default_factory=list)

    def mark(self) -> None:
        """A savepoint begins here."""
        self._marks.append((len(self.statements), len(self.facts)))

    def release(self) -> None:
        """The innermost savepoint is part of the transaction now."""
        self._marks.pop()

    def rewind(self) -> None:
        """What came after the innermost savepoint never happened."""
        statements, facts = self._marks.pop()
        del self.statements[statements:], self.facts[facts:]

    @property
    def empty(self) -> bool:
        """Whether nothing happened that only the hub knows."""
        return not (self.statements or self.facts)

    def add(self, statement: str, parameters: Any, *, many: bool) -> None:
        """Keeps a change of a mirrored table; reading and recording pass by."""
        if not self.active or not is_mirrored(statement):
            return
        rows: Sequence[Any] = parameters if many else (parameters,)
        self.statements.append((statement, [_plain(row) for row in rows]))

    def add_fact(self, raw: bytes) -> None:
        """Keeps the bytes of one of the hub's own events."""
        if self.active:
            self.facts.append(raw)

    def stop(self) -> None:
        """What follows is the mirror's own bookkeeping."""
        self.active = False


@dataclass(frozen=True, slots=True)
class Line:
    """One transaction as the mirror holds it."""

    n: int
    statements: tuple[tuple[str, tuple[Any, ...]], ...]
    facts: tuple[bytes, ...]


def is_mirrored(statement: str) -> bool:
    """Whether this statement changes a table whose rows nobody could send again."""
    head = statement.lstrip()
    for verb in _CHANGES:
        if head[: len(verb)].upper() == verb:
            table = head[len(verb) :].split(None, 1)[0].split("(")[0].strip('"')
            return table not in NOT_MIRRORED
    return False


class Mirror:
    """Appends lines to one file and reads them again.

    Args:
        path: the file; best on another disk than the database.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def append(self, n: int, capture: Capture) -> None:
        """Writes and flushes one transaction.

        Raises:
            MirrorError: the file cannot be written; the transaction must not be committed.
        """
        body = {
            "n": n,
            "sql": capture.statements,
            "facts": [base64.b64encode(raw).decode("ascii") for raw in capture.facts],
        }
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        total = hashlib.sha256(text.encode("utf-8")).hexdigest()
        data = f"{total} {text}\n".encode()
        try:
            with self._lock:
                self._write(data)
        except OSError as error:
            raise MirrorError(
                f"the mirror cannot be written\n  where: {self.path}\n  expected: an appended line"
                f" of {len(data)} bytes\n  got: {error}\n"
                "  do: make room or mount the disk; nothing was changed"
            ) from error

    def _write(self, data: bytes) -> None:
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, FILE_MODE)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                data = b"\n" + data  # a torn last line stays one line, and unreadable
            os.write(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)

    def forget(self, secrets: Sequence[str]) -> int:
        """Overwrites texts wherever the file holds them, in place; returns how often.

        Each byte becomes `0`, so that places and lengths stay and another process may go on
        appending; the sums of the lines are made again.

        Raises:
            MirrorError: the file cannot be read or written.
        """
        marks = [secret.encode("utf-8") for secret in secrets if secret]
        try:
            with self._lock:
                return self._overwrite(marks) if marks and self.path.exists() else 0
        except OSError as error:
            raise MirrorError(
                f"the mirror cannot be written\n  where: {self.path}\n  expected: {len(marks)} "
                f"texts overwritten\n  got: {error}\n  do: mount the disk and erase again"
            ) from error

    def _overwrite(self, marks: Sequence[bytes]) -> int:
        count, place = 0, 0
        with self.path.open("r+b") as handle:
            for raw in handle:
                begin, place = place, place + len(raw)
                found = sum(raw.count(mark) for mark in marks)
                if not found or _parse(raw) is None:
                    continue
                text = raw.rstrip(b"\n").partition(b" ")[2]
                for mark in marks:
                    text = text.replace(mark, b"0" * len(mark))
                total = hashlib.sha256(text).hexdigest().encode("ascii")
                os.pwrite(handle.fileno(), total + b" " + text, begin)
                count += found
            os.fsync(handle.fileno())
        return count

    def lines(self, after: int) -> Iterator[Line]:
        """Every transaction behind number `after`, in order; the last line of a number counts."""
        found: dict[int, Line] = {}
        for line in self._readable():
            if line.n > after:
                found[line.n] = line
        for n in sorted(found):
            yield found[n]

    def _readable(self) -> Iterator[Line]:
        if not self.path.exists():
            return
        with self.path.open("rb") as handle:
            for raw in handle:
                line = _parse(raw)
                if line is not None:
                    yield line


def _parse(raw: bytes) -> Line | None:
    total, _, text = raw.strip().partition(b" ")
    if hashlib.sha256(text).hexdigest().encode("ascii") != total:
        return None
    body = json.loads(text)
    return Line(
        n=int(body["n"]),
        statements=tuple(
            (str(sql), tuple(_driver(row) for row in rows)) for sql, rows in body["sql"]
        ),
        facts=tuple(base64.b64decode(one) for one in body["facts"]),
    )


def _plain(row: Any) -> Any:
    if isinstance(row, dict):
        return {key: _plain_one(value) for key, value in row.items()}
    return [_plain_one(value) for value in row]


def _plain_one(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"b64": base64.b64encode(bytes(value)).decode("ascii")}
    return value


def _driver(row: Any) -> Any:
    if isinstance(row, dict) and "b64" not in row:
        return {key: _driver_one(value) for key, value in row.items()}
    return tuple(_driver_one(value) for value in row)


def _driver_one(value: Any) -> Any:
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value

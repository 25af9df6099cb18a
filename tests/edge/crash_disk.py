"""A disk whose power can be cut: what was not synced is lost, kept or torn, write by write.

Killing a process proves nothing about a power cut, because the kernel keeps the written pages. Here
SQLite runs on a file layer that remembers what has been synced, so that a cut can be played.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from edge.journal_file import CorruptError, DiskFullError, Row, StorageError

SECTOR = 512
KINDS = {
    apsw.FullError: DiskFullError,
    apsw.CorruptError: CorruptError,
    apsw.NotADBError: CorruptError,
}


@dataclass
class Content:
    """One file: what is surely on the disk, and what was written since, in order."""

    durable: bytearray
    since: list[tuple[int, bytes | None]] = field(default_factory=list)

    def apply(self, offset: int, data: bytes | None) -> None:
        if data is None:
            del self.durable[offset:]
            return
        if len(self.durable) < offset:
            self.durable.extend(bytes(offset - len(self.durable)))
        self.durable[offset : offset + len(data)] = data

    def sync(self) -> None:
        for offset, data in self.since:
            self.apply(offset, data)
        self.since.clear()

    def cut(self, chance: random.Random) -> bytes:
        """The power goes: each unsynced write is kept, lost, or kept up to some sector."""
        for offset, data in self.since:
            fate = chance.random()
            if fate < 0.4:
                self.apply(offset, data)
            elif fate < 0.6 and data:
                self.apply(offset, data[: chance.randrange(len(data)) // SECTOR * SECTOR])
        self.since.clear()
        return bytes(self.durable)


class Disk(apsw.VFS):
    """The file layer. `cut_after` counts writes and syncs; after the cut everything fails."""

    def __init__(self, name: str, cut_after: int) -> None:
        self.name, self.left = name, cut_after
        self.files: dict[str, Content] = {}
        super().__init__(name, "")

    def tick(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise apsw.IOError("the power is cut")

    def xOpen(self, name: Any, flags: list[int]) -> DiskFile:  # noqa: N802 - its name in SQLite
        path = name if isinstance(name, str) or name is None else name.filename()
        return DiskFile(self, str(path), flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - its name in SQLite
        self.tick()
        self.files.pop(filename, None)
        super().xDelete(filename, syncdir)

    def cut(self, into: Path, chance: random.Random) -> None:
        """Writes what is on the disk after the cut."""
        for name, content in self.files.items():
            if not name.endswith("-shm"):
                (into / Path(name).name).write_bytes(content.cut(chance))


class DiskFile(apsw.VFSFile):
    """One open file of a `Disk`."""

    def __init__(self, disk: Disk, path: str, flags: list[int]) -> None:
        self.disk = disk
        there = Path(path)
        known = there.read_bytes() if there.exists() else b""
        self.content = disk.files.setdefault(path, Content(bytearray(known)))
        super().__init__("", path, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - its name in SQLite
        self.disk.tick()
        self.content.since.append((offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - its name in SQLite
        self.disk.tick()
        self.content.since.append((newsize, None))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: ARG002, N802 - its name in SQLite
        self.disk.tick()
        # The disk below is only played, so it need not be synced as well.
        self.content.sync()


@dataclass
class ApswPort:
    """`ConnectionPort` over apsw, which lets a program choose the file layer.

    Other than FULL, `synchronous` is a port that says FULL and does less: what a test of power cuts
    has to notice.
    """

    connection: apsw.Connection
    synchronous: str = "FULL"

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        if self.synchronous != "FULL" and sql == "PRAGMA synchronous":
            return [(2,)]
        sql = sql.replace("synchronous = FULL", f"synchronous = {self.synchronous}")
        try:
            return list(self.connection.execute(sql, tuple(parameters)))
        except apsw.Error as error:
            raise named(error) from error

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        try:
            self.connection.executemany(sql, [tuple(one) for one in parameters])
        except apsw.Error as error:
            raise named(error) from error

    def close(self) -> None:
        self.connection.close(force=True)


def named(error: apsw.Error) -> StorageError:
    kind = next((ours for theirs, ours in KINDS.items() if isinstance(error, theirs)), StorageError)
    return kind(f"journal: expected the statement to run, got: {error}")

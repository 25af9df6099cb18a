"""The blob store: a folder of files named by their SHA-256, and what the record says of them.

A file is taken only when a row `media.segment` of that controller names its hash: nothing can be
put here that nobody recorded. It arrives in a temporary file, is hashed on the way, flushed, and
renamed; so a name always stands for the right bytes, and an upload that breaks off leaves nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select

from hub.clock import Clock
from hub.media.shares import Shares
from hub.problems import Problem
from hub.projection import Projector, StoredEvent
from hub.store.engine import Store
from hub.store.tables_core import blob_refs, blobs

BLOB_BYTES_MAX: Final = 64 * 1024 * 1024
"""A segment has at most 10 s; at 20 Mbit/s that is 25 MB."""
FREE_BYTES_MIN: Final = 2 * 1024**3
"""What media leave to the record itself: the database, its mirror and a package being built."""
HASH: Final = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Stored:
    """A blob that is here. `fresh`: this upload brought it."""

    sha256: str
    bytes: int
    fresh: bool


class Blobs:
    """Files by hash, with the references the record holds.

    Args:
        store: the database.
        folder: where the files lie, in 256 sub-folders.
        clock: when a file was stored.
    """

    def __init__(self, *, store: Store, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self._store = store
        self._clock = clock
        self._share = Shares(clock.mono_ms)

    def register(self, projector: Projector) -> None:
        """Reads which hashes rooms recorded."""
        projector.register("media.refs", self._recorded, ("media.segment",))

    def path(self, sha256: str) -> Path:
        """Where the file of this hash lies, whether it is there or not.

        Raises:
            Problem: 422 not a hash.
        """
        if not HASH.match(sha256):
            raise Problem(
                422,
                "hash_invalid",
                title="摘要格式有误",
                title_en="Not a SHA-256",
                where="media.sha256",
                expected="64 lower-case hex digits",
                got=sha256,
                do="send the SHA-256 of the file",
            )
        return self.folder / sha256[:2] / sha256

    def free_bytes(self) -> int:
        """What is left on the disk the files lie on."""
        return shutil.disk_usage(self.folder).free

    def has(self, sha256: str) -> bool:
        """Whether the file is here."""
        return self.path(sha256).is_file()

    def expected_bytes(self, ctl: str, sha256: str) -> int:
        """The size a controller recorded for this hash.

        Raises:
            Problem: 409 not recorded by this controller, yet.
        """
        with self._store.read() as conn:
            row = conn.execute(
                select(blobs.c.bytes)
                .join(blob_refs, blob_refs.c.sha256 == blobs.c.sha256)
                .where(blob_refs.c.ctl == ctl, blobs.c.sha256 == sha256)
            ).first()
        if row is None:
            raise Problem(
                409,
                "media_not_recorded",
                title="该片段尚未入账",
                title_en="This segment has not been recorded yet",
                where=f"media {sha256}",
                expected=f"a recorded media.segment of {ctl} with this hash",
                got="none",
                do="send it again when the event is acknowledged",
            )
        return int(row.bytes)

    async def put(self, ctl: str, sha256: str, chunks: AsyncIterator[bytes]) -> Stored:
        """Takes one upload.

        Raises:
            Problem: 409 not recorded, 413 too large, 422 other bytes than recorded, 503 the room
                sends more than its share, 507 no room is left for media.
        """
        target = self.path(sha256)
        size = await asyncio.to_thread(self.expected_bytes, ctl, sha256)
        if target.is_file():
            # A hub that was killed between the file's name and this mark is asked again.
            await asyncio.to_thread(self.adopt, sha256)
            return Stored(sha256, size, fresh=False)
        if size > BLOB_BYTES_MAX:
            raise _wrong(413, sha256, expected=f"at most {BLOB_BYTES_MAX} bytes", got=str(size))
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._share.of(ctl, size):
            if self.free_bytes() - self._share.coming < FREE_BYTES_MIN:
                raise _full(sha256)
            half = target.with_name(f".{secrets.token_hex(8)}.part")
            try:
                await _receive(half, sha256, size, chunks)
                await asyncio.to_thread(self._keep, half, target, sha256)
            finally:
                half.unlink(missing_ok=True)
        return Stored(sha256, size, fresh=True)

    def _keep(self, half: Path, target: Path, sha256: str) -> None:
        """The name stands for the bytes only once both are on the disk."""
        half.replace(target)
        _sync_folder(target.parent)
        self._mark(sha256)

    def adopt(self, sha256: str) -> None:
        """Notes a file that is there although the database does not say so."""
        if self.has(sha256):
            self._mark(sha256)

    def _mark(self, sha256: str) -> None:
        with self._store.write() as conn:
            conn.execute(
                blobs.update()
                .where(blobs.c.sha256 == sha256, blobs.c.state != "stored")
                .values(state="stored", stored_at=self._clock.wall())
            )

    def _recorded(self, conn: Connection, stored: StoredEvent) -> None:
        """A room recorded a segment: its file may be uploaded from now on."""
        data = stored.event.data
        sha256, size = str(data["sha256"]), int(data["bytes"])
        if not HASH.match(sha256) or size < 0:
            raise ValueError(f"media.segment: expected a SHA-256 and a size, got {sha256!r}")
        known = conn.execute(select(blobs.c.sha256).where(blobs.c.sha256 == sha256)).first()
        if known is None:
            here = self.has(sha256)
            conn.execute(
                blobs.insert().values(
                    sha256=sha256,
                    bytes=size,
                    state="stored" if here else "expected",
                    stored_at=self._clock.wall() if here else None,
                )
            )
        key = {"sha256": sha256, "ctl": stored.ctl, "epoch": stored.epoch, "seq": stored.seq}
        if conn.execute(select(blob_refs.c.seq).filter_by(**key)).first() is None:
            conn.execute(
                blob_refs.insert().values(
                    **key, stream=str(data["stream"]), session=stored.event.session
                )
            )


async def _receive(half: Path, sha256: str, size: int, chunks: AsyncIterator[bytes]) -> None:
    digest, count = hashlib.sha256(), 0
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        async for chunk in chunks:
            count += len(chunk)
            if count > size:
                raise _wrong(413, sha256, expected=f"{size} bytes", got="more")
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    if count != size or digest.hexdigest() != sha256:
        raise _wrong(
            422,
            sha256,
            expected=f"{size} bytes with SHA-256 {sha256}",
            got=f"{count} bytes with SHA-256 {digest.hexdigest()}",
        )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _full(sha256: str) -> Problem:
    return Problem(
        507,
        "media_no_space",
        title="中心存储空间不足，暂不接收录像",
        title_en="The hub has no space left for media",
        where=f"media {sha256}",
        expected=f"{FREE_BYTES_MIN} bytes free besides",
        got="less",
        do="free or add space on the hub; the room keeps the segment and sends it again",
    )


def _wrong(status: int, sha256: str, *, expected: str, got: str) -> Problem:
    return Problem(
        status,
        "media_differs",
        title="上传内容与入账记录不一致",
        title_en="The upload is not what was recorded",
        where=f"media {sha256}",
        expected=expected,
        got=got,
        do="check the file on the room's disk; send it again",
    )

"""The spool: recorded segments by their SHA-256, kept until nobody needs them here.

A segment is the name of its content, so that sending twice is sending once and a damaged file shows
itself. Nothing here is deleted to make room: a full disk stops recording, loudly, and never eats
what has not been handed over. A file goes when nothing refers to it and a receipt says it arrived.

Beside each file lies a small note of what is known about it; both survive a power cut, because the
file and its folder are on the disk before anybody is told about it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

READ_BYTES = 1024 * 1024
CLIPS_KEPT = 64  # marks whose contents may still come; a minute after it a mark is over
REFERENCES_MAX = 64  # sessions one segment can belong to; a room holds a handful at once


class SpoolError(Exception):
    """A segment cannot be kept or found; the text says what, where, expected, got, do."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the spool knows of one content.

    Args:
        sha256: 64 hex digits, also the file's name.
        size: bytes.
        order: first come, first sent.
        clip: goes before the rest.
        uploaded: the hub has said it has it.
        references: who still needs it here (session ids).
        receipt: id of the home's receipt, empty until there is one.
        about: what was recorded of it, so that a start after a power cut can tell it again.
        gone: the content is no longer here, and that is accounted for.
    """

    sha256: str
    size: int
    order: int
    clip: bool = False
    uploaded: bool = False
    references: tuple[str, ...] = ()
    receipt: str = ""
    about: dict[str, Any] = field(default_factory=dict)
    gone: bool = False


def digest_of(path: Path) -> str:
    """SHA-256 of a file, read back from the disk."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Puts a file or a folder on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Spool:
    """A folder of contents; safe to use from several threads.

    Args:
        folder: made if need be, on the disk that has room for video.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._clips: deque[tuple[str, str]] = deque(maxlen=CLIPS_KEPT)
        notes = {content.with_suffix(".json") for content in folder.glob("*/*.mp4")}
        notes.update(folder.glob("*/*.json"))
        self._kept = {kept.sha256: kept for kept in map(_read_note, notes)}
        self._next = max((kept.order for kept in self._kept.values()), default=0) + 1

    def path(self, sha256: str) -> Path:
        """Where a content lies, or would."""
        return self.folder / sha256[:2] / f"{sha256}.mp4"

    def get(self, sha256: str) -> Kept | None:
        """What is known of a content."""
        return self._kept.get(sha256)

    def all(self) -> list[Kept]:
        """Everything known, in order of arrival; what is `gone` too."""
        with self._lock:
            return sorted(self._kept.values(), key=lambda kept: kept.order)

    def take(
        self, path: Path, about: dict[str, Any] | None = None, sessions: Iterable[str] = ()
    ) -> Kept:
        """Moves a finished file in; on return it and its name are on the disk.

        The note is written first: a file without a note would have lost what is known of it, a
        note without a file still has its file where it was.

        Args:
            path: a finished segment on the same file system.
            about: what is recorded of it.
            sessions: who needs it.

        Raises:
            SpoolError: there is no such file.
        """
        try:
            sync(path)
            sha256, size = digest_of(path), path.stat().st_size
        except FileNotFoundError as error:
            raise SpoolError(f"segment {path}: expected a finished file, got none") from error
        home = self.path(sha256)
        with self._lock:
            home.parent.mkdir(exist_ok=True)
            known = self._kept.get(sha256) or Kept(sha256, size, self._next, about=about or {})
            names = dict.fromkeys((*known.references, *sessions))
            clip = known.clip or any(_within(known, span) for span in self._clips)
            kept = replace(known, references=tuple(names)[:REFERENCES_MAX], gone=False, clip=clip)
            self._next = max(self._next, kept.order + 1)
            self._write(kept)
            path.replace(home)
            sync(path.parent)
            sync(home.parent)
            sync(self.folder)
        return kept

    def pending(self) -> list[Kept]:
        """What the hub does not have yet: clips first, then oldest first."""
        waiting = [kept for kept in self.all() if not kept.uploaded and not kept.gone]
        return sorted(waiting, key=lambda kept: (not kept.clip, kept.order))

    def has(self, sha256: str) -> bool:
        """Whether this content is here."""
        kept = self._kept.get(sha256)
        return kept is not None and not kept.gone

    def fetch(self, contents: Iterable[str]) -> None:
        """The hub wants these before all others, also what it was sent before."""
        for sha256 in contents:
            if self.has(sha256):
                self._change(sha256, clip=True, uploaded=False)

    def mark(self, first_at: str, last_at: str) -> None:
        """What was recorded between two moments goes first: what is here and what is to come.

        Args:
            first_at: RFC 3339 in UTC with milliseconds, as `about` has it.
            last_at: the same; may lie ahead.
        """
        span = (first_at, last_at)
        with self._lock:
            self._clips.append(span)
        self.prefer([kept.sha256 for kept in self.pending() if _within(kept, span)])

    def prefer(self, contents: Iterable[str]) -> None:
        """Marks contents as part of a clip."""
        for sha256 in contents:
            self._change(sha256, clip=True)

    def uploaded(self, sha256: str) -> None:
        """Notes that the hub has this content."""
        self._change(sha256, uploaded=True)

    def resend(self) -> int:
        """A hub came back from an older copy: offers it everything again; returns how much."""
        gone = [kept.sha256 for kept in self.all() if kept.uploaded and not kept.gone]
        for sha256 in gone:
            self._change(sha256, uploaded=False)
        return len(gone)

    def releasable(self, receipted: Collection[str]) -> list[Kept]:
        """What nobody needs here any more, oldest first: the hub has it, its sessions are done.

        Args:
            receipted: sessions that are closed and for which the home's receipt is there.
        """
        done = set(receipted)
        return [
            kept
            for kept in self.all()
            if kept.uploaded
            and not kept.gone
            and kept.references
            and done.issuperset(kept.references)
        ]

    def release(self, sha256: str, receipt: str) -> None:
        """Deletes a content; its note stays as long as the record speaks of it.

        Args:
            sha256: one of `releasable`.
            receipt: what says that it was handed over; without one nothing is deleted.

        Raises:
            SpoolError: no receipt.
        """
        if not receipt:
            raise SpoolError(f"release of {sha256}: expected a receipt, got none; nothing deleted")
        self.path(sha256).unlink(missing_ok=True)
        self._change(sha256, receipt=receipt, gone=True)

    def needed(self) -> set[str]:
        """Sessions of which contents are still here."""
        return {name for kept in self.all() if not kept.gone for name in kept.references}

    def account_for_loss(self, sha256: str) -> None:
        """The content is missing or altered and that has been recorded: it is not told twice."""
        with self._lock:
            self._write(replace(self._kept.get(sha256) or Kept(sha256, 0, 0), gone=True))

    def forget(self, sha256: str) -> None:
        """Drops the note of a content that is not here and that no record speaks of."""
        with self._lock:
            if not self.path(sha256).exists():
                self.path(sha256).with_suffix(".json").unlink(missing_ok=True)
                self._kept.pop(sha256, None)

    def sound(self, sha256: str) -> bool:
        """Reads a content back and compares; False when it is missing or altered."""
        try:
            return digest_of(self.path(sha256)) == sha256
        except OSError:
            return False

    def size(self) -> int:
        """Bytes kept."""
        return sum(kept.size for kept in self.all() if not kept.gone)

    def free(self) -> int:
        """Bytes free on the disk."""
        return shutil.disk_usage(self.folder).free

    def _known(self, sha256: str) -> Kept:
        kept = self._kept.get(sha256)
        if kept is None:
            raise SpoolError(f"segment {sha256}: expected one of the spool, got an unknown one")
        return kept

    def _change(self, sha256: str, **changes: Any) -> None:
        with self._lock:
            self._write(replace(self._known(sha256), **changes))

    def _write(self, kept: Kept) -> None:
        note = self.path(kept.sha256).with_suffix(".json")
        note.parent.mkdir(exist_ok=True)
        half = note.with_suffix(".new")
        facts = {name: getattr(kept, name) for name in Kept.__slots__}
        with half.open("w", encoding="utf-8") as file:
            json.dump(facts, file)
            file.flush()
            os.fsync(file.fileno())
        half.replace(note)
        self._kept[kept.sha256] = kept


def _within(kept: Kept, span: tuple[str, str]) -> bool:
    """Whether a content was recorded in a span; moments of one form are in order as texts."""
    first, last = (str(kept.about.get(key) or "") for key in ("first_at", "last_at"))
    return bool(first and last) and first <= span[1] and last >= span[0]


def _read_note(note: Path) -> Kept:
    """A note that cannot be read costs its facts, never its content: it is sent again."""
    try:
        facts = json.loads(note.read_text(encoding="utf-8"))
        return Kept(**(facts | {"references": tuple(facts["references"])}))
    except (ValueError, KeyError, TypeError, OSError):
        content = note.with_suffix(".mp4")
        return Kept(note.stem, content.stat().st_size if content.exists() else 0, 0)

"""A package folder in the making: files are hashed as they are written, media are hard-linked.

Everything is written beside its final place and renamed at the end, so that a name in `packages`
always stands for a whole package.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from protocols.evidence.package import FileInfo
from protocols.evidence.verifier import available_digests

CHUNK_BYTES: Final = 1024 * 1024
READ_ONLY: Final = 0o440


@dataclass(slots=True)
class Folder:
    """One package being written; `payload` is what lies under `data/`, `tags` the rest listed."""

    root: Path
    payload: dict[str, FileInfo] = field(default_factory=dict)
    tags: dict[str, FileInfo] = field(default_factory=dict)
    _sm3: bool = field(default_factory=lambda: "sm3" in available_digests())

    def __post_init__(self) -> None:
        """Begins with an empty folder; what an earlier, broken attempt left is removed."""
        if self.root.exists():
            shutil.rmtree(self.root)
        self.root.mkdir(parents=True, mode=0o700)

    def write(self, name: str, content: bytes) -> None:
        """Writes one file and lists it."""
        path = self._place(name)
        path.write_bytes(content)
        self._list(name, path)

    def write_all(self, files: Mapping[str, bytes]) -> None:
        """Writes several files."""
        for name, content in files.items():
            self.write(name, content)

    def link(self, name: str, source: Path) -> None:
        """Takes a stored file by hard link, or by copy where the file system has none."""
        path = self._place(name)
        try:
            os.link(source, path)
        except OSError:
            shutil.copyfile(source, path)
        # A link is the stored file itself: who edits the package must not reach the only copy.
        path.chmod(READ_ONLY)
        self._list(name, path)

    def adopt(self, name: str) -> None:
        """Lists a file that another program wrote into the folder."""
        self._list(name, self.root / name)

    def unlisted(self, name: str, content: bytes) -> None:
        """Writes a file that no manifest lists: the manifests and the signature themselves."""
        self._place(name).write_bytes(content)

    def settle(self, target: Path) -> None:
        """Flushes the folder and gives it its name."""
        for path in sorted(self.root.rglob("*")):
            if path.is_file():
                _sync(path)
        if target.exists():
            shutil.rmtree(target)
        self.root.rename(target)
        _sync(target.parent)

    @property
    def files(self) -> int:
        """How many files are listed so far."""
        return len(self.payload) + len(self.tags)

    @property
    def bytes(self) -> int:
        """Bytes of the payload."""
        return sum(one.size for one in self.payload.values())

    def _place(self, name: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def _list(self, name: str, path: Path) -> None:
        info = _info(path, sm3=self._sm3)
        if name.startswith("data/"):
            self.payload[name] = info
        else:
            self.tags[name] = info


def _info(path: Path, *, sm3: bool) -> FileInfo:
    digest, size = hashlib.sha256(), 0
    second = hashlib.new("sm3") if sm3 else None
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            if second is not None:
                second.update(chunk)
    return FileInfo(
        size=size, sha256=digest.hexdigest(), sm3=second.hexdigest() if second is not None else ""
    )


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

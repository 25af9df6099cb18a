"""A package as one file: a tar written while it is read, so nothing is stored twice."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hub.archive.folder import CHUNK_BYTES

MEDIA_TYPE: Final = "application/x-tar"
FILE_MODE: Final = 0o644


def tar_of(folder: Path, name: str) -> Iterator[bytes]:
    """The bytes of a tar (POSIX.1-2001) with every plain file of a package.

    Args:
        folder: the package.
        name: the folder's name inside the tar.
    """
    for path in sorted(one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()):
        info = tarfile.TarInfo(f"{name}/{path.relative_to(folder).as_posix()}")
        about = path.stat()
        info.size, info.mtime, info.mode = about.st_size, int(about.st_mtime), FILE_MODE
        yield info.tobuf(tarfile.PAX_FORMAT)
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
        yield b"\0" * (-info.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)

"""`evalroom verify`: reads a package's folder and hands it to the verifier of the contract.

The same check stands in every package as `verify.py`, which needs nothing of this program.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from protocols.evidence.verifier import TrustError, verify_package

EX_USAGE: Final = 64
EX_SOFTWARE: Final = 70


class FolderFiles:
    """A package as a folder; links and special files are reported, never followed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._links: set[str] = set()

    def names(self) -> Iterator[str]:
        """Every file by its path inside the package."""
        pending = [self._root]
        while pending:
            folder = pending.pop()
            for entry in folder.iterdir():
                name = entry.relative_to(self._root).as_posix()
                if entry.is_dir() and not entry.is_symlink():
                    pending.append(entry)
                    continue
                if entry.is_symlink() or not entry.is_file():
                    self._links.add(name)
                yield name

    def is_link(self, name: str) -> bool:
        """Whether this is a link or a special file."""
        return name in self._links

    def size(self, name: str) -> int:
        """Bytes of a file; of a link, its own."""
        return (self._root / name).lstat().st_size

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        return (self._root / name).read_bytes()


def verify_folder(package: Path, *, trust: Path | None, lang: str) -> int:
    """Prints the report and returns its code.

    Returns:
        0 sound, 2 altered, 3 incomplete, 4 no trust file, 64 unreadable path, 70 internal.
    """
    if not package.is_dir():
        sys.stderr.write(
            f"evalroom verify: no such folder\n  where: {package}\n  expected: a package's folder\n"
            "  got: nothing there\n  do: check the path\n"
        )
        return EX_USAGE
    try:
        known = None if trust is None else trust.read_bytes()
        report = verify_package(FolderFiles(package), known, lang)
    except (OSError, TrustError) as error:
        sys.stderr.write(f"evalroom verify: {error}\n")
        return EX_USAGE
    except Exception as error:  # noqa: BLE001 - the last edge: 70 says it is our fault
        sys.stderr.write(f"evalroom verify: internal error: {type(error).__name__}: {error}\n")
        return EX_SOFTWARE
    text, encoding = "\n".join(report.lines()) + "\n", sys.stdout.encoding or "utf-8"
    # A terminal that has no Chinese shows its code points; the verdict is not lost over it.
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    return int(report.code)

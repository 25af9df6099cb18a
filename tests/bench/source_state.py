"""Which sources a figure was seen on: the commit, and a digest of the files it rests on."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence


def commit(paths: Sequence[str] = (".",)) -> str:
    """The commit this tree is at, with `+` where these were changed since; empty without git."""
    changed = "+" if _git("status", "--porcelain", "--", *paths) else ""
    return _git("rev-parse", "--short", "HEAD").strip() + changed


def digest(paths: Sequence[str]) -> str:
    """One name for the content of these files and folders; empty where some are not committed.

    Two commits that differ elsewhere have the same digest, so that a figure outlives a change of
    the manual.
    """
    listed = _git("ls-files", "--stage", "--", *paths)
    if not listed or _git("status", "--porcelain", "--", *paths):
        return ""
    return hashlib.sha256(listed.encode()).hexdigest()[:16]


def _git(*words: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    return subprocess.run([git, *words], capture_output=True, text=True, check=False).stdout

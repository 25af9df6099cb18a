"""Files the hub hands out: the trust file for venues, what is carried to a room."""

from __future__ import annotations

from pathlib import Path

from hub.app import Hub
from hub.transparency.witnesses import choose


def write_trust(hub: Hub) -> Path:
    """Writes the trust file that venues exchange outside the hub."""
    with hub.store.write() as conn:
        choose(conn, hub.clock)
    raw = hub.keys.trust().encode()
    target = hub.config.trust
    half = target.with_suffix(".new")
    half.write_bytes(raw)
    half.replace(target)
    return target


def private_file(path: Path, text: str) -> None:
    """Writes a file whole or not at all, readable by its owner alone."""
    half = path.with_name(f".{path.name}.new")
    half.touch(mode=0o600)
    half.write_text(text, encoding="utf-8")
    half.replace(path)

"""The policy in force in a room: the last one a plan brought, else the shipped draft."""

from __future__ import annotations

from importlib import resources

import yaml

from protocols.policy.errors import PolicyError
from protocols.policy.pack import Pack

KV_PACK = "pack"


def kept_pack(kept: bytes | None) -> Pack:
    """The policy that was in force; the shipped one where none, or none this program reads."""
    try:
        return Pack.from_canonical(kept) if kept else default_pack()
    except PolicyError:
        return default_pack()


def default_pack() -> Pack:
    """The policy of a room that has not had a plan yet: nothing can start under it but self-tests.

    It is the shipped draft, so that faults and lockers have their limits from the first minute.
    """
    file = resources.files("protocols.policy.packs").joinpath("hubei-2020.yaml")
    return Pack.parse(yaml.safe_load(file.read_text("utf-8")))

"""A reading of the hub's clocks for case clocks: boot, steady time, wall time and its trust.

The steady clock counts from the machine's boot, so a restart of the hub within one boot loses
nothing; across a reboot only a trusted wall clock can bridge, and the case says which it was.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from hub.clock import Clock
from protocols.policy.contingency import Stamp

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
MS_PER_S: Final = 1000


@cache
def boot_id() -> str:
    """The kernel's id of this boot; '' where there is none, which counts as a new boot."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def stamp(clock: Clock) -> Stamp:
    """Now."""
    return Stamp(
        boot=boot_id(),
        mono_ms=clock.mono_ms(),
        wall_ms=int(clock.wall().timestamp() * MS_PER_S),
        trusted=clock.trust() == "ntp",
    )

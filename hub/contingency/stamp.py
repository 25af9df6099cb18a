"""A reading of the hub's clocks for case clocks: boot, steady time, wall time and its trust.

The steady clock counts from the machine's boot, so a restart of the hub within one boot loses
nothing; across a reboot only a trusted wall clock can bridge, and the case says which it was.
"""

from __future__ import annotations

from typing import Final

from hub.clock import Clock, boot_id
from protocols.policy.contingency import Stamp

MS_PER_S: Final = 1000


def stamp(clock: Clock) -> Stamp:
    """Now."""
    return Stamp(
        boot=boot_id(),
        mono_ms=clock.mono_ms(),
        wall_ms=int(clock.wall().timestamp() * MS_PER_S),
        trusted=clock.trust() == "ntp",
    )

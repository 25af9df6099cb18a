"""One room's epochs as one transaction sees them: who goes back to whom, and which lines live.

Made once for all epochs that are judged in it. What that costs is counted: a room with very many
epochs must not have the hub look at them all with each of its batches.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from hub.recording.liveness import Liveness


@dataclass(frozen=True, slots=True)
class Kin:
    """An epoch as its first row tells it. `opened`: whether that row is recorded at all."""

    epoch: str
    pred_epoch: str
    opened: bool


@dataclass
class Family:
    """All epochs of `ctl`, read when they are first asked for.

    Attributes:
        read: gives them, in any order.
        looks: epochs looked at so far; reading them is a look at each.
    """

    ctl: str
    read: Callable[[], list[Kin]]
    alive: Liveness
    looks: int = field(init=False, default=0)

    @cached_property
    def epochs(self) -> list[Kin]:
        """All that are known."""
        found = self.read()
        self.looks += len(found)
        return found

    @cached_property
    def firsts(self) -> set[str]:
        """First epochs ever that these go back to."""
        return {one.epoch for one in self.epochs if one.opened and not one.pred_epoch}

    @cached_property
    def unclear(self) -> bool:
        """Whether some go back to one that is not known yet.

        An epoch whose first row has not arrived says nothing of what was before it.
        """
        return any(
            not one.opened or (one.pred_epoch != "" and one.pred_epoch not in self._preds)
            for one in self.epochs
        )

    def lives_beside(self, epoch: str) -> bool:
        """Whether another line of epochs and this one were both heard of since both are there."""
        own, heard = set(line(self._preds, epoch)), self._heard
        self.looks += len(own) + len(heard)
        roots: dict[str, str] = {}
        for one in heard:
            if one == epoch or one not in own:
                self._trace(one, epoch, own, roots)
        mine = max((heard[one] for one in heard if roots.get(one) == epoch), default=0)
        began = self.alive.began(self.ctl, epoch)
        return any(
            heard[one] > began and mine > self.alive.began(self.ctl, roots[one])
            for one in heard
            if roots.get(one, epoch) != epoch
        )

    def _trace(self, one: str, epoch: str, own: Container[str], roots: dict[str, str]) -> None:
        """Notes where the line of `one` leaves the own one: `epoch` where it goes back to that."""
        path: dict[str, None] = {}
        while one in self._preds and not (one in own or one in roots or one in path):
            path[one] = None
            one = self._preds[one]
        root = epoch if one == epoch else roots.get(one) or next(reversed(path))
        roots.update(dict.fromkeys((*path, one) if one == epoch else path, root))

    @cached_property
    def _preds(self) -> dict[str, str]:
        return {one.epoch: one.pred_epoch for one in self.epochs}

    @cached_property
    def _heard(self) -> dict[str, int]:
        """Last sign of life in this run of the hub, of those that gave any."""
        signs = ((one.epoch, self.alive.last(self.ctl, one.epoch)) for one in self.epochs)
        return {epoch: sign for epoch, sign in signs if sign}


def line(preds: Mapping[str, str], epoch: str) -> list[str]:
    """An epoch and those it goes back to, newest first. `preds`: epoch -> predecessor."""
    found: dict[str, None] = {}
    while epoch in preds and epoch not in found:
        found[epoch] = None
        epoch = preds[epoch]
    return list(found)

"""Contacts bounce and are touched in passing: what a contact is, it has been for long enough."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Debounce:
    """A contact is what it has been for long enough; the first value needs two equal polls.

    Args:
        on_ms: how long it must be on to be on.
        off_ms: how long it must be off to be off.
    """

    on_ms: int
    off_ms: int
    state: bool | None = None
    _raw: bool | None = field(default=None, repr=False)
    _since_ms: int = field(default=0, repr=False)

    def poll(self, *, raw: bool, mono_ms: int) -> bool:
        """Takes one poll; returns whether it changed the state."""
        if raw is not self._raw:
            self._raw, self._since_ms = raw, mono_ms
            return False
        steady_ms = 0 if self.state is None else self.on_ms if raw else self.off_ms
        if raw is self.state or mono_ms - self._since_ms < steady_ms:
            return False
        self.state = raw
        return True

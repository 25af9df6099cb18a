"""`hub reopen-log`: a hub whose log lost entries begins another, in an administrator's name."""

from __future__ import annotations

from typing import Final

from hub.app import Hub
from hub.config import ConfigError
from hub.free_text import free_text
from hub.ports import Actor, allow

ROLES: Final = ("administrator",)
REASON_CHARS_MAX: Final = 500


def reopen_log(hub: Hub, actor: Actor, reason: str) -> str:
    """Begins a new log whose first entry holds the old checkpoint and the reason; its origin.

    Raises:
        ConfigError: the log is whole, or no reason is given.
        Problem: 403 not an administrator, 422 a personal number in the reason.
    """
    allow(actor, ROLES)
    if not 0 < len(reason.strip()) <= REASON_CHARS_MAX:
        raise ConfigError(
            f"no reason\n  where: --reason\n  expected: 1 to {REASON_CHARS_MAX} characters\n"
            f"  got: {len(reason)}\n  do: say why the log lost entries; it stays in the log"
        )
    free_text(reason, where="reopen.reason")
    with hub.store.write() as conn:
        if not hub.event_log.behind(conn):
            raise ConfigError(
                f"the log is whole\n  where: {hub.config.data}\n  expected: a log shorter than a "
                "checkpoint it signed\n  got: one that reaches its newest checkpoint\n"
                "  do: nothing; a log is begun anew only after entries were lost"
            )
        return hub.event_log.reopen(conn, reason=reason.strip(), by=actor.post)

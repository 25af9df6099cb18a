"""A controller that exists twice: its commands wait until a named person lets them go (WIRE §5)."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import select

from hub.free_text import free_text
from hub.ports import Actor, Parts, allow, by, refuse
from hub.store.tables_core import controllers, epochs
from protocols.messages.recording import StreamState

RELEASING: Final = ("technician", "administrator", "home_manager")
"""Who may say that one copy only is left; of the controller's own organisation."""
REASON_CHARS_MAX: Final = 500


def release(parts: Parts, actor: Actor, ctl: str, reason: str) -> dict[str, Any]:
    """Lets the commands to a held controller go, in a person's name.

    The branches stay marked in the record; a further living branch holds the controller again.

    Raises:
        Problem: 403 role, 404 unknown or another organisation's, 409 not held, 422 no reason.
    """
    allow(actor, RELEASING)
    _check_reason(reason)
    with parts.store.write() as conn:
        row = conn.execute(select(controllers).where(controllers.c.ctl == ctl)).first()
        if row is None or row.org != actor.org:
            raise refuse(
                404,
                "no_such_controller",
                zh="没有这个控制器",
                en="No such controller",
                where="ctl",
                expected="a controller of your organisation, c- and 12 hex digits",
                got=ctl[:40],
                do="从设备页进入",
            )
        if not row.held:
            raise refuse(
                409,
                "not_held",
                zh="该控制器的指令没有暂停",
                en="Commands to this controller are not held",
                where=f"controller {ctl}",
                expected="a controller that is held because it exists twice",
                got="not held",
                do="无需处理",
            )
        branches = conn.execute(
            select(epochs.c.epoch).where(
                epochs.c.ctl == ctl, epochs.c.standing == StreamState.CLONE.value
            )
        ).scalars()
        data = {
            "ctl": ctl,
            "branches": sorted(branches),
            "reason": reason.strip(),
            "by": by(actor),
        }
        parts.facts.append(conn, type="stream.clone_released", session="", data=data)
        parts.fleet.hold(conn, ctl, held=False)
        parts.store.after_commit(parts.rooms.refresh)
    return {"ctl": ctl, "held": False}


def _check_reason(reason: str) -> None:
    if not 0 < len(reason.strip()) <= REASON_CHARS_MAX:
        raise refuse(
            422,
            "release_reason",
            zh="须写明如何确认只剩一台控制器",
            en="Say how it was made sure that one controller is left",
            where="release.reason",
            expected=f"1 to {REASON_CHARS_MAX} characters",
            got=f"{len(reason)} characters",
            do="写明现场核实的情况",
        )
    free_text(reason, where="release.reason")

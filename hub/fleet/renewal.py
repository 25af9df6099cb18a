"""Certificates of rooms that are in: renewed at their own signed request, revoked by a person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, select

from hub.fleet.broker_users import write_broker_users
from hub.free_text import free_text
from hub.keys.admission import RELEARNT
from hub.keys.authority import RequestError, read_request
from hub.ports import Actor, allow, by, refuse
from hub.store.tables_core import controllers

AGAIN_H: Final = 6
"""A room whose answer was lost asks again; more often than this no certificate is made for it."""
REVOKING: Final = ("technician", "administrator", "home_manager")
REASON_CHARS_MAX: Final = 80


def renew(hub: Any, ctl: str, csr: bytes) -> str:
    """A further certificate (PEM) for a controller; those it has count to their end.

    Args:
        hub: its store, facts and admission.
        ctl: who signed the request, as was checked.
        csr: for the TLS key.

    Raises:
        Problem: 422 no request, 429 it has one that is younger than six hours.
    """
    try:
        public = read_request(csr)
    except RequestError as error:
        raise refuse(
            422,
            "certificate_request",
            zh="证书申请无效",
            en="This is no certificate request",
            where="certificate",
            expected="a request for a P-256 key",
            got=str(error),
            do="重新登记控制器",
        ) from error
    with hub.store.write() as conn:
        made = hub.admission.youngest(conn, ctl, dt.timedelta(hours=AGAIN_H))
        if made is None:
            issued = hub.admission.admit(conn, ctl, public)
            data = {"ctl": ctl, "serial": issued.serial, "until": issued.until_at.isoformat()}
            hub.facts.append(conn, type="controller.certified", session="", data=data)
            hub.store.after_commit(lambda: write_broker_users(hub))
    if made is not None:
        raise refuse(
            429,
            "certificate_fresh",
            zh="证书刚刚签发",
            en="A certificate has just been issued",
            where="certificate",
            expected=f"one in {AGAIN_H} hours",
            got=made.isoformat(timespec="minutes"),
            do="稍后再试",
        )
    return str(issued.pem.decode("ascii"))


def revoke(hub: Any, actor: Actor, ctl: str, reason: str) -> dict[str, Any]:
    """A controller that was stolen or lost: let in nowhere, heard no more; enrol another one.

    Raises:
        Problem: 403 role or organisation, 404 unknown, 422 no reason.
    """
    if not 0 < len(reason.strip()) <= REASON_CHARS_MAX:
        raise refuse(
            422,
            "revoke_reason",
            zh="须写明吊销原因",
            en="Say why the certificate is revoked",
            where="revoke.reason",
            expected=f"1 to {REASON_CHARS_MAX} characters",
            got=f"{len(reason)} characters",
            do="写明原因",
        )
    free_text(reason, where="revoke.reason")
    with hub.store.write() as conn:
        mine = controllers.c.ctl == ctl
        row = conn.execute(select(controllers).where(mine)).first()
        if row is None:
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
        allow(actor, REVOKING, org="" if "administrator" in actor.roles else row.org)
        count = _shut_out(hub, conn, ctl, reason.strip(), by(actor))
        hub.store.after_commit(lambda: write_broker_users(hub))
        hub.store.after_commit(hub.rooms.refresh)
    return {"ctl": ctl, "certificates": count}


def relearn(hub: Any, paths: Iterable[Path]) -> list[str]:
    """Revokes again whoever lists of revoked certificates name and the database has forgotten.

    Such a list outlives a database that was lost: it lies with the keys and at the broker.

    Args:
        hub: its store, facts and admission.
        paths: of lists; what is there and not this authority's says nothing.

    Returns:
        The controllers that were still let in.
    """
    lists = [hub.admission.listed(path) or {} for path in paths]
    listed = {serial: since for one in lists for serial, since in one.items()}
    with hub.store.write() as conn:
        found: list[str] = hub.admission.relearn(conn, listed)
        for ctl in found:
            _shut_out(hub, conn, ctl, RELEARNT, "hub")
    return found


def _shut_out(hub: Any, conn: Connection, ctl: str, reason: str, who: object) -> int:
    count: int = hub.admission.shut_out(conn, ctl, reason)
    conn.execute(controllers.update().where(controllers.c.ctl == ctl).values(state="revoked"))
    data = {"ctl": ctl, "certificates": count, "reason": reason, "by": who}
    hub.facts.append(conn, type="controller.revoked", session="", data=data)
    return count

"""The list of who may connect to the broker, as a file: a running hub hands it to its broker."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, select

from hub.keys.admission import HUB_USER
from hub.keys.authority import write_whole
from hub.store.tables_core import controllers


def write_broker_users(hub: Any) -> None:
    """Lists who may connect to the broker; a running hub reads the file again within a second."""
    with hub.store.read() as conn:
        table = _with_certificates(hub, conn) if hub.config.mqtt_tls else _with_passwords(hub, conn)
    write_whole(hub.config.broker_users, _text(table))


def drop_expired(hub: Any) -> None:
    """Takes the certificates that have run out off the list, so that their connections end.

    A broker looks at a certificate's days when it lets somebody in and never again.
    """
    if not hub.config.mqtt_tls:
        return
    with hub.store.read() as conn:
        text = _text(hub.admission.users(conn))
    if text != hub.config.broker_users.read_bytes():
        write_whole(hub.config.broker_users, text)


def _text(table: dict[str, Any]) -> bytes:
    return (json.dumps(table, indent=1) + "\n").encode("ascii")


def _with_certificates(hub: Any, conn: Connection) -> dict[str, Any]:
    hub.admission.write_files(conn)
    return dict(hub.admission.users(conn))


def _with_passwords(hub: Any, conn: Connection) -> dict[str, Any]:
    query = select(controllers.c.ctl).where(controllers.c.state == "enrolled")
    names = [HUB_USER, *conn.execute(query).scalars()]
    return {name: hub.keys.broker_password(name) for name in names}

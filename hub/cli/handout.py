"""Files the hub hands out: the trust file for venues, the list of names for its broker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from hub.app import Hub
from hub.keys.admission import HUB_USER
from hub.store.tables_core import controllers
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


def write_broker_users(hub: Hub) -> None:
    """Lists who may connect to the broker; a running hub reads the file again within a second."""
    with hub.store.read() as conn:
        table = _with_certificates(hub, conn) if hub.config.mqtt_tls else _with_passwords(hub, conn)
    private_file(hub.config.broker_users, json.dumps(table, indent=1) + "\n")


def _with_certificates(hub: Hub, conn: Connection) -> dict[str, Any]:
    hub.admission.write_files(conn)
    return dict(hub.admission.users(conn))


def _with_passwords(hub: Hub, conn: Connection) -> dict[str, Any]:
    query = select(controllers.c.ctl).where(controllers.c.state == "enrolled")
    names = [HUB_USER, *conn.execute(query).scalars()]
    return {name: hub.keys.broker_password(name) for name in names}


def private_file(path: Path, text: str) -> None:
    """Writes a file whole or not at all, readable by its owner alone."""
    half = path.with_name(f".{path.name}.new")
    half.touch(mode=0o600)
    half.write_text(text, encoding="utf-8")
    half.replace(path)

"""`hub claim`: a one-time code for a room that makes its own keys, and a person's word on it."""

from __future__ import annotations

import base64
import secrets
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Row, select

from hub.app import Hub
from hub.cli.enroll import PublicKeys, Wish, check_room, register
from hub.config import ConfigError
from hub.fleet.enrolments import APPROVED, REFUSED, decide, offer, waiting
from hub.keys.authority import read_request
from hub.ports import Actor, allow
from hub.store.tables_core import enrolments
from protocols.messages.enrolment import CODE_BYTES, code_text

REFUSING: Final = ("home_manager", "deputy", "guest_coordinator", "technician", "administrator")
"""Who may turn a request away; letting in takes the venue's key."""


def make(hub: Hub, wish: Wish, *, by: str) -> str:
    """A fresh code for a room; it is shown once, the hub keeps its hash.

    Raises:
        ConfigError: no room can be that, or this hub's broker knows no certificates.
    """
    if not hub.config.mqtt_tls:
        raise ConfigError(
            "rooms cannot enrol themselves here\n  where: hub.toml [hub] mqtt_tls\n"
            "  expected: true\n  got: false\n  do: use `hub enroll --out`, or write mqtt_tls = true"
        )
    check_room(hub, wish)
    code = code_text(secrets.token_bytes(CODE_BYTES))
    room = asdict(wish)
    room["stations"] = room.pop("count")
    with hub.store.write() as conn:
        offer(conn, hub, code, room, by)
    return code


def listed(hub: Hub) -> list[dict[str, str]]:
    """Every code that was made, newest first; never the code."""
    with hub.store.read() as conn:
        rows = conn.execute(select(enrolments).order_by(enrolments.c.made_at.desc())).all()
    return [
        {
            "place": f"{one.org}-{one.room}",
            "state": one.state,
            "until": one.until_at.isoformat(timespec="minutes"),
            "fingerprint": one.fingerprint,
        }
        for one in rows
    ]


def approve(hub: Hub, fingerprint: str, *, secret: str, by: str) -> str:
    """Lets in the room whose request has this fingerprint; returns the controller's id.

    Args:
        hub: of `build(config, services=False)`.
        fingerprint: as the room shows it.
        secret: password of a manager who holds the venue's key.
        by: who says so, for the record.

    Raises:
        ConfigError: no request with this fingerprint waits.
        Problem: the secret opens no venue key, or somebody else decided meanwhile.
    """
    row = _waiting(hub, fingerprint)
    venue = hub.keys.venue_signer(row.org, secret)
    asked = row.request
    tls = read_request(asked["csr"].encode("ascii"))
    keys = PublicKeys(bytes.fromhex(asked["sign"]), bytes.fromhex(asked["seal"]), tls)
    with hub.store.write() as conn:
        made = register(hub, venue, Wish(row.org, row.room, row.name, row.stations), keys)
        answer = {
            "id": made.about,
            "tls.crt": made.tls.decode("ascii"),
            "ca.crt": hub.admission.authority.pem.decode("ascii"),
            "cert.er1": base64.b64encode(made.cert).decode("ascii"),
            "trust.json": base64.b64encode(hub.keys.trust(conn).encode()).decode("ascii"),
        }
        decide(conn, hub, row, APPROVED, by, answer)
    return str(made.about["ctl"])


def refuse(hub: Hub, fingerprint: str, *, actor: Actor) -> None:
    """Turns a request away: the room shows another fingerprint, or nobody knows of it.

    Raises:
        ConfigError: no request with this fingerprint waits.
        Problem: 403 another organisation's, or a role that keeps no rooms.
    """
    row = _waiting(hub, fingerprint)
    allow(actor, REFUSING, org=row.org)
    with hub.store.write() as conn:
        decide(conn, hub, row, REFUSED, actor.post, {})


def _waiting(hub: Hub, fingerprint: str) -> Row[Any]:
    with hub.store.read() as conn:
        row = waiting(conn, fingerprint)
    if row is None:
        raise ConfigError(
            "no room with these keys waits\n  where: --fingerprint\n"
            "  expected: one that `hub claim list` shows as asked, and the room too\n"
            f"  got: {fingerprint[:60]}\n  do: if the two ends differ, make a new code"
        )
    return row

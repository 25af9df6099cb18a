"""`hub enroll`: a room controller gets its keys, its venue's certificate and its way to the broker.

Everything is made here and handed over in one folder, to be carried to the room; the hub keeps the
public halves only. Enrolling the same place again replaces the controller that was there.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, func, select

from hub import crypto
from hub.app import Hub
from hub.booking.body import PLACE
from hub.broker import free_port
from hub.cli.handout import private_file, write_broker_users, write_trust
from hub.cli.initialise import ENTROPY_BYTES, add_room
from hub.cli.parsers import STATIONS, STATIONS_MAX
from hub.config import ConfigError
from hub.keys.authority import key_pem, new_key
from hub.store.tables_core import controllers, organisations, rooms, stations
from protocols.messages.identity import controller_id, shard

NAME_CHARS_MAX: Final = 40
"""As much as a tile of the board can show."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What was made: the controller's id, its place, the folder to carry to the room."""

    ctl: str
    place: str
    folder: Path


def enroll(
    hub: Hub,
    *,
    org: str,
    room: str,
    name: str,
    secret: str,
    out: Path,
    count: int | None = None,
) -> Enrolled:
    """Makes a controller for a room.

    Args:
        hub: of `build(config, services=False)`.
        org: the venue.
        room: number of the room within the venue, as its id has it.
        name: what people call the room. One that is not there yet is added with its stations.
        secret: password of a manager who holds the venue's key.
        out: new folder for the room's files.
        count: stations of a room that is not there yet; None means four.

    Raises:
        ConfigError: unknown organisation, a room of another number of stations, or the folder
            holds an enrolment.
        Problem: the secret opens no venue key.
    """
    _refuse(hub, org, out)
    _refuse_words(org, room, name)
    _refuse_count(hub, f"{org}-{room}", count)
    venue = hub.keys.venue_signer(org, secret)
    ctl = controller_id(secrets.token_bytes(ENTROPY_BYTES))
    seed = crypto.new_seed()
    pub = crypto.public_of(seed)
    seal_private, seal_public = crypto.new_seal_key()
    kid = crypto.signer(seed, "controller").kid
    tls_key = new_key()
    cert = hub.keys.certify_with(
        venue,
        org,
        subject=ctl,
        kind="controller",
        roles=["controller"],
        kid=kid,
        pub=pub.hex(),
    )
    with hub.store.write() as conn:
        org_name = conn.execute(
            select(organisations.c.name).where(organisations.c.id == org)
        ).scalar_one()
        place = add_room(conn, org=org, room=room, name=name, count=count or STATIONS)
        _replace(hub, conn, place)
        keys = {"sign_kid": kid, "sign_pub": pub.hex(), "seal_pub": seal_public.hex()}
        row = {"ctl": ctl, "place": place, "org": org, "mqtt_user": ctl, "state": "enrolled"}
        more = {"enrolled_at": hub.clock.wall(), "held": False}
        conn.execute(controllers.insert().values({**row, **keys, **more}))
        conn.execute(rooms.update().where(rooms.c.id == place).values(ctl=ctl, name=name))
        admitted = hub.admission.admit(conn, ctl, tls_key.public_key())
        data = {"ctl": ctl, "place": place, "kids": [kid]}
        hub.facts.append(conn, type="controller.enrolled", session="", data=data)
    write_broker_users(hub)
    write_trust(hub)
    about = _identity(hub, ctl=ctl, place=place, org=org)
    about |= {"place_name": name, "org_name": org_name}
    _write_folder(hub, out, keys=(seed, seal_private), cert=cert)
    _write_tls(out, key=key_pem(tls_key), cert=admitted.pem, ca=hub.admission.authority.pem)
    # Last, because with it the folder is whole.
    private_file(out / "id.json", json.dumps(about, ensure_ascii=False, indent=1) + "\n")
    return Enrolled(ctl=ctl, place=place, folder=out)


def _write_folder(hub: Hub, out: Path, *, keys: tuple[bytes, bytes], cert: bytes) -> None:
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    crypto.write_private(out / "sign.key", keys[0])
    crypto.write_private(out / "seal.key", keys[1])
    (out / "cert.er1").write_bytes(cert)
    (out / "trust.json").write_bytes(hub.config.trust.read_bytes())


def broker_port(hub: Hub) -> int:
    """The port the broker listens on; one that the broker has yet to choose is chosen here.

    What is carried to a room must hold from then on, also when the hub has never run.
    """
    kept = hub.config.broker_folder / "port"
    if hub.config.mqtt_port:
        return hub.config.mqtt_port
    if not kept.exists():
        hub.config.broker_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        private_file(kept, f"{free_port(hub.config.mqtt_host)}\n")
    return int(kept.read_text(encoding="ascii"))


def _identity(hub: Hub, *, ctl: str, place: str, org: str) -> dict[str, Any]:
    tls = hub.config.mqtt_tls
    return {
        "ctl": ctl,
        "place": place,
        "org": org,
        "shard": shard(ctl),
        "hub": hub.config.hub,
        "mqtt": {
            "host": hub.config.mqtt_host,
            "port": broker_port(hub),
            "user": ctl,
            "password": "" if tls else hub.keys.broker_password(ctl),
            "tls": tls,
        },
        "url": hub.config.url,
    }


def _refuse(hub: Hub, org: str, out: Path) -> None:
    with hub.store.read() as conn:
        known = conn.execute(select(organisations.c.id).order_by(organisations.c.id)).scalars()
        orgs = list(known)
    if org not in orgs:
        raise ConfigError(
            f"no such organisation\n  where: --org\n  expected: one of {', '.join(orgs)}\n"
            f"  got: {org}\n  do: check the spelling"
        )
    if (out / "id.json").exists():
        raise ConfigError(
            f"this folder holds an enrolment already\n  where: {out}\n  expected: a new folder\n"
            "  got: id.json\n  do: choose another --out; keys are never overwritten"
        )


def _refuse_words(org: str, room: str, name: str) -> None:
    """The place becomes part of addresses and of every station's id."""
    if PLACE.match(f"{org}-{room}") is None:
        raise ConfigError(
            "no room can have this id\n  where: --room\n  expected: 1 to 8 of a-z 0-9, for example "
            f"301\n  got: {room}\n  do: give a short id; what stands on the door goes into --name"
        )
    if not 0 < len(name.strip()) <= NAME_CHARS_MAX or not name.isprintable():
        raise ConfigError(
            "no room can have this name\n  where: --name\n  expected: 1 to "
            f"{NAME_CHARS_MAX} characters on one line\n  got: {name!r}\n"
            "  do: give the name as on the door"
        )


def _refuse_count(hub: Hub, place: str, count: int | None) -> None:
    """Stations are made with their room; bookings hang on them from then on."""
    if count is None:
        return
    expected = f"1 to {STATIONS_MAX}"
    with hub.store.read() as conn:
        query = select(func.count()).select_from(stations).where(stations.c.room == place)
        there = conn.execute(query).scalar_one()
    if there:
        expected = f"{there}, as the room has had since it was added"
    if not 1 <= count <= STATIONS_MAX or there not in {0, count}:
        raise ConfigError(
            f"no room can have so many stations\n  where: --stations\n  expected: {expected}\n"
            f"  got: {count}\n  do: count the stations, or leave --stations away"
        )


def _replace(hub: Hub, conn: Connection, place: str) -> None:
    """The controller that was here before is neither listened to nor let in any longer."""
    before = select(controllers.c.ctl).where(controllers.c.place == place)
    for ctl in conn.execute(before).scalars().all():
        hub.admission.shut_out(conn, ctl, "replaced")
    conn.execute(controllers.update().where(controllers.c.place == place).values(state="replaced"))


def _write_tls(out: Path, *, key: bytes, cert: bytes, ca: bytes) -> None:
    """What the room shows the broker, and what it checks the broker's certificate with."""
    private_file(out / "tls.key", key.decode("ascii"))
    (out / "tls.crt").write_bytes(cert)
    (out / "ca.crt").write_bytes(ca)

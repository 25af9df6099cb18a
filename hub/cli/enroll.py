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

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection, func, select

from hub import crypto
from hub.app import Hub
from hub.booking.body import PLACE
from hub.broker import free_port
from hub.cli.handout import private_file, write_trust
from hub.cli.initialise import ENTROPY_BYTES, add_room
from hub.cli.parsers import STATIONS, STATIONS_MAX
from hub.config import ConfigError
from hub.fleet.broker_users import write_broker_users
from hub.keys.authority import key_pem, new_key
from hub.store.tables_core import controllers, organisations, rooms, stations
from protocols.messages.identity import controller_id, shard
from protocols.messages.identity import kid as kid_of
from protocols.messages.signed import Signer

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
    if (out / "id.json").exists():
        raise ConfigError(
            f"this folder holds an enrolment already\n  where: {out}\n  expected: a new folder\n"
            "  got: id.json\n  do: choose another --out; keys are never overwritten"
        )
    check_room(hub, Wish(org, room, name, count))
    venue = hub.keys.venue_signer(org, secret)
    seed, tls_key = crypto.new_seed(), new_key()
    seal_private, seal_public = crypto.new_seal_key()
    keys = PublicKeys(crypto.public_of(seed), seal_public, tls_key.public_key())
    wish = Wish(org, room, name, count)
    made = register(hub, venue, wish, keys)
    _write_folder(hub, out, keys=(seed, seal_private), cert=made.cert)
    _write_tls(out, key=key_pem(tls_key), cert=made.tls, ca=hub.admission.authority.pem)
    # Last, because with it the folder is whole.
    private_file(out / "id.json", json.dumps(made.about, ensure_ascii=False, indent=1) + "\n")
    return Enrolled(ctl=made.about["ctl"], place=made.about["place"], folder=out)


@dataclass(frozen=True, slots=True)
class Wish:
    """The room a controller is for; `count` stations of one that is not there yet."""

    org: str
    room: str
    name: str
    count: int | None


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """A controller's three public keys: Ed25519 and X25519 raw, and that of TLS."""

    sign: bytes
    seal: bytes
    tls: ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Registered:
    """What a room is handed: who it is (`id.json`), its venue's certificate, its TLS one (PEM)."""

    about: dict[str, Any]
    cert: bytes
    tls: bytes


def register(hub: Hub, venue: Signer, wish: Wish, keys: PublicKeys) -> Registered:
    """Makes a controller of these keys the one of its room; see `enroll` for what is checked."""
    ctl = controller_id(secrets.token_bytes(ENTROPY_BYTES))
    kid = kid_of(keys.sign)
    cert = hub.keys.certify_with(
        venue,
        wish.org,
        subject=ctl,
        kind="controller",
        roles=["controller"],
        kid=kid,
        pub=keys.sign.hex(),
    )
    with hub.store.write() as conn:
        named = select(organisations.c.name).where(organisations.c.id == wish.org)
        org_name = conn.execute(named).scalar_one()
        count = wish.count or STATIONS
        place = add_room(conn, org=wish.org, room=wish.room, name=wish.name, count=count)
        _replace(hub, conn, place)
        publics = {"sign_kid": kid, "sign_pub": keys.sign.hex(), "seal_pub": keys.seal.hex()}
        row = {"ctl": ctl, "place": place, "org": wish.org, "mqtt_user": ctl, "state": "enrolled"}
        more = {"enrolled_at": hub.clock.wall(), "held": False}
        conn.execute(controllers.insert().values({**row, **publics, **more}))
        conn.execute(rooms.update().where(rooms.c.id == place).values(ctl=ctl, name=wish.name))
        admitted = hub.admission.admit(conn, ctl, keys.tls)
        data = {"ctl": ctl, "place": place, "kids": [kid]}
        hub.facts.append(conn, type="controller.enrolled", session="", data=data)
    hub.store.after_commit(lambda: write_broker_users(hub))
    hub.store.after_commit(lambda: _new_trust(hub))
    about = _identity(hub, ctl=ctl, place=place, org=wish.org)
    about |= {"place_name": wish.name, "org_name": org_name}
    return Registered(about, cert, admitted.pem)


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


def _new_trust(hub: Hub) -> None:
    write_trust(hub)


def check_room(hub: Hub, wish: Wish) -> None:
    """Whether a controller may be made for this room.

    Raises:
        ConfigError: unknown organisation, an id or name no room can have, another number of
            stations than the room has.
    """
    _refuse(hub, wish.org)
    _refuse_words(wish.org, wish.room, wish.name)
    _refuse_count(hub, f"{wish.org}-{wish.room}", wish.count)


def _refuse(hub: Hub, org: str) -> None:
    with hub.store.read() as conn:
        known = conn.execute(select(organisations.c.id).order_by(organisations.c.id)).scalars()
        orgs = list(known)
    if org not in orgs:
        raise ConfigError(
            f"no such organisation\n  where: --org\n  expected: one of {', '.join(orgs)}\n"
            f"  got: {org}\n  do: check the spelling"
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

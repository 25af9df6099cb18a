"""`hub init`: organisations, pairing, the hub's key; with `--demo` a whole town to play with.

A real hub starts with organisations and pairings only: venue keys come with each venue's first
manager (`hub user add`), so that no secret is ever known to whoever installed the program.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, select

from hub import crypto
from hub.accounts.actor import SIGNING_ROLES, VENUE_KEY_ROLES
from hub.accounts.hashing import hash_password
from hub.app import POLICY, Hub, build
from hub.cli.handout import write_trust
from hub.config import FILE, Config, ConfigError
from hub.crypto import FULL, Derived, Stretch
from hub.fleet.broker_users import write_broker_users
from hub.keys.keyring import ROLE_VENUE
from hub.problem_words import organisation_names
from hub.store.engine import set_meta
from hub.store.tables_core import organisations, pairings, rooms, stations
from protocols.messages.identity import hub_id
from protocols.messages.signed import Signer
from protocols.policy.pairing import Pairing

DEMO_HOME: Final = "hubei"
DEMO_ROOMS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    DEMO_HOME: (("301", "301"), ("302", "302")),
}
DEMO_GUEST_ROOMS: Final = (("1", "一室"), ("2", "二室"))
DEMO_STATIONS: Final = 4
DEMO_PIN: Final = "20261124"
DEMO_ROLES: Final = (
    "home_manager",
    "deputy",
    "operator",
    "room_staff",
    "room_staff2",
    "guest_coordinator",
    "witness",
    "fault_handler",
    "supervisor",
    "technician",
    "administrator",
    "tenderer_agent",
)
ENTROPY_BYTES: Final = 6

POST_PREFIX: Final[Mapping[str, str]] = {
    "hubei": "HB",
    "shiyan": "SY",
    "yichang": "YC",
    "huanggang": "HG",
    "jiangsu": "JS",
    "shandong": "SD",
    "hunan": "HN",
    "guangdong": "GD",
    "chongqing": "CQ",
    "sichuan": "SC",
    "xinjiang": "XJ",
    "xpcc": "BT",
    "nanjing": "NJ",
    "dalian": "DL",
    "changsha": "CS",
    "jilin": "JL",
    "suzhou": "SZ",
    "nantong": "NT",
    "huzhou": "HZ",
    "huainan": "HA",
    "zibo": "ZB",
    "foshan": "FS",
    "guangyuan": "GY",
    "dazhou": "DZ",
}
"""How a unit's posts begin; people are shown by post, never by name."""


@dataclass(frozen=True, slots=True)
class _Secrets:
    """One organisation's demonstration secrets with what is derived from them, once."""

    password: str
    pin: str
    password_hash: str
    password_key: Derived
    pin_key: Derived
    stretch: Stretch


def init(
    config: Config,
    *,
    demo_orgs: Sequence[str] = (),
    say: Any = lambda _text: None,
    stretch: Stretch = FULL,
) -> Config:
    """Makes a data folder with the hub's key, its database and its organisations.

    Args:
        config: where and what kind of hub.
        demo_orgs: organisations a demonstration gets people for; none means the home venue with
            all its paired guests.
        say: gets a line per step.
        stretch: what guessing a secret of this hub costs; `build` takes the same.

    Raises:
        ConfigError: there is a hub in that folder already, or an organisation nobody knows.
    """
    if (config.data / FILE).exists():
        raise ConfigError(
            f"there is a hub already\n  where: {config.data}\n  expected: an empty or new folder\n"
            f"  got: {FILE}\n  do: choose another folder, or `evalroom hub serve {config.data}`"
        )
    _refuse_strangers(demo_orgs)
    for folder in (config.data, config.hub_key.parent, config.blobs, config.packages):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    seed = crypto.new_seed()
    crypto.write_private(config.hub_key, seed)
    say("hub key made")
    hub = build(config, services=False, stretch=stretch)
    with hub.store.write() as conn:
        set_meta(conn, "hub", config.hub)
        set_meta(conn, "generation", "1")
        _load_units(conn)
    say("organisations and pairings loaded")
    if config.demo:
        _demo(hub, demo_orgs, say)
    write_broker_users(hub)
    write_trust(hub)
    hub.close()
    config.write()
    return config


def _refuse_strangers(orgs: Sequence[str]) -> None:
    known = organisation_names()
    strange = sorted(set(orgs) - set(known))
    if strange:
        raise ConfigError(
            f"no such organisation\n  where: --demo-orgs\n  expected: of {', '.join(known)}\n"
            f"  got: {', '.join(strange)}\n  do: check the spelling"
        )


def new_hub_id() -> str:
    """A fresh hub id."""
    return hub_id(secrets.token_bytes(ENTROPY_BYTES))


def _load_units(conn: Connection) -> None:
    raw = json.loads((POLICY / "data" / "units.json").read_text(encoding="utf-8"))
    pairing = Pairing.from_json(raw)
    kinds = {"implementing_units": "implementing", "assisting_units": "assisting"}
    for part, kind in kinds.items():
        for unit in raw[part]:
            conn.execute(
                organisations.insert().values(
                    id=unit["id"],
                    name=unit["name"],
                    name_en=organisation_names()[unit["id"]][1],
                    level=unit["level"],
                    kind=kind,
                )
            )
    for home, guests in sorted(pairing.pairs.items()):
        for guest in sorted(guests):
            conn.execute(pairings.insert().values(home=home, guest=guest))


def add_room(conn: Connection, *, org: str, room: str, name: str, count: int) -> str:
    """Adds a room with its stations if it is not there; returns the place id."""
    place = f"{org}-{room}"
    if conn.execute(select(rooms.c.id).where(rooms.c.id == place)).first() is not None:
        return place
    conn.execute(rooms.insert().values(id=place, org=org, room=room, name=name, ctl=None))
    for n in range(1, count + 1):
        conn.execute(
            stations.insert().values(
                id=f"{place}-{n}",
                room=place,
                org=org,
                n=n,
                locker=n,
                kind="evaluation",
                active=True,
            )
        )
    return place


# The demonstration's town


def _demo(hub: Hub, wanted: Sequence[str], say: Any) -> None:
    with hub.store.read() as conn:
        guests = conn.execute(
            select(pairings.c.guest).where(pairings.c.home == DEMO_HOME)
        ).scalars()
        orgs = list(wanted) or [DEMO_HOME, *sorted(guests)]
    # The secrets of a demonstration are written down for everybody, so one PIN for all and one
    # password per organisation do; what protects keys is as slow as in earnest, but derived once.
    stretch = hub.keys.stretch
    pin_key = crypto.derive(DEMO_PIN, secrets.token_bytes(crypto.SALT_BYTES), stretch)
    with ThreadPoolExecutor(max_workers=2) as pool:
        found = pool.map(lambda org: _secrets_of(org, pin_key, stretch), orgs)
        made = dict(zip(orgs, found, strict=True))
    accounts: list[dict[str, Any]] = []
    with hub.store.write() as conn:
        for org in orgs:
            for room, name in DEMO_ROOMS.get(org, DEMO_GUEST_ROOMS):
                add_room(conn, org=org, room=room, name=name, count=DEMO_STATIONS)
            accounts += _people(hub, conn, org, made[org])
            say(f"{org}: rooms, people and keys")
    _write_json(hub.config.data / "demo-accounts.json", accounts)


def _secrets_of(org: str, pin_key: Derived, stretch: Stretch) -> _Secrets:
    password = f"demo-{org}-2026"
    salt = secrets.token_bytes(crypto.SALT_BYTES)
    return _Secrets(
        password=password,
        pin=DEMO_PIN,
        password_hash=hash_password(password),
        password_key=crypto.derive(password, salt, stretch),
        pin_key=pin_key,
        stretch=stretch,
    )


def _people(hub: Hub, conn: Connection, org: str, known: _Secrets) -> list[dict[str, Any]]:
    """Users of one organisation, its venue key held by its managers, everyone certified."""
    listed = [_person(hub, conn, org, role, known) for role in DEMO_ROLES]
    seed = crypto.new_seed()
    venue = crypto.signer(seed, ROLE_VENUE)
    holders = [one["person"] for one in listed if set(one["roles"]) & set(VENUE_KEY_ROLES)]
    hub.keys.add_key(
        conn,
        owner_kind="venue",
        owner=org,
        pub=crypto.public_of(seed),
        wraps={
            holder: crypto.wrap_with(known.password_key, seed, known.stretch) for holder in holders
        },
    )
    for one in listed:
        if set(one["roles"]) & SIGNING_ROLES:
            _person_key(hub, conn, venue, org, one, known)
    _system(hub, venue, org)
    return listed


def _person(hub: Hub, conn: Connection, org: str, role: str, known: _Secrets) -> dict[str, Any]:
    roles = [role.rstrip("2")]
    login = f"{org}.{role}"
    post = hub.accounts.register.next_post(conn, POST_PREFIX.get(org, org[:2].upper()))
    person = hub.accounts.register.create(
        conn, login=login, password_hash=known.password_hash, post=post, org=org, roles=roles
    )
    return {
        "login": login,
        "password": known.password,
        "pin": known.pin,
        "post": post,
        "person": person,
        "org": org,
        "roles": roles,
        "lang": "zh-CN",
    }


def _person_key(
    hub: Hub,
    conn: Connection,
    venue: Signer,
    org: str,
    one: Mapping[str, Any],
    known: _Secrets,
) -> None:
    seed = crypto.new_seed()
    pub = crypto.public_of(seed)
    wraps = {one["person"]: crypto.wrap_with(known.pin_key, seed, known.stretch)}
    kid = hub.keys.add_key(conn, owner_kind="person", owner=one["person"], pub=pub, wraps=wraps)
    hub.keys.certify_with(
        venue,
        org,
        subject=one["person"],
        kind="person",
        roles=sorted(one["roles"]),
        kid=kid,
        pub=pub.hex(),
    )


def _system(hub: Hub, venue: Signer, org: str) -> None:
    """The key of this venue's evaluation system, for its signed statements."""
    folder = hub.config.data / "demo-system"
    folder.mkdir(mode=0o700, exist_ok=True)
    seed = crypto.new_seed()
    pub = crypto.public_of(seed)
    crypto.write_private(folder / f"{org}.key", seed)
    raw = hub.keys.certify_with(
        venue,
        org,
        subject=f"system-{org}",
        kind="system",
        roles=["system"],
        kid=crypto.signer(seed, "system").kid,
        pub=pub.hex(),
    )
    (folder / f"{org}.er1").write_bytes(raw)


def _write_json(path: Path, value: Mapping[str, Any] | Sequence[Any]) -> None:
    half = path.with_suffix(".new")
    half.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    half.chmod(0o600)
    half.replace(path)

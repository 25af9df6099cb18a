"""A small platform for tests: two venues, their rooms, people with PINs and keys, a still clock."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import insert

from hub import crypto
from hub.accounts import Accounts, Actor
from hub.archive.service import Archive
from hub.booking.service import Booking
from hub.bus import Bus
from hub.contingency.service import Contingency
from hub.facts import Facts
from hub.fleet.outbound import Fleet
from hub.fleet.rooms import LiveRooms
from hub.guard import Guard
from hub.keys.keyring import Keys
from hub.media.blobs import Blobs
from hub.projection import Projector
from hub.recording.ingest import Ingest
from hub.recording.recorder import Recorder
from hub.session.service import Sessions
from hub.store.engine import Store
from hub.store.metadata import metadata
from hub.store.schema_objects import create_schema_objects
from hub.store.tables_core import controllers, organisations, pairings, rooms, stations, users
from hub.transparency.log import EventLog, Period
from protocols.messages.identity import kid as kid_of
from protocols.messages.signed import Signer
from protocols.policy.pack import Pack
from protocols.policy.workdays import Calendar

POLICY = Path(__file__).resolve().parents[3] / "protocols" / "policy"
PIN = "13572468"
PASSWORD = "correct horse battery"  # noqa: S105 - of a venue that exists in tests alone
ROLES = (
    "home_manager",
    "deputy",
    "operator",
    "room_staff",
    "guest_coordinator",
    "witness",
    "fault_handler",
    "supervisor",
)
SIGNING = frozenset(ROLES) - {"supervisor"}
NOW = datetime(2026, 11, 16, 2, 0, tzinfo=UTC)
START = "2026-11-24T09:00:00+08:00"
CTLS = {"hubei": "c-0000000000a1", "changsha": "c-0000000000b2"}
PLACES = {"hubei": "hubei-301", "changsha": "changsha-2"}
CHEAP = crypto.Stretch(wrap_n=2**6, tag_n=2**6)
"""For tests whose matter is not the stretching of secrets; tests of that take the real cost."""
NUMBERS = ("42220119310203900X", "422301193506079135", "422401193901239018")


@dataclass
class StandingClock:
    """A clock that tests move; wall and steady time apart."""

    now: datetime = NOW
    mono: int = 1_000_000

    def wall(self) -> datetime:
        return self.now

    def mono_ms(self) -> int:
        return self.mono

    def trust(self) -> str:
        return "ntp"

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.mono += int(seconds * 1000)


def id_number(body: str) -> str:
    """An identity number with the right check character."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(d) * w for d, w in zip(body, weights, strict=True))
    return body + "10X98765432"[total % 11]


@dataclass
class Town:
    """The hub's parts as the services want them."""

    store: Store
    clock: StandingClock
    keys: Keys
    facts: Facts
    bus: Bus
    rooms: LiveRooms
    fleet: Fleet
    projector: Projector
    accounts: Accounts
    pack: Pack
    calendar: Calendar
    media: Blobs
    ingest: Ingest
    event_log: EventLog
    data: Path
    demo: bool = True
    guard: Guard = field(default_factory=Guard)
    actors: dict[str, Actor] = field(default_factory=dict)
    seeds: dict[str, bytes] = field(default_factory=dict)
    booking: Booking = field(init=False)
    sessions: Sessions = field(init=False)
    contingency: Contingency = field(init=False)
    archive: Archive = field(init=False)

    @property
    def recorder(self) -> Recorder:
        """What takes a room's batches in."""
        return self.ingest.recorder

    def who(self, login: str) -> Actor:
        return self.actors[login]


@cache
def _policy(pack: str) -> tuple[Pack, list[Any]]:
    """The pack and the working-day notices, read once: nothing in them changes."""
    parsed = Pack.parse(yaml.safe_load((POLICY / "packs" / pack).read_text("utf-8")))
    return parsed, [json.loads((POLICY / "data" / "calendar-2026.json").read_text("utf-8"))]


def build_town(
    folder: Path,
    *,
    demo: bool = True,
    pack: str = "demo.yaml",
    like: Town | None = None,
    url: str = "",
) -> Town:
    """A hub with 湖北 and 长沙, their people and rooms; nothing is booked, or all as in `like`.

    `url`: a database elsewhere; with `like` it is that town's own, which both then write to.
    """
    if like is None:
        store = Store(url or f"sqlite:///{folder}/hub.sqlite")
        with store.write() as conn:
            metadata.create_all(conn)
            create_schema_objects(conn)
        town = _parts(folder, store, StandingClock(), crypto.new_seed(), pack)
        _people(town)
    else:
        if not url:
            copy_database(like.data / "hub.sqlite", folder / "hub.sqlite")
        store = Store(url or f"sqlite:///{folder}/hub.sqlite")
        clock = StandingClock(like.clock.now, like.clock.mono)
        town = _parts(folder, store, clock, like.seeds["hub"], pack)
        town.seeds, town.actors = dict(like.seeds), dict(like.actors)
        town.rooms.refresh()
    town.demo = demo
    _services(town)
    return town


def _parts(folder: Path, store: Store, clock: StandingClock, seed: bytes, pack: str) -> Town:
    hub, timed = "h-0123456789ab", {"store": store, "clock": clock}
    keys = Keys(**timed, hub=hub, hub_seed=seed, stretch=CHEAP)  # type: ignore[arg-type]
    facts = Facts(**timed, hub=hub, signer=keys.hub_signer())  # type: ignore[arg-type]
    bus = Bus()
    live = LiveRooms(**timed, bus=bus)  # type: ignore[arg-type]
    parsed, notices = _policy(pack)
    policy = {"pack": json.loads(parsed.canonical()), "calendar": notices}
    fleet = Fleet(**timed, keys=keys, facts=facts, rooms=live, policy=policy)  # type: ignore[arg-type]
    return Town(
        store=store,
        clock=clock,
        keys=keys,
        facts=facts,
        bus=bus,
        rooms=live,
        fleet=fleet,
        projector=Projector(**timed, bus=bus),  # type: ignore[arg-type]
        accounts=Accounts(**timed, facts=facts, secure=False),  # type: ignore[arg-type]
        pack=parsed,
        calendar=Calendar.from_json(notices),
        media=Blobs(**timed, folder=folder / "blobs"),  # type: ignore[arg-type]
        ingest=Ingest(**timed, keys=keys, facts=facts, rooms=live, fleet=fleet, bus=bus),  # type: ignore[arg-type]
        event_log=EventLog(**timed, keys=keys, facts=facts, period=Period()),  # type: ignore[arg-type]
        data=folder,
        seeds={"hub": seed},
    )


def _services(town: Town) -> None:
    town.booking, town.sessions = Booking(town), Sessions(town)
    town.contingency, town.archive = Contingency(town), Archive(town)
    for service in (town.booking, town.sessions, town.contingency, town.archive, town.media):
        register = getattr(service, "register", None)
        if register is not None:
            register(town.projector)
    town.fleet.register(town.projector)
    town.rooms.on_link(town.contingency.on_link)
    town.rooms.on_hearing(town.contingency.on_hearing)
    town.projector.before_turn(town.rooms.refresh)


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy, though the source is open."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        new.execute("PRAGMA synchronous = OFF")
        old.backup(new)


def _people(town: Town) -> None:
    units = json.loads((POLICY / "data" / "units.json").read_text("utf-8"))
    known = [*units["implementing_units"], *units["assisting_units"]]
    with town.store.write() as conn:
        for unit in known:
            row = {key: unit[key] for key in ("id", "name", "level")}
            conn.execute(insert(organisations).values(**row, name_en=unit["id"], kind="centre"))
        for home, guests in units["pairings"].items():
            for guest in guests:
                conn.execute(insert(pairings).values(home=home, guest=guest))
        for org in CTLS:
            _venue(conn, town, org)
    wraps = {}
    for org in CTLS:
        town.seeds[f"venue:{org}"] = crypto.new_seed()
        holder = town.actors[f"{org}.home_manager"].person
        wraps[org] = {holder: town.keys.wrap(town.seeds[f"venue:{org}"], PASSWORD)}
    with town.store.write() as conn:
        for org, one in wraps.items():
            pub = crypto.public_of(town.seeds[f"venue:{org}"])
            town.keys.add_key(conn, owner_kind="venue", owner=org, pub=pub, wraps=one)
    for org, ctl in CTLS.items():
        pub = crypto.public_of(town.seeds[f"ctl:{org}"])
        town.keys.certify_with(
            crypto.signer(town.seeds[f"venue:{org}"], "venue"),
            org,
            subject=ctl,
            kind="controller",
            roles=("controller",),
            kid=kid_of(pub),
            pub=pub.hex(),
        )


def _venue(conn: Any, town: Town, org: str) -> None:
    for n, role in enumerate(ROLES):
        person = f"p-{sorted(CTLS).index(org):06x}{n:06x}"
        post = f"{org[:2].upper()}-{n:02d}"
        login = f"{org}.{role}"
        conn.execute(
            insert(users).values(
                person=person,
                login=login,
                post=post,
                org=org,
                roles=[role],
                lang="zh-CN",
                password="",
                active=True,
                created_at=NOW,
            )
        )
        town.actors[login] = Actor(person=person, login=login, post=post, org=org, roles=(role,))
        if role in SIGNING:
            seed = crypto.new_seed()
            wraps = {person: town.keys.wrap(seed, PIN)}
            pub = crypto.public_of(seed)
            town.keys.add_key(conn, owner_kind="person", owner=person, pub=pub, wraps=wraps)
    place = PLACES[org]
    conn.execute(
        insert(rooms).values(
            id=place, org=org, room=place.split("-")[1], name="评标室", ctl=CTLS[org]
        )
    )
    for spare in ("9",):
        conn.execute(
            insert(rooms).values(id=f"{org}-{spare}", org=org, room=spare, name="备用室", ctl=None)
        )
    for room in (place, f"{org}-9"):
        for n in range(1, 5):
            conn.execute(
                insert(stations).values(
                    id=f"{room}-{n}",
                    room=room,
                    org=org,
                    n=n,
                    locker=n,
                    kind="open",
                    active=True,
                )
            )
    sign, (seal, seal_pub) = crypto.new_seed(), crypto.new_seal_key()
    town.seeds[f"ctl:{org}"], town.seeds[f"seal:{org}"] = sign, seal
    conn.execute(
        insert(controllers).values(
            ctl=CTLS[org],
            place=place,
            org=org,
            sign_kid=kid_of(crypto.public_of(sign)),
            sign_pub=crypto.public_of(sign).hex(),
            seal_pub=seal_pub.hex(),
            mqtt_user=CTLS[org],
            state="enrolled",
            enrolled_at=NOW,
            held=False,
        )
    )


def request_body(**changes: Any) -> dict[str, Any]:
    """A request that every rule accepts."""
    body: dict[str, Any] = {
        "kind": "evaluation",
        "project_code": "HBSJ-2026-117",
        "project_kind": "construction",
        "home_org": "hubei",
        "start_at": START,
        "duration_min": 480,
        "venues": [
            {
                "org": "hubei",
                "place": "hubei-301",
                "stations": ["hubei-301-1", "hubei-301-2", "hubei-301-3"],
                "experts": 2,
                "tenderer_reps": 1,
            },
            {
                "org": "changsha",
                "place": "changsha-2",
                "stations": ["changsha-2-1", "changsha-2-2"],
                "experts": 2,
                "tenderer_reps": 0,
            },
        ],
        "draw_conditions": "市政工程",
    }
    return {**body, **changes}


def members_of(org: str) -> list[dict[str, Any]]:
    """Made-up members of one venue, with numbers that pass the check."""
    if org == "hubei":
        rows = [(1, "expert"), (2, "tenderer_rep"), (3, "expert")]
    else:
        rows = [(4, "expert"), (5, "expert")]
    return [
        {
            "no": no,
            "kind": kind,
            "name": f"赵文{no}",
            "id_number": id_number(f"4222011931020{no}90{no}"[:17]),
        }
        for no, kind in rows
    ]


DUTY = {
    "hubei": ("home_manager", "room_staff", "witness"),
    "changsha": ("home_manager", "guest_coordinator", "room_staff"),
}


def booked(town: Town, **changes: Any) -> dict[str, Any]:
    """A confirmed booking."""
    answer = town.booking.request(town.who("hubei.operator"), request_body(**changes))
    number = answer["number"]
    town.booking.accept(town.who("changsha.guest_coordinator"), number, {"meal_fen": 3000})
    return town.booking.confirm(town.who("hubei.operator"), number)


def published(town: Town, **changes: Any) -> dict[str, Any]:
    """A booking whose plans stand at both rooms."""
    answer = booked(town, **changes)
    number = answer["number"]
    for org in CTLS:
        entering = town.who(f"{org}.home_manager")
        town.booking.set_members(entering, number, org, members_of(org))
        persons = [{"person": town.who(f"{org}.{r}").person, "role": r} for r in DUTY[org]]
        town.booking.assign_duty(entering, number, persons)
        for role in DUTY[org]:
            town.booking.confirm_duty(town.who(f"{org}.{role}"), number, PIN)
    for org in CTLS:
        answer = town.booking.publish(town.who(f"{org}.home_manager"), number, PASSWORD)
    return answer


NUMBER = "2026-1124-01"


def booking_of(town: Town) -> dict[str, Any]:
    """The one booking, as the home manager sees it."""
    return town.booking.get(town.who("hubei.home_manager"), NUMBER)


def room_signer(town: Town, org: str) -> Signer:
    """The signing key of a room's controller."""
    return crypto.signer(town.seeds[f"ctl:{org}"], "controller")

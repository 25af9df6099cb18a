"""Made once per process and copied per history: keys, a hub's database, an empty journal."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from edge.journal_file import migrate
from hub import crypto
from hub.store.engine import Store, set_meta
from hub.store.metadata import metadata
from hub.store.schema_objects import create_schema_objects
from hub.store.tables_core import controllers, organisations, rooms, stations
from protocols.messages.identity import kid
from protocols.messages.trust import HubKey, TrustFile, VenueKey
from protocols.policy.pack import Pack
from protocols.policy.workdays import Calendar

HUB = "h-0123456789ab"
CTLS = ("c-0000000000a1", "c-0000000000b2", "c-0000000000c3")
STATIONS = 2
BEGIN = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
POLICY = Path(__file__).resolve().parents[2] / "protocols" / "policy"


def seed_of(name: str) -> bytes:
    """A private key of a name: the same in every run, so that every byte is."""
    return hashlib.sha256(f"simulation {name}".encode()).digest()


@dataclass(frozen=True)
class Policy:
    """The pack and calendar that hub and rooms work by."""

    pack: Pack
    calendar: Calendar
    plain: dict[str, Any]


@cache
def policy() -> Policy:
    pack = Pack.parse(yaml.safe_load((POLICY / "packs" / "demo.yaml").read_text("utf-8")))
    notices = [json.loads((POLICY / "data" / "calendar-2026.json").read_text("utf-8"))]
    plain = {"pack": json.loads(pack.canonical()), "calendar": []}
    return Policy(pack, Calendar.from_json(notices), plain)


@cache
def trust() -> TrustFile:
    """What every room was given at commissioning."""
    hub, venue = crypto.public_of(seed_of("hub")), crypto.public_of(seed_of("venue"))
    return TrustFile(
        hub_orders=True,
        checkpoint="none",
        venues=(VenueKey("hubei", "湖北", kid(venue), venue.hex()),),
        hub=HubKey(HUB, kid(hub), hub.hex()),
    )


@cache
def templates(folder: Path) -> tuple[Path, Path]:
    """A hub's database with three enrolled rooms, and an empty journal."""
    folder.mkdir(parents=True, exist_ok=True)
    hub, journal = folder / "hub.sqlite", folder / "journal.sqlite"
    store = Store(f"sqlite:///{hub}")
    with store.write() as conn:
        metadata.create_all(conn)
        create_schema_objects(conn)
        set_meta(conn, "hub", HUB)
        set_meta(conn, "generation", "1")
        row = {"id": "hubei", "name": "湖北", "name_en": "Hubei", "level": "province"}
        conn.execute(organisations.insert().values(**row, kind="centre"))
        for n, ctl in enumerate(CTLS, start=1):
            _room(conn, n, ctl)
    store.close()
    migrate(journal)
    return hub, journal


def _room(conn: Any, n: int, ctl: str) -> None:
    place = f"hubei-{n}"
    conn.execute(rooms.insert().values(id=place, org="hubei", room=str(n), name=f"{n}室", ctl=ctl))
    for one in range(1, STATIONS + 1):
        about = {"id": f"{place}-{one}", "room": place, "org": "hubei", "n": one, "locker": one}
        conn.execute(stations.insert().values(**about, kind="open", active=True))
    public = crypto.public_of(seed_of(ctl))
    conn.execute(
        controllers.insert().values(
            ctl=ctl,
            place=place,
            org="hubei",
            sign_kid=kid(public),
            sign_pub=public.hex(),
            seal_pub="0" * 64,
            mqtt_user=ctl,
            state="enrolled",
            enrolled_at=BEGIN,
            held=False,
        )
    )

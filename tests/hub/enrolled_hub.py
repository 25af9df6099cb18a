"""A hub's data folder as `evalroom hub init --demo` makes it, with one enrolled guest room."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from hub.app import build
from hub.cli.enroll import enroll
from hub.cli.initialise import init, new_hub_id
from hub.config import Config, load
from tests.hub.booking.town import CHEAP

ROOM = "room"  # the room's credentials, in the data folder


def make_folder(data: Path, *, database: str = "") -> None:
    """Makes it; `data / ROOM` holds the credentials of changsha-2.

    Args:
        data: a new folder.
        database: address of an empty one; SQLite in the folder when empty.
    """
    config = Config(data=data, hub=new_hub_id(), demo=True, pack="demo.yaml", database=database)
    init(config, demo_orgs=("hubei", "changsha", "hunan"), stretch=CHEAP)
    rows = json.loads((data / "demo-accounts.json").read_text(encoding="utf-8"))
    secret = next(r["password"] for r in rows if r["login"] == "changsha.home_manager")
    hub = build(load(data), services=False, stretch=CHEAP)
    enroll(hub, org="changsha", room="2", name="二室", secret=secret, out=data / ROOM)
    hub.close()
    shutil.rmtree(data / "broker")  # each copy's broker takes a port of its own

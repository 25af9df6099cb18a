"""Whoever was revoked after the backup is not let in by the hub that comes back from it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from sqlalchemy import select

from edge import certificate
from edge.config import read_credentials
from edge.crypto import read_private, signer
from hub.app import Hub, build
from hub.cli.enroll import enroll
from hub.cli.restore import backup, restore
from hub.cli.serving import Running
from hub.config import load
from hub.fleet.broker_users import write_broker_users
from hub.fleet.renewal import RELEARNT, revoke
from hub.keys.authority import make_authority
from hub.problems import Problem
from hub.store.tables_core import controllers, events
from hub.web.api_media import controller_of
from protocols.messages.enrolment import TLS_PREFIX
from protocols.messages.event import decode_event
from protocols.messages.identity import kid
from tests.hub.booking.town import CHEAP


@dataclass
class Lost:
    """A hub that is gone: its backup, its folder, and who was revoked since."""

    data: Path
    backup: Path
    crl: Path
    room: Path
    ctl: str
    young: int
    """Number of a certificate that was made and revoked after the backup."""


@pytest.fixture
def lost(
    open_hub: Callable[..., Hub],
    accounts: dict[str, dict[str, Any]],
    hub_data: Path,
    room_folder: Path,
    tmp_path: Path,
) -> Lost:
    replace(load(hub_data), mqtt_tls=True, broker="none").write()
    hub = open_hub(mqtt_tls=True)
    backup(hub.config, tmp_path / "backup")
    password = accounts["hunan.home_manager"]["password"]
    enroll(hub, org="hunan", room="2", name="二室", secret=password, out=tmp_path / "young")
    ctls = [read_credentials(one).ctl for one in (room_folder, tmp_path / "young")]
    for ctl, login in zip(ctls, ("changsha.technician", "hunan.technician"), strict=True):
        actor = hub.accounts.sign_in(login, accounts[login]["password"], "127.0.0.1")[1].actor
        revoke(hub, actor, ctl, "存储卡遗失")
    hub.close()
    kept, room = tmp_path / "crl.pem", tmp_path / "room"
    shutil.copy2(hub.config.revoked_certs, kept)
    shutil.copytree(room_folder, room)
    young = certificate.own(tmp_path / "young").serial_number
    return Lost(hub_data, tmp_path / "backup", kept, room, ctls[0], young)


def without_mirror(data: Path) -> None:
    for path in data.rglob("mirror.jsonl*"):
        path.unlink()


def judge(data: Path, lost: Lost, *, fact: bool = True) -> None:
    """The hub in this folder lets the revoked room in nowhere, and says since when."""
    hub = build(load(data), services=False, stretch=CHEAP)
    public, sign = signer(read_private(lost.room / "sign.key"))
    digest = hashlib.sha256(b"x").hexdigest()
    header = f"Evalroom ctl={lost.ctl},kid={kid(public)},"
    header += f"sig={sign(TLS_PREFIX + digest.encode()).hex()}"
    with pytest.raises(Problem, match="upload_not_signed"):
        controller_of(hub, digest, header, TLS_PREFIX)
    assert lost.ctl not in json.loads(hub.config.broker_users.read_text(encoding="utf-8"))
    listed = x509.load_pem_x509_crl(hub.config.revoked_certs.read_bytes())
    own = certificate.own(lost.room).serial_number
    assert {own, lost.young} <= {one.serial_number for one in listed}
    assert listed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == len(listed)
    with hub.store.read() as conn:
        mine = controllers.c.ctl == lost.ctl
        assert conn.execute(select(controllers.c.state).where(mine)).scalar_one() == "revoked"
        query = select(events.c.raw).where(events.c.type == "controller.revoked")
        told = [decode_event(bytes(raw)).data for raw in conn.execute(query).scalars()]
    hub.close()
    assert fact is any((one["ctl"], one["reason"]) == (lost.ctl, RELEARNT) for one in told)


def test_the_damaged_hubs_own_lists_are_believed_where_its_mirror_is_gone(lost: Lost) -> None:
    without_mirror(lost.data)

    done = restore(lost.backup, lost.data)

    assert done["revoked_again"] == [lost.ctl]
    judge(lost.data, lost)


def test_with_the_mirror_the_revocation_itself_is_there(lost: Lost) -> None:
    assert restore(lost.backup, lost.data)["revoked_again"] == []

    judge(lost.data, lost, fact=False)


def test_the_list_that_the_brokers_machine_has_is_enough(lost: Lost, tmp_path: Path) -> None:
    done = restore(lost.backup, tmp_path / "new", revoked=lost.crl)

    assert done["revoked_again"] == [lost.ctl]
    judge(tmp_path / "new", lost)


def test_where_nothing_is_left_the_loss_is_named(lost: Lost, tmp_path: Path) -> None:
    done = restore(lost.backup, tmp_path / "new")

    assert done["revoked_again"] == []
    assert any("revocations after the backup" in one for one in done["lost"])


def test_a_list_of_another_authority_revokes_nobody_and_is_named(
    lost: Lost, tmp_path: Path
) -> None:
    listed = x509.load_pem_x509_crl(lost.crl.read_bytes())
    entries = [(f"{one.serial_number:x}", one.revocation_date_utc) for one in listed]
    foreign = make_authority("h-0123456789ab", entries[0][1])
    (tmp_path / "foreign.pem").write_bytes(foreign.revoked(entries, entries[0][1]))

    done = restore(lost.backup, tmp_path / "new", revoked=tmp_path / "foreign.pem")

    assert done["revoked_again"] == []
    assert any("foreign.pem" in one for one in done["lost"])


def test_a_database_that_was_put_back_by_hand_learns_it_when_the_hub_starts(lost: Lost) -> None:
    shutil.copy2(lost.backup / "hub.sqlite", lost.data / "hub.sqlite")
    for path in lost.data.glob("hub.sqlite-*"):
        path.unlink()
    without_mirror(lost.data)

    running = Running(build(load(lost.data), services=False, stretch=CHEAP))
    running.start()
    running.stop()

    judge(lost.data, lost)


def test_no_command_makes_the_list_shorter_than_it_was(lost: Lost) -> None:
    shutil.copy2(lost.backup / "hub.sqlite", lost.data / "hub.sqlite")
    for path in lost.data.glob("hub.sqlite-*"):
        path.unlink()
    before = x509.load_pem_x509_crl(lost.crl.read_bytes())

    hub = build(load(lost.data), services=False, stretch=CHEAP)
    write_broker_users(hub)  # as every command does that lets a room in
    hub.close()

    after = x509.load_pem_x509_crl((lost.data / "keys" / "crl.pem").read_bytes())
    assert {one.serial_number for one in before} == {one.serial_number for one in after}
    assert len(before) == 2

"""Certificates renewed without a stop, late or forgotten ones too, and revoked ones thrown out."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from sqlalchemy import delete, select, update

from edge import certificate
from edge.config import read_credentials
from edge.crypto import read_private, signer
from edge.renewal import AGAIN_S, DOWN_S, Renewer
from hub.app import Hub
from hub.config import load
from hub.fleet.renewal import revoke
from hub.problems import Problem
from hub.store.tables_core import controllers, tls_certificates
from hub.web.api_media import controller_of
from protocols.messages.enrolment import TLS_PREFIX
from protocols.messages.identity import kid
from protocols.messages.topics import topic
from tests.torture.plain_mqtt import Peer

WITHIN_S = 30.0


@dataclass
class Site:
    """A hub process with its broker, a room's folder, and a renewer whose clocks are ours."""

    hub: Hub
    url: str
    folder: Path
    shift: dt.timedelta = dt.timedelta()
    mono_s: float = 0.0
    up: bool = True
    peers: list[Peer] = field(default_factory=list)
    renewer: Renewer = field(init=False)

    def __post_init__(self) -> None:
        public, sign = signer(read_private(self.folder / "sign.key"))
        self.ctl = read_credentials(self.folder).ctl
        self.renewer = Renewer(
            folder=self.folder,
            where=lambda: (self.url, ""),
            account=f"Evalroom ctl={self.ctl},kid={kid(public)}",
            sign=sign,
            up=lambda: self.up,
            now=lambda: dt.datetime.now(dt.UTC) + self.shift,
            mono_s=lambda: self.mono_s,
        )

    def age(self) -> None:
        """The hub made the certificate it knows of long ago."""
        long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        with self.hub.store.write() as conn:
            conn.execute(update(tls_certificates).values(from_at=long_ago))

    def connected(self, name: str) -> Peer:
        """A connection with the room's certificate, made as soon as it is let in."""
        port = int((self.hub.config.broker_folder / "port").read_text(encoding="ascii"))
        end = time.monotonic() + WITHIN_S
        while time.monotonic() < end:
            made = Peer(("127.0.0.1", port), name, "", tls=certificate.context(self.folder))
            self.peers.append(made)
            if made.refused == 0:
                return made
        raise AssertionError("the broker never lets the room in")


@pytest.fixture
def site(hub_data: Path, room_folder: Path, open_hub: Callable[..., Hub]) -> Iterator[Site]:
    replace(load(hub_data), mqtt_tls=True, port=0).write()
    argv = [sys.executable, "-m", "evalroom", "hub", "serve", str(hub_data)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            url = serving.stdout.readline().split()[-1]
            made = Site(open_hub(), url, room_folder)
            yield made
            for one in made.peers:
                one.vanish()
        finally:
            serving.terminate()


@pytest.mark.system
def test_a_certificate_is_renewed_while_the_old_one_is_connected(site: Site) -> None:
    site.age()
    old = site.connected("old")
    before = certificate.own(site.folder)
    assert not site.renewer.look(), "it is not time yet"
    site.shift = dt.timedelta(days=61)

    assert site.renewer.look()

    assert certificate.own(site.folder).serial_number != before.serial_number
    assert site.connected("new").refused == 0
    assert old.publish(topic(site.ctl, "up/ev"), b"still connected") == 0
    site.mono_s += AGAIN_S + 1
    assert not site.renewer.look(), "one in six hours"


@pytest.mark.system
def test_an_expired_certificate_and_a_forgotten_one_are_renewed_too(site: Site) -> None:
    site.age()
    site.shift = dt.timedelta(days=100)
    assert site.renewer.trouble() == "cert_expired"
    assert site.renewer.look()
    site.shift = dt.timedelta()
    assert site.renewer.trouble() == ""
    with site.hub.store.write() as conn:  # as a hub that came back from an old backup
        conn.execute(delete(tls_certificates))

    site.up = False
    site.mono_s += AGAIN_S + 1
    site.renewer.look()
    site.mono_s += DOWN_S + 1
    assert site.renewer.look()

    assert site.connected("again").refused == 0


@pytest.mark.system
def test_a_revoked_room_is_out_within_seconds_and_gets_no_other_certificate(
    site: Site, accounts: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    site.age()
    lost = site.connected("lost")
    who = accounts["changsha.technician"]
    secret = tmp_path / "secret"
    secret.write_text(who["password"], encoding="utf-8")
    words = ["--by", who["login"], "--reason", "存储卡遗失", "--secret-file", str(secret)]
    argv = [sys.executable, "-m", "evalroom", "hub", "revoke", str(site.hub.data)]
    subprocess.run([*argv, "--ctl", site.ctl, *words], check=True, capture_output=True)

    with pytest.raises((ConnectionError, ssl.SSLError)):  # noqa: PT012 - said until it is out
        end = time.monotonic() + WITHIN_S
        while time.monotonic() < end:
            lost.publish(topic(site.ctl, "up/ev"), b"forged")
            lost.take(0.05)  # as fast as it can it would be shut out as a flood

    site.shift = dt.timedelta(days=61)
    assert not site.renewer.look()
    with site.hub.store.read() as conn:
        state = select(controllers.c.state).where(controllers.c.ctl == site.ctl)
        assert conn.execute(state).scalar_one() == "revoked"


def test_a_revoked_controller_is_on_no_list_and_its_signature_is_nobodys(
    open_hub: Callable[..., Hub], accounts: dict[str, dict[str, Any]], room_folder: Path
) -> None:
    hub = open_hub(mqtt_tls=True)
    ctl = read_credentials(room_folder).ctl
    public, sign = signer(read_private(room_folder / "sign.key"))
    csr = certificate.request(room_folder)
    digest = hashlib.sha256(csr).hexdigest()
    signature = sign(TLS_PREFIX + digest.encode("ascii")).hex()
    header = f"Evalroom ctl={ctl},kid={kid(public)},sig={signature}"
    assert controller_of(hub, digest, header, TLS_PREFIX) == ctl
    with pytest.raises(Problem, match="upload_not_signed"):
        controller_of(hub, digest, header)  # signed for another use
    signed_in = {
        login: hub.accounts.sign_in(login, accounts[login]["password"], "127.0.0.1")[1].actor
        for login in ("changsha.technician", "hunan.technician")
    }

    with pytest.raises(Problem, match="other_organisation"):
        revoke(hub, signed_in["hunan.technician"], ctl, "存储卡遗失")
    assert revoke(hub, signed_in["changsha.technician"], ctl, "存储卡遗失")["certificates"] == 1

    assert ctl not in json.loads(hub.config.broker_users.read_text(encoding="utf-8"))
    listed = x509.load_pem_x509_crl(hub.config.revoked_certs.read_bytes())
    assert [one.serial_number for one in listed] == [certificate.own(room_folder).serial_number]
    with pytest.raises(Problem, match="upload_not_signed"):
        controller_of(hub, digest, header, TLS_PREFIX)

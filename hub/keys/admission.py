"""Who is let in at the broker: the certificates in force, and the files the broker reads.

Times are the machine's own, not the shifted ones of a drill: certificates are judged by programs
that know no other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection, select

from hub.config import Config
from hub.crypto import CryptoError
from hub.keys.authority import (
    CONTROLLER_DAYS,
    LEEWAY,
    NAME_OF,
    Authority,
    Issued,
    key_pem,
    new_key,
    open_authority,
    write_whole,
)
from hub.store.tables_core import controllers, tls_certificates

HUB_USER: Final = "hub"
OWN_LEFT: Final = dt.timedelta(days=365)
"""Before this much is left, the broker and the hub get new certificates at a start."""
RELEARNT: Final = "listed as revoked"
"""Reason of what a list of revoked certificates says and the database had lost."""
_COUNTS: Final = tls_certificates.c.revoked_at.is_(None)


class Admission:
    """The authority and what it has issued.

    Args:
        config: where the keys lie.
        now: the machine's own wall clock.
    """

    def __init__(self, config: Config, now: Callable[[], dt.datetime]) -> None:
        self._config = config
        self._now = now

    @cached_property
    def authority(self) -> Authority:
        """The hub's authority; made when it is needed first."""
        return open_authority(self._config.hub_key.parent, self._config.hub, self._now())

    def admit(self, conn: Connection, ctl: str, public: ec.EllipticCurvePublicKey) -> Issued:
        """A certificate for a controller's key; those it has stay until they end."""
        made = self.authority.for_controller(public, ctl, self._now())
        row = {"serial": made.serial, "ctl": ctl, "from_at": made.from_at}
        conn.execute(tls_certificates.insert().values(**row, until_at=made.until_at, reason=""))
        return made

    def youngest(self, conn: Connection, ctl: str, within: dt.timedelta) -> dt.datetime | None:
        """When this controller's last certificate was made, if that was within this time."""
        mine = (tls_certificates.c.ctl == ctl) & _COUNTS
        last = conn.execute(
            select(tls_certificates.c.from_at)
            .where(mine)
            .order_by(tls_certificates.c.from_at.desc())
            .limit(1)
        ).scalar()
        made = None if last is None else last + LEEWAY
        return made if made is not None and made > self._now() - within else None

    def shut_out(self, conn: Connection, ctl: str, reason: str) -> int:
        """Revokes every certificate of a controller; returns how many counted until now."""
        mine = (tls_certificates.c.ctl == ctl) & _COUNTS
        now = {"revoked_at": self._now(), "reason": reason}
        return conn.execute(tls_certificates.update().where(mine).values(now)).rowcount

    def users(self, conn: Connection) -> dict[str, list[str]]:
        """Everyone who may connect, with the names of the certificates that count now."""
        query = (
            select(tls_certificates.c.ctl, tls_certificates.c.serial)
            .join(controllers, controllers.c.ctl == tls_certificates.c.ctl)
            .where(_COUNTS, controllers.c.state == "enrolled")
            .where(tls_certificates.c.until_at > self._now())
            .order_by(tls_certificates.c.ctl, tls_certificates.c.from_at)
        )
        table = {HUB_USER: [self._own_name()]}
        for row in conn.execute(query):
            name = NAME_OF.format(name=row.ctl, serial=row.serial)
            table.setdefault(row.ctl, []).append(name)
        return table

    def write_files(self, conn: Connection) -> None:
        """Writes what broker and hub read: own certificates where there are none, revoked ones."""
        config, now = self._config, self._now()
        if not self._serves(config.broker_cert, now):
            key = new_key()
            made = self.authority.for_broker(key.public_key(), config.hub, now)
            write_whole(config.broker_cert, made.pem + key_pem(key))
        if not self._serves(config.hub_cert, now):
            key = new_key()
            made = self.authority.for_hub(key.public_key(), HUB_USER, now)
            write_whole(config.hub_cert, made.pem + key_pem(key))
        self._write_revoked(conn, now)

    def _serves(self, path: Path, now: dt.datetime) -> bool:
        """Whether this file is a certificate of this authority that lasts another year."""
        if not path.exists():
            return False
        cert = x509.load_pem_x509_certificate(path.read_bytes())
        ours = cert.issuer == self.authority.cert.subject
        return ours and cert.not_valid_after_utc > now + OWN_LEFT

    def _own_name(self) -> str:
        cert = x509.load_pem_x509_certificate(self._config.hub_cert.read_bytes())
        return NAME_OF.format(name=HUB_USER, serial=f"{cert.serial_number:x}")

    def _write_revoked(self, conn: Connection, now: dt.datetime) -> None:
        """Only when the list is another one: the broker starts anew for it.

        It never gets shorter: a database that came back from a backup does not know of all of them.
        """
        query = select(tls_certificates.c.serial, tls_certificates.c.revoked_at)
        rows = conn.execute(query.where(~_COUNTS).order_by(tls_certificates.c.serial)).all()
        path = self._config.revoked_certs
        listed = self.listed(path)
        merged = {**(listed or {}), **{one.serial: one.revoked_at for one in rows}}
        if listed is None or set(listed) != set(merged):
            write_whole(path, self.authority.revoked(sorted(merged.items()), now))

    def listed(self, path: Path) -> dict[str, dt.datetime] | None:
        """What a list of revoked certificates says, number -> since; None if it is not ours."""
        try:
            return self.authority.read_revoked(path.read_bytes())
        except (OSError, CryptoError):
            return None

    def relearn(self, conn: Connection, listed: Mapping[str, dt.datetime]) -> list[str]:
        """Revokes what a list names and the database does not know as revoked; whose they were."""
        known = {one.serial: one for one in conn.execute(select(tls_certificates))}
        found = []
        for serial, since in listed.items():
            row = known.get(serial)
            if row is None:
                # Issued and revoked while nothing was kept that is left now: nobody's, but listed.
                until = since + dt.timedelta(days=CONTROLLER_DAYS)
                values = {"serial": serial, "ctl": "", "from_at": since, "until_at": until}
                values |= {"revoked_at": since, "reason": RELEARNT}
                conn.execute(tls_certificates.insert().values(values))
            elif row.revoked_at is None:
                found.append(row.ctl)
        return sorted(set(found))

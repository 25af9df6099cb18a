"""Whose keys the hub holds, and how one is used: for one act, behind its holder's secret.

The hub's own key lies in a file. Keys of venues and persons stand in the database only wrapped by
their holders' secrets (WIRE §1); they are opened for one signature and forgotten.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from hub import crypto
from hub.clock import Clock, iso_ms
from hub.crypto import Derived, Stretch
from hub.keys.tries import TRIES_MAX, Tries
from hub.problems import Problem
from hub.store.engine import Store
from hub.store.prepared import Prepared
from hub.store.tables_core import certificates, controllers, epochs, key_wraps, keys, organisations
from hub.store.tables_log import log_witness
from protocols.messages.bodies import (
    Certificate,
    HubKey,
    Keyring,
    Position,
    Retired,
    TrustFile,
    VenueKey,
    WitnessKey,
)
from protocols.messages.identity import kid as kid_of
from protocols.messages.signed import Signer, seal_message
from protocols.messages.trust import EPOCHS_MAX

PIN_DIGITS_MIN: Final = 8
ROLE_VENUE: Final = "venue"
# Asked with every batch: building a statement costs more than running it.
_CONTROLLER: Final = Prepared(
    select(controllers.c.sign_kid, controllers.c.sign_pub).where(
        controllers.c.ctl == bindparam("of_ctl"), controllers.c.state == "enrolled"
    )
)


@dataclass(frozen=True, slots=True)
class SessionKey:
    """A key for one session: public half, and the private one wrapped under the person's PIN."""

    kid: str
    pub: str
    wrapped: Mapping[str, Any]


class Keys:
    """Keys of the hub, its venues and their people.

    Args:
        store: the database.
        clock: for `from` in certificates and for the lock after wrong secrets.
        hub: the hub's id.
        hub_seed: the hub's own Ed25519 seed.
        hub_orders: whether the trust file lets the hub sign orders.
        checkpoint: `cosigned` where the trust file pins witnesses and asks for their signatures.
        stretch: what a guess costs; keys wrapped at another cost stay closed.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        hub: str,
        hub_seed: bytes,
        hub_orders: bool = False,
        checkpoint: str = "none",
        stretch: Stretch = crypto.FULL,
    ) -> None:
        self.hub = hub
        self.stretch = stretch
        self.hub_orders = hub_orders
        self.checkpoint = checkpoint
        self._store = store
        self._clock = clock
        self._hub_seed = hub_seed
        self._hub_signer = crypto.signer(hub_seed, "hub")
        self._tries = Tries(store, clock)
        # Two scrypt of 128 MiB at once would push a small machine into swap.
        self._unwrapping = threading.Semaphore(1)

    def hub_signer(self) -> Signer:
        """The hub's own key in the role `hub`: acks, plans, wrappers, its own stream."""
        return self._hub_signer

    def hub_public(self) -> bytes:
        """The hub's raw public key."""
        return crypto.public_of(self._hub_seed)

    def broker_password(self, name: str) -> str:
        """The password of a controller, or of the hub, at the broker."""
        return crypto.broker_password(self._hub_seed, name)

    def person_signer(self, person: str, pin: str, role: str) -> Signer:
        """A person's key, opened by the PIN, for one act in this role.

        Raises:
            Problem: 403 no key or wrong PIN, 429 too many wrong ones.
        """
        return crypto.signer(self._open("person", person, person, pin)[0], role)

    def session_signer(
        self, person: str, pin: str, *, role: str, wrapped: Mapping[str, Any]
    ) -> Signer | None:
        """A person's key for one session, opened by the PIN, for one act in this role.

        The person's own key judges the PIN, so that wrong ones are counted in one place; what was
        derived for it opens the session's key too.

        Returns:
            None where the session's key was wrapped under an earlier PIN.

        Raises:
            Problem: 403 no key or wrong PIN, 429 too many wrong ones.
        """
        _, derived = self._open("person", person, person, pin)
        try:
            with self._unwrapping:
                seed, _ = crypto.unwrap_key(wrapped, pin, self.stretch, known=derived)
        except crypto.CryptoError:
            return None
        return crypto.signer(seed, role)

    def sign_with_person(
        self,
        person: str,
        pin: str,
        *,
        role: str,
        ctx: str,
        header: Mapping[str, Any],
        lines: Sequence[bytes] = (),
    ) -> bytes:
        """A message signed by one person; see `person_signer`."""
        signer = self.person_signer(person, pin, role)
        return seal_message(ctx=ctx, header=header, lines=lines, signers=[signer])

    def venue_signer(self, org: str, secret: str, holder: str = "") -> Signer:
        """A venue's key, opened by one of its managers' passwords.

        Args:
            org: the venue.
            secret: the manager's password.
            holder: person id of that manager; empty tries each who holds the key.

        Raises:
            Problem: 403 no key or wrong secret, 429 too many wrong ones.
        """
        return crypto.signer(self._open("venue", org, holder, secret)[0], ROLE_VENUE)

    def open_venue_key(self, org: str, secret: str, holder: str = "") -> bytes:
        """The seed of a venue's key, to be wrapped for one more holder; see `venue_signer`."""
        return self._open("venue", org, holder, secret)[0]

    def wrap(self, seed: bytes, secret: str) -> dict[str, Any]:
        """Wraps a key under its holder's secret, with a salt of its own."""
        with self._unwrapping:
            return crypto.wrap_key(seed, secret, self.stretch)

    def member_tag(self, number: str, salt: str) -> str:
        """The tag of an ID number for one session; see `hub.crypto.member_tag`."""
        return crypto.member_tag(number, salt, self.stretch)

    def sign_with_venue(
        self,
        org: str,
        secret: str,
        *,
        ctx: str,
        header: Mapping[str, Any],
        lines: Sequence[bytes] = (),
        holder: str = "",
    ) -> bytes:
        """A message signed by a venue; see `venue_signer`."""
        signer = self.venue_signer(org, secret, holder)
        return seal_message(ctx=ctx, header=header, lines=lines, signers=[signer])

    def certify(
        self,
        org: str,
        secret: str,
        *,
        subject: str,
        kind: str,
        roles: Sequence[str],
        kid: str,
        pub: str,
        holder: str = "",
    ) -> bytes:
        """A venue's certificate for a key; kept, and returned as its raw message."""
        signer = self.venue_signer(org, secret, holder)
        return self.certify_with(
            signer, org, subject=subject, kind=kind, roles=roles, kid=kid, pub=pub
        )

    def certify_with(
        self,
        signer: Signer,
        org: str,
        *,
        subject: str,
        kind: str,
        roles: Sequence[str],
        kid: str,
        pub: str,
    ) -> bytes:
        """The same with a venue key that is open already: many certificates, one secret."""
        made_at = self._clock.wall()
        certificate = Certificate(
            subject=subject,
            kind=kind,
            roles=tuple(roles),
            kid=kid,
            pub=pub,
            from_at=iso_ms(made_at),
        )
        raw = certificate.seal([signer])
        with self._store.write() as conn:
            conn.execute(
                certificates.delete().where(certificates.c.kid == kid, certificates.c.org == org)
            )
            conn.execute(
                certificates.insert().values(
                    kid=kid,
                    org=org,
                    subject=subject,
                    kind=kind,
                    roles=list(roles),
                    raw=raw,
                    made_at=made_at,
                )
            )
        return raw

    def session_key(self, person: str, session: str, pin: str) -> SessionKey:
        """A fresh key of one person for one session, wrapped under the same PIN.

        Raises:
            Problem: 403 wrong PIN, 429 too many wrong ones.
        """
        del session  # the caller keeps the key with the session's duty; the key itself is random
        # The same salt as the person's own key: one entry of the PIN opens both in half the time,
        # and whoever guesses the one PIN behind them has both anyhow.
        _, derived = self._open("person", person, person, pin)
        seed = crypto.new_seed()
        pub = crypto.public_of(seed)
        wrapped = crypto.wrap_with(derived, seed, self.stretch)
        return SessionKey(kid=kid_of(pub), pub=pub.hex(), wrapped=wrapped)

    def add_key(
        self,
        conn: Connection,
        *,
        owner_kind: str,
        owner: str,
        pub: bytes,
        wraps: Mapping[str, Mapping[str, Any]],
    ) -> str:
        """Stores a key's public half and its wrappings (holder -> wrapping); returns the kid."""
        kid = kid_of(pub)
        conn.execute(
            keys.insert().values(
                kid=kid,
                owner_kind=owner_kind,
                owner=owner,
                pub=pub.hex(),
                retired=False,
                created_at=self._clock.wall(),
            )
        )
        for holder, wrapped in wraps.items():
            row = {"kid": kid, "holder": holder, "wrapped": dict(wrapped)}
            conn.execute(key_wraps.insert().values(row))
        return kid

    def public_key(self, owner_kind: str, owner: str) -> tuple[str, str] | None:
        """(kid, public key in hex) of a venue's or person's present key."""
        with self._store.read() as conn:
            row = conn.execute(
                select(keys.c.kid, keys.c.pub).where(
                    keys.c.owner_kind == owner_kind, keys.c.owner == owner, ~keys.c.retired
                )
            ).first()
        return None if row is None else (str(row.kid), str(row.pub))

    def trust(self, conn: Connection | None = None) -> TrustFile:
        """The trust file: every venue's key and the hub's root."""
        if conn is None:
            with self._store.read() as own:
                return self.trust(own)
        # Keys retired at a place of the log stay: what lies before it was signed with them.
        rows = conn.execute(
            select(keys.c.kid, keys.c.pub, keys.c.owner, organisations.c.name)
            .join(organisations, organisations.c.id == keys.c.owner)
            .where(keys.c.owner_kind == "venue", ~keys.c.retired | keys.c.retired_seq.is_not(None))
            .order_by(keys.c.owner, keys.c.created_at)
        )
        retired = self._retired(conn)
        pub = self.hub_public()
        return TrustFile(
            hub_orders=self.hub_orders,
            checkpoint=self.checkpoint,
            venues=tuple(
                VenueKey(org=row.owner, name=row.name, kid=row.kid, pub=row.pub) for row in rows
            ),
            hub=HubKey(id=self.hub, kid=kid_of(pub), pub=pub.hex()),
            retired=retired,
            epochs=self._epochs(conn, {one.at.epoch for one in retired}),
            witnesses=self._pinned(conn),
        )

    def _pinned(self, conn: Connection) -> tuple[WitnessKey, ...]:
        """The controllers whose co-signatures count; who was replaced signed what it signed."""
        if self.checkpoint == "none":
            return ()
        rows = conn.execute(
            select(log_witness.c.org, log_witness.c.ctl, log_witness.c.pub).order_by(
                log_witness.c.org, log_witness.c.chosen_at, log_witness.c.ctl
            )
        )
        return tuple(
            WitnessKey(row.org, row.ctl, kid_of(bytes.fromhex(row.pub)), row.pub) for row in rows
        )

    def retire(
        self, conn: Connection, *, owner_kind: str, owner: str, epoch: str, seq: int
    ) -> None:
        """The owner's present keys count no longer behind this row of the hub's stream."""
        conn.execute(
            keys.update()
            .where(keys.c.owner_kind == owner_kind, keys.c.owner == owner, ~keys.c.retired)
            .values(retired=True, retired_epoch=epoch, retired_seq=seq)
        )

    def _retired(self, conn: Connection) -> tuple[Retired, ...]:
        rows = conn.execute(
            select(keys.c.kid, keys.c.retired_epoch, keys.c.retired_seq)
            .where(keys.c.retired, keys.c.retired_seq.is_not(None))
            .order_by(keys.c.kid)
        )
        return tuple(
            Retired(row.kid, Position(self.hub, row.retired_epoch, row.retired_seq)) for row in rows
        )

    def _epochs(self, conn: Connection, named: set[str]) -> tuple[str, ...]:
        """The hub's epochs in their order, up to the newest of those named."""
        rows = conn.execute(
            select(epochs.c.epoch).where(epochs.c.ctl == self.hub).order_by(epochs.c.order)
        )
        found = [str(epoch) for epoch in rows.scalars()]
        last = max((n for n, epoch in enumerate(found, start=1) if epoch in named), default=0)
        return tuple(found[max(0, last - EPOCHS_MAX) : last])

    def certificate_messages(self, conn: Connection) -> list[bytes]:
        """Every certificate the hub knows, oldest first."""
        rows = conn.execute(select(certificates.c.raw).order_by(certificates.c.made_at))
        return [bytes(raw) for raw in rows.scalars()]

    def keyring(self, extra: Iterable[bytes] = ()) -> Keyring:
        """All keys that count here, and those of further certificates."""
        with self._store.read() as conn:
            known = [*self.certificate_messages(conn), *extra]
            return Keyring(self.trust(conn), known, crypto.verify)

    def controller_key(self, conn: Connection, ctl: str) -> tuple[str, bytes] | None:
        """(kid, raw public key) a venue certified for this controller."""
        row = _CONTROLLER.first(conn, of_ctl=ctl)
        return None if row is None else (str(row.sign_kid), bytes.fromhex(row.sign_pub))

    def _open(self, kind: str, owner: str, holder: str, secret: str) -> tuple[bytes, Derived]:
        # Judged and counted in turn: guesses side by side would get more than their tries.
        with self._unwrapping:
            left = self._tries.begin(holder or owner)
            for wrapped in self._wraps(kind, owner, holder):
                try:
                    opened = crypto.unwrap_key(wrapped, secret, self.stretch)
                except crypto.CryptoError:
                    continue
                self._tries.right(holder or owner)
                return opened
        raise Problem(
            403,
            "secret_wrong",
            title="口令或 PIN 不正确",
            title_en="The password or PIN is not right",
            what=f"the key of {owner} stays closed",
            where=owner,
            expected="the PIN or password of a person who holds this key",
            got=f"another; {left} tries left",
            do=f"try again; after {TRIES_MAX} wrong ones wait 10 minutes",
            more={"tries_left": left},
        )

    def _wraps(self, kind: str, owner: str, holder: str) -> list[Mapping[str, Any]]:
        query = (
            select(key_wraps.c.wrapped)
            .join(keys, keys.c.kid == key_wraps.c.kid)
            .where(keys.c.owner_kind == kind, keys.c.owner == owner, ~keys.c.retired)
        )
        if holder:
            query = query.where(key_wraps.c.holder == holder)
        with self._store.read() as conn:
            return list(conn.execute(query).scalars())

"""Keys of the persons on duty: one act, one PIN, one session; and the wrap of sealed identities.

The key that signs is the session-only key a person confirmed duty with; it counts in rooms and in
the record by the certificate the venue's manager gave it. The person's own key judges the PIN, so
that wrong PINs are counted in one place.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection, select

from hub import crypto
from hub.keys.keyring import Keys
from hub.ports import Actor, Parts, refuse
from hub.store.tables_business import booking, booking_duty
from hub.store.tables_core import certificates, controllers
from protocols.messages.signed import Signer

WRAP_LABEL: Final = b"er1/identity-wrap"
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class OnDuty:
    """A person on the duty roster of a session."""

    person: str
    post: str
    role: str
    org: str
    kid: str
    wrapped: Mapping[str, Any] | None
    certified: bool

    def shown(self) -> dict[str, str]:
        """How the person stands in a fact."""
        return {"person": self.person, "post": self.post, "role": self.role, "org": self.org}


def on_duty(conn: Connection, session: str, person: str) -> OnDuty | None:
    """The roster's entry of one person for one session, or None."""
    row = conn.execute(
        select(booking_duty)
        .join(booking, booking.c.number == booking_duty.c.booking)
        .where(booking.c.session == session, booking_duty.c.person == person)
    ).first()
    if row is None:
        return None
    return OnDuty(
        person=row.person,
        post=row.post,
        role=row.role,
        org=row.org,
        kid=row.kid or "",
        wrapped=row.wrapped,
        certified=row.cert is not None,
    )


def session_signer(parts: Parts, session: str, actor: Actor, pin: str) -> tuple[Signer, OnDuty]:
    """The session-only key of a person on duty, opened for one act.

    Raises:
        Problem: 403 not on duty or wrong PIN, 409 key not certified yet, 429 too many tries.
    """
    with parts.store.read() as conn:
        duty = on_duty(conn, session, actor.person)
    if duty is None:
        raise refuse(
            403,
            "not_on_duty",
            zh="本人不在该场次值班名单中",
            en="You are not on the duty roster of this session",
            where=f"session {session}",
            expected="a person on the duty roster",
            got=actor.post,
            do="由值班人员办理，或先排班并发布",
        )
    if duty.wrapped is None or not duty.certified:
        parts.keys.person_signer(actor.person, pin, duty.role)
        raise refuse(
            409,
            "duty_not_certified",
            zh="值班密钥尚未由本单位发布认可",
            en="The duty key has not been certified by the venue yet",
            where=f"session {session}",
            expected="duty confirmed and published by the venue's manager",
            got="no certificate",
            do="先确认值班，再由本单位负责人发布",
        )
    signer = parts.keys.session_signer(actor.person, pin, role=duty.role, wrapped=duty.wrapped)
    if signer is None:
        raise refuse(
            409,
            "duty_pin_changed",
            zh="确认值班后 PIN 已更改",
            en="The PIN was changed after duty was confirmed",
            where=f"session {session}",
            expected="the PIN duty was confirmed with",
            got="another",
            do="重新确认值班并重新发布",
        )
    return signer, duty


def seal_tags(conn: Connection, ctl: str, tags: Mapping[str, str]) -> str:
    """The members' tags sealed to one controller's X25519 key."""
    pub = conn.execute(select(controllers.c.seal_pub).where(controllers.c.ctl == ctl)).scalar_one()
    return crypto.seal(bytes.fromhex(pub), json.dumps(dict(tags)).encode("ascii"))


def system_certificates(conn: Connection, orgs: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """(key id, certificate) of the evaluation systems these venues certified, newest last."""
    rows = conn.execute(
        select(certificates.c.kid, certificates.c.raw)
        .where(certificates.c.kind == "system", certificates.c.org.in_(orgs))
        .order_by(certificates.c.made_at)
    )
    return [(row.kid, bytes(row.raw)) for row in rows]


def wrap_identity_key(keys: Keys, key: bytes, *, bound_to: str, home: str) -> str:
    """Wraps an identity's key to the hub and to the home venue; either opens it alone.

    Args:
        keys: of the hub.
        key: 32 bytes, of one identity.
        bound_to: session and member, so that a wrap cannot stand for another member.
        home: organisation of the home venue; without a key of its own it gets no box.

    Returns:
        `bound_to`, the hub's wrap in hex and the home's sealed box in base64, with spaces between:
        one text without quotes, which the mirror can find again to destroy it.
    """
    nonce = secrets.token_bytes(NONCE_BYTES)
    wrap = nonce + AESGCM(_hub_wrap(keys)).encrypt(nonce, key, bound_to.encode())
    venue = keys.public_key("venue", home)
    box = ""
    if venue is not None:
        public = crypto.seal_key_of(bytes.fromhex(venue[1]))
        box = crypto.seal(public, bound_to.encode() + b"\x00" + key)
    return f"{bound_to} {wrap.hex()} {box}"


def unwrap_identity_key(keys: Keys, wrapped: str, *, bound_to: str) -> bytes:
    """Opens the hub's wrap. `cryptography.exceptions.InvalidTag` if altered or another member's."""
    raw = bytes.fromhex(wrapped.split(" ")[1])
    return AESGCM(_hub_wrap(keys)).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound_to.encode())


def unwrap_identity_key_at_home(venue_seed: bytes, wrapped: str, *, bound_to: str) -> bytes:
    """Opens the home venue's box with its key, opened by a manager's secret.

    Raises:
        CryptoError: damaged, sealed to another venue, or another member's.
    """
    plain = crypto.open_box(crypto.open_key_of(venue_seed), wrapped.split(" ")[2])
    bound, _, key = plain.partition(b"\x00")
    if bound != bound_to.encode():
        raise crypto.CryptoError("identity key: expected this member's, got another's")
    return key


def _hub_wrap(keys: Keys) -> bytes:
    # Ed25519 is deterministic (RFC 8032 §5.1.6): the signature of a text that no message of the
    # contract can equal is a secret only the holder of the hub's key can make again.
    secret = keys.hub_signer().sign(WRAP_LABEL)
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=WRAP_LABEL).derive(secret)

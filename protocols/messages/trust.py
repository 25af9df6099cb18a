"""Whose keys count: certificates, the trust file, and the keyring made of both (WIRE §1).

The trust file is installed at commissioning and exchanged between venues outside the hub. A
person's, controller's or system's key counts only with a certificate a venue key of that file
has signed; a system's also under the hub's root where the file says `hub_orders: yes`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.identity import kid as kid_of
from protocols.messages.signed import (
    Signed,
    Signer,
    Verify,
    check_signatures,
    fields,
    parse_message,
    seal_message,
)
from protocols.messages.strict import (
    HEX32,
    HEX64,
    INSTANT,
    KID,
    NAME,
    TOKEN,
    Json,
    Reader,
    dump,
    load,
)

TRUST_VERSION: Final = 1
KINDS: Final = ("person", "controller", "system")
ROLE_CONTROLLER: Final = "controller"
"""The role in a controller's certificate and in its signatures; a hub's is "hub"."""
ROLE_HUB: Final = "hub"
ROLE_VENUE: Final = "venue"
ROLE_SYSTEM: Final = "system"
ROLES_MAX: Final = 16
CERTIFICATE_BYTES_MAX: Final = 8 * 1024
"""A certificate is one header and one signature: about 500 bytes."""
CERTIFICATES_MAX: Final = 4096
"""Persons and controllers of all venues of a province's sessions of a day stay below."""
TRUST_BYTES_MAX: Final = 1024 * 1024
VENUES_MAX: Final = 512
RETIRED_MAX: Final = 4096
WITNESSES_MAX: Final = 4096
"""One per venue and replacement: 200 bytes each, with all else below a MiB."""
EPOCHS_MAX: Final = 16_384
"""Starts of the hub the trust file can order; one a day is 45 years, and 600 KiB."""

_RECORDER = re.compile(r"[ch]-[0-9a-f]{12}\Z")
_CONTROLLER = re.compile(r"c-[0-9a-f]{12}\Z")
_HUB = re.compile(r"h-[0-9a-f]{12}\Z")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A venue's word that a key is a subject's, in these roles, from `from_at` on.

    `pub`: raw Ed25519 public key in hex; `kid` is its key id.
    """

    subject: str
    kind: str
    roles: tuple[str, ...]
    kid: str
    pub: str
    from_at: str

    def seal(self, signers: Sequence[Signer]) -> bytes:
        """The signed message's bytes."""
        header = {
            "subject": self.subject,
            "kind": self.kind,
            "roles": list(self.roles),
            "kid": self.kid,
            "pub": self.pub,
            "from": self.from_at,
        }
        return seal_message(ctx="er1/cert", header=header, lines=(), signers=signers)

    @classmethod
    def read(cls, signed: Signed) -> Certificate:
        """The certificate in a parsed message. `RemoteError` if it is none."""
        reader = fields(signed, "er1/cert")
        certificate = cls(
            subject=reader.text("subject", TOKEN),
            kind=reader.one_of("kind", KINDS),
            roles=reader.texts("roles", NAME, items_max=ROLES_MAX),
            kid=reader.text("kid", KID),
            pub=reader.text("pub", HEX64),
            from_at=reader.text("from", INSTANT),
        )
        reader.end()
        if signed.lines:
            raise RemoteError("a certificate has no body", where="er1/cert", expected="no lines")
        _same_key(certificate.kid, certificate.pub, where="er1/cert.kid")
        return certificate


@dataclass(frozen=True, slots=True)
class VenueKey:
    """A venue's root key; `pub` in hex."""

    org: str
    name: str
    kid: str
    pub: str


@dataclass(frozen=True, slots=True)
class HubKey:
    """The hub's root key; `pub` in hex."""

    id: str
    kid: str
    pub: str


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A controller whose co-signatures of the log's checkpoints count; `pub` in hex."""

    org: str
    ctl: str
    kid: str
    pub: str


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log: what lies at or after it comes later, within that epoch."""

    ctl: str
    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Retired:
    """A key that counts no longer from a place in the log on."""

    kid: str
    at: Position


@dataclass(frozen=True, slots=True)
class TrustFile:
    """The keys outside the hub's reach. `hub_orders`: the hub's key may sign orders.

    `epochs`: those of the hub's stream in their order, up to the last retirement that is named, so
    that a position in another epoch can be judged; left out while no key is retired.
    `witnesses`: left out while none is pinned; one that was replaced stays.
    """

    hub_orders: bool
    checkpoint: str
    venues: tuple[VenueKey, ...]
    hub: HubKey
    retired: tuple[Retired, ...] = ()
    epochs: tuple[str, ...] = ()
    witnesses: tuple[WitnessKey, ...] = ()

    def encode(self) -> bytes:
        """The file's bytes: JSON and a line feed."""
        body: Json = {
            "version": TRUST_VERSION,
            "hub_orders": "yes" if self.hub_orders else "no",
            "checkpoint": self.checkpoint,
            "venues": [
                {"org": v.org, "name": v.name, "kid": v.kid, "pub": v.pub} for v in self.venues
            ],
            "hub": {"id": self.hub.id, "kid": self.hub.kid, "pub": self.hub.pub},
            "retired": [
                {"kid": r.kid, "at": {"ctl": r.at.ctl, "epoch": r.at.epoch, "seq": r.at.seq}}
                for r in self.retired
            ],
        }
        if self.epochs:
            body["epochs"] = list(self.epochs)
        if self.witnesses:
            body["witnesses"] = [
                {"org": w.org, "ctl": w.ctl, "kid": w.kid, "pub": w.pub} for w in self.witnesses
            ]
        raw = dump(body, where="trust file") + b"\n"
        try:
            TrustFile.decode(raw)
        except RemoteError as error:
            raise LocalError(
                "the trust file breaks the contract",
                where=error.where,
                expected=error.expected,
                got=error.got,
            ) from None
        return raw

    @classmethod
    def decode(cls, raw: bytes) -> TrustFile:
        """The trust file in `raw`. `RemoteError` with the path of what is wrong."""
        if len(raw) > TRUST_BYTES_MAX:
            raise RemoteError(
                "the trust file is too large",
                where="trust file",
                expected=f"at most {TRUST_BYTES_MAX} bytes",
                got=f"{len(raw)} bytes",
            )
        reader = Reader(load(raw, where="trust file"), where="trust file")
        reader.integer("version", TRUST_VERSION, TRUST_VERSION)
        hub = reader.object("hub")
        trust = cls(
            hub_orders=reader.one_of("hub_orders", ("yes", "no")) == "yes",
            checkpoint=reader.one_of("checkpoint", ("none", "cosigned")),
            venues=tuple(_venue(v) for v in reader.objects("venues", items_max=VENUES_MAX)),
            hub=HubKey(
                id=hub.text("id", _HUB), kid=hub.text("kid", KID), pub=hub.text("pub", HEX64)
            ),
            retired=tuple(_retired(r) for r in reader.objects("retired", items_max=RETIRED_MAX)),
            epochs=(
                reader.texts("epochs", HEX32, items_max=EPOCHS_MAX) if reader.has("epochs") else ()
            ),
            witnesses=tuple(
                _witness(one)
                for one in (
                    reader.objects("witnesses", items_max=WITNESSES_MAX)
                    if reader.has("witnesses")
                    else ()
                )
            ),
        )
        hub.end()
        reader.end()
        pairs = [(v.kid, v.pub) for v in trust.venues] + [(trust.hub.kid, trust.hub.pub)]
        pairs += [(w.kid, w.pub) for w in trust.witnesses]
        for kid, pub in pairs:
            _same_key(kid, pub, where="trust file")
        return trust


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a key is. kind: venue, hub, person, controller, system; `venue_org` '' for the hub."""

    subject: str
    kind: str
    roles: tuple[str, ...]
    venue_org: str
    pub: bytes


@dataclass(frozen=True, slots=True)
class Actor:
    """A principal that signed one message validly, and the role it signed in."""

    principal: Principal
    role: str
    kid: str


class Keyring:
    """The keys that count: the trust file's own and those its venues certify.

    A bad certificate counts for nothing and blocks nothing; `rejected` says which and why.
    """

    __slots__ = ("_epochs", "_issuers", "_known", "_retired", "rejected", "trust")

    def __init__(self, trust: TrustFile, certs: Sequence[bytes], verify: Verify) -> None:
        """`certs`: raw `er1/cert` messages, in any order, any number of times."""
        self.trust = trust
        self.rejected: tuple[tuple[int, str], ...] = ()
        self._retired = {retired.kid: retired.at for retired in trust.retired}
        self._epochs = {epoch: n for n, epoch in enumerate(trust.epochs)}
        self._issuers: dict[str, str] = {}
        self._known: dict[str, Principal] = {
            v.kid: Principal(v.org, "venue", (ROLE_VENUE,), v.org, bytes.fromhex(v.pub))
            for v in trust.venues
        }
        hub = trust.hub
        self._known[hub.kid] = Principal(hub.id, "hub", (ROLE_HUB,), "", bytes.fromhex(hub.pub))
        roots = dict(self._known)
        rejected: list[tuple[int, str]] = []
        for index, raw in enumerate(certs):
            reason = self._admit(raw, roots, verify, index)
            if reason:
                rejected.append((index, reason))
        self.rejected = tuple(rejected)

    def resolve(self, kid: str, at: Position | None = None) -> Principal | None:
        """Who `kid` is, or None if it counts for nothing.

        A retired key counts only for what was recorded before its retirement, and so do keys
        that it certified: `at` must be a place in the same stream and known to lie before it.
        """
        ends = [self._retired.get(name) for name in (kid, self._issuers.get(kid, ""))]
        if any(end is not None and not self._before(at, end) for end in ends):
            return None
        return self._known.get(kid)

    def _before(self, at: Position | None, end: Position) -> bool:
        if at is None or at.ctl != end.ctl:
            return False
        if at.epoch == end.epoch:
            return at.seq < end.seq
        place, last = self._epochs.get(at.epoch), self._epochs.get(end.epoch)
        return place is not None and last is not None and place < last

    def signers(self, signed: Signed, verify: Verify) -> tuple[Actor, ...]:
        """Who signed a message validly, in a role certified for them, each subject once."""
        actors: dict[str, Actor] = {}
        for verdict in check_signatures(signed, self._public, verify):
            principal = self.resolve(verdict.kid) if verdict.ok else None
            if principal is not None and verdict.role in principal.roles:
                actors.setdefault(
                    principal.subject, Actor(principal, role=verdict.role, kid=verdict.kid)
                )
        return tuple(actors.values())

    def known(self) -> Mapping[str, Principal]:
        """All keys, retired ones too, by kid."""
        return dict(self._known)

    def _public(self, kid: str) -> bytes | None:
        principal = self.resolve(kid)
        return None if principal is None else principal.pub

    def _admit(self, raw: bytes, roots: Mapping[str, Principal], verify: Verify, index: int) -> str:
        """Take one certificate in; the reason if it counts for nothing."""
        if index >= CERTIFICATES_MAX:
            return f"beyond {CERTIFICATES_MAX} certificates"
        try:
            signed = parse_message(raw, limit=CERTIFICATE_BYTES_MAX)
            certificate = Certificate.read(signed)
        except RemoteError as error:
            return str(error)
        if certificate.kid in roots:
            return "a root key needs no certificate"
        verdicts = check_signatures(signed, lambda kid: _root(roots, kid), verify)
        # Of two certificates for one key the one that no retirement touches counts.
        found = sorted((one.kid for one in verdicts if one.ok), key=self._retired.__contains__)
        for name in found:
            issuer = roots[name]
            if issuer.kind == "venue" or (certificate.kind == "system" and self.trust.hub_orders):
                if name in self._retired and certificate.kid in self._known:
                    return ""
                self._issuers[certificate.kid] = name
                self._known[certificate.kid] = Principal(
                    certificate.subject,
                    certificate.kind,
                    certificate.roles,
                    issuer.venue_org,
                    bytes.fromhex(certificate.pub),
                )
                return ""
        return "not signed by a venue of the trust file"


def _root(roots: Mapping[str, Principal], kid: str) -> bytes | None:
    root = roots.get(kid)
    return None if root is None else root.pub


def _venue(reader: Reader) -> VenueKey:
    venue = VenueKey(
        org=reader.text("org", TOKEN),
        name=reader.text("name", chars_max=128),
        kid=reader.text("kid", KID),
        pub=reader.text("pub", HEX64),
    )
    reader.end()
    return venue


def _witness(reader: Reader) -> WitnessKey:
    witness = WitnessKey(
        org=reader.text("org", TOKEN),
        ctl=reader.text("ctl", _CONTROLLER),
        kid=reader.text("kid", KID),
        pub=reader.text("pub", HEX64),
    )
    reader.end()
    return witness


def _retired(reader: Reader) -> Retired:
    kid, at = reader.text("kid", KID), reader.object("at")
    position = Position(
        ctl=at.text("ctl", _RECORDER), epoch=at.text("epoch", HEX32), seq=at.integer("seq", 1)
    )
    at.end()
    reader.end()
    return Retired(kid=kid, at=position)


def _same_key(kid: str, pub: str, *, where: str) -> None:
    expected = kid_of(bytes.fromhex(pub))
    if kid != expected:
        raise RemoteError(
            "the key id is not that of the key", where=where, expected=expected, got=kid
        )

"""A hub made of a script: real keys, real messages, a real MQTT client, a book of what came.

It records each (epoch, seq) once and in order, checks every seal and every link of the chain, and
acknowledges like a hub. `silent()` makes it deaf and dumb without closing anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import yaml

from hub import crypto
from protocols.messages.acks import Ack, decode_batch
from protocols.messages.acts import CommandWrapper, Order, Statement
from protocols.messages.event import GENESIS, Event, decode_event, event_hash
from protocols.messages.identity import kid as kid_of
from protocols.messages.plan import plan_body, seal_plan
from protocols.messages.signed import Signer, check_signatures, parse_message
from protocols.messages.status import Birth, Ping, PlanRef, Pong, decode_status, decode_tm
from protocols.messages.topics import (
    BROKER_BYTES_MAX,
    DOWN_ACK,
    DOWN_CMD,
    DOWN_PING,
    DOWN_PLAN,
    HUB_SUBSCRIPTIONS,
    QOS,
    UP_EV,
    UP_NOTICE,
    UP_ST,
    UP_TM,
    parse_topic,
    topic,
)
from protocols.messages.trust import Certificate, HubKey, TrustFile, VenueKey
from protocols.policy.pack import Pack

HUB = "h-0123456789ab"
FROM = "2026-01-01T00:00:00.000Z"
PACK_FILE = Path(__file__).parents[2] / "protocols" / "policy" / "packs" / "demo.yaml"
PING_S = 2.0
PIN = "20261124"
NAMES = {"hubei": "湖北", "changsha": "长沙"}


@cache
def demo_pack() -> Pack:
    return Pack.parse(yaml.safe_load(PACK_FILE.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Person:
    """Somebody on duty, with the key of this session."""

    person: str
    post: str
    role: str
    org: str
    seed: bytes = field(default_factory=crypto.new_seed)

    @property
    def kid(self) -> str:
        return kid_of(crypto.public_of(self.seed))

    @property
    def signer(self) -> Signer:
        return crypto.signer(self.seed, self.role)


@dataclass(frozen=True)
class Keys:
    """Everybody's keys: venues, hub, evaluation system, persons."""

    venues: Mapping[str, bytes] = field(
        default_factory=lambda: {org: crypto.new_seed() for org in NAMES}
    )
    hub: bytes = field(default_factory=crypto.new_seed)
    system: bytes = field(default_factory=crypto.new_seed)
    manager: Person = Person("p-000000000001", "HB-01", "home_manager", "hubei")
    home_staff: Person = Person("p-000000000002", "HB-07", "room_staff", "hubei")
    witness: Person = Person("p-000000000003", "HB-09", "witness", "hubei")
    staff: Person = Person("p-000000000004", "CS-07", "room_staff", "changsha")
    coordinator: Person = Person("p-000000000005", "CS-02", "guest_coordinator", "changsha")

    @property
    def people(self) -> tuple[Person, ...]:
        return (self.manager, self.home_staff, self.witness, self.staff, self.coordinator)

    def trust(self) -> TrustFile:
        public = {org: crypto.public_of(seed) for org, seed in self.venues.items()}
        hub = crypto.public_of(self.hub)
        return TrustFile(
            hub_orders=False,
            checkpoint="none",
            venues=tuple(
                VenueKey(org, NAMES[org], kid_of(raw), raw.hex()) for org, raw in public.items()
            ),
            hub=HubKey(HUB, kid_of(hub), hub.hex()),
        )

    def certify(self, subject: str, kind: str, role: str, org: str, seed: bytes) -> bytes:
        public = crypto.public_of(seed)
        venue = crypto.signer(self.venues[org], "venue")
        return Certificate(subject, kind, (role,), kid_of(public), public.hex(), FROM).seal([venue])

    def certificates(self) -> list[bytes]:
        persons = [
            self.certify(one.person, "person", one.role, one.org, one.seed) for one in self.people
        ]
        return [*persons, self.certify("x-system", "system", "system", "hubei", self.system)]


@dataclass
class Stream:
    """One epoch as recorded: lines from seq 1 on; a declared gap leaves a hole."""

    lines: dict[int, bytes] = field(default_factory=dict)
    head: int = 0
    tip: str = GENESIS


@cache
def derived(salt: bytes) -> crypto.Derived:
    """The one PIN, stretched as in earnest; once for all plans of a run."""
    return crypto.derive(PIN, salt)


@cache
def tag_of(number: str, salt: str) -> str:
    """The tag of an ID number, as in earnest; once for all plans of a run."""
    return crypto.member_tag(number, salt)


@dataclass(frozen=True)
class Wrapped:
    """One wrapping key for all PINs: scrypt costs a second, and they are all the same PIN."""

    salt: bytes = bytes(16)

    def of(self, persons: Sequence[Person]) -> dict[str, dict[str, Any]]:
        key = derived(self.salt)
        return {one.person: crypto.wrap_with(key, one.seed) for one in persons}


class ScriptedHub:
    """One room's hub. All that is kept is guarded by one lock; `changed` is notified."""

    def __init__(self, keys: Keys, *, ctl: str, sign_public: bytes) -> None:
        self.keys, self.ctl, self.sign_public = keys, ctl, sign_public
        self.signer = crypto.signer(keys.hub, "hub")
        self.run, self.n, self.generation = secrets.token_hex(16), 0, 1
        self.changed = threading.Condition()
        self.streams: dict[str, Stream] = {}
        self.events: list[Event] = []
        self.notices: list[Event] = []
        self.births: list[Birth] = []
        self.wills = 0
        self.pongs: list[Pong] = []
        self.telemetry: dict[str, Any] = {}
        self.troubles: list[str] = []
        self.arrivals: list[str] = []
        self.plan: bytes = b""
        self.plan_ref = PlanRef()
        self.open: dict[str, tuple[str, bytes]] = {}
        self.credit = 4
        self.holding = threading.Event()  # hears batches, records and acknowledges none
        self._deaf = threading.Event()
        self._stop = threading.Event()
        self._client: mqtt.Client | None = None
        self._pinger: threading.Thread | None = None

    # -- connection --------------------------------------------------------------------------
    def connect(self, host: str, port: int, password: str) -> None:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="hub")
        client.username_pw_set("hub", password)
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda c, *_: c.subscribe(list(HUB_SUBSCRIPTIONS))
        client.on_message = self._message
        client.connect(host, port, keepalive=10)
        client.loop_start()
        self._client = client
        self._pinger = threading.Thread(target=self._ping, daemon=True)
        self._pinger.start()

    def close(self) -> None:
        self._stop.set()
        if self._pinger is not None:
            self._pinger.join()
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Hears and says nothing, as when its program is down and the broker is not."""
        self._deaf.set()
        yield
        self._deaf.clear()

    def publish(self, leaf: str, raw: bytes, *, retain: bool = False) -> None:
        assert self._client is not None
        self._client.publish(topic(self.ctl, leaf), raw, qos=QOS[leaf], retain=retain)

    def _ping(self) -> None:
        while not self._stop.wait(PING_S):
            if not self._deaf.is_set():
                self.publish(DOWN_PING, Ping(secrets.token_hex(8)).encode())

    def _message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        found = parse_topic(message.topic)
        if self._deaf.is_set() or found is None or not message.payload:
            return
        with self.changed:
            self.arrivals.append(found.leaf)
            try:
                self._hear(found.leaf, bytes(message.payload))
            except Exception as error:  # noqa: BLE001 - a test asks for the list
                self.troubles.append(f"{found.leaf}: {error!r}")
            self.changed.notify_all()

    def _hear(self, leaf: str, raw: bytes) -> None:
        if leaf == UP_ST:
            said = decode_status(raw)
            if isinstance(said, Birth):
                self.births.append(said)
                self._answer_birth(said)
            else:
                self.wills += 1
        elif leaf == UP_TM:
            heard = decode_tm(raw)
            if isinstance(heard, Pong):
                self.pongs.append(heard)
            else:
                self.telemetry = dict(heard.values)
        elif leaf in (UP_EV, UP_NOTICE):
            self._batch(raw, notice=leaf == UP_NOTICE)

    # -- recording ---------------------------------------------------------------------------
    def _batch(self, raw: bytes, *, notice: bool) -> None:
        signed = parse_message(raw, limit=BROKER_BYTES_MAX)
        (verdict,) = check_signatures(signed, lambda _: self.sign_public, crypto.verify)
        assert verdict.ok, verdict
        batch = decode_batch(signed)
        if notice:
            self.notices += [decode_event(line) for line in batch.lines]
            return
        if self.holding.is_set():
            return
        stream = self.streams.setdefault(batch.epoch, Stream())
        for offset, line in enumerate(batch.lines):
            self._row(stream, batch.epoch, batch.first + offset, line)
        self._ack(batch.epoch, resend=batch.last > stream.head)

    def _row(self, stream: Stream, epoch: str, seq: int, line: bytes) -> None:
        if seq <= stream.head:
            if seq in stream.lines and stream.lines[seq] != line:
                self.troubles.append(f"fork at {epoch} {seq}")
            return
        if seq != stream.head + 1:
            return
        event = decode_event(line)
        assert (event.epoch, event.seq, event.ctl) == (epoch, seq, self.ctl)
        if seq > 1 and stream.tip not in (GENESIS, event.prev):
            self.troubles.append(f"broken chain at {epoch} {seq}")
        stream.lines[seq], stream.head, stream.tip = line, seq, event_hash(line)
        self.events.append(event)
        if event.type == "record.gap":
            hole = self.streams.setdefault(str(event.data["epoch"]), Stream())
            hole.head, hole.tip = int(event.data["to"]), GENESIS

    def _ack(self, epoch: str, *, resend: bool) -> None:
        stream = self.streams[epoch]
        self.n += 1
        ack = Ack(
            ctl=self.ctl,
            generation=self.generation,
            run=self.run,
            n=self.n,
            epoch=epoch,
            upto=stream.head,
            hash=stream.tip,
            resend=resend,
            credit=self.credit,
            re=self.ask(),
        )
        self.publish(DOWN_ACK, ack.seal([self.signer]))

    def ask(self) -> str:
        """The room's newest nonce."""
        births = self.births[-1].ask if self.births else ""
        return self.pongs[-1].ask if self.pongs and len(self.pongs) > 0 else births

    def _answer_birth(self, birth: Birth) -> None:
        self.pongs.clear()
        self.streams.setdefault(birth.epoch, Stream())
        self._ack(birth.epoch, resend=True)
        if self.plan and birth.plan != self.plan_ref:
            self.publish(DOWN_PLAN, self.plan)
        for name, (kind, raw) in self.open.items():
            self._send_wrapped(name, kind, raw)

    # -- saying ------------------------------------------------------------------------------
    def publish_plan(self, body: Mapping[str, Any], *, n: int, generation: int = 1) -> None:
        """A new plan, sent now and at every birth that does not know it."""
        with self.changed:
            line = plan_body(body)
            self.plan = seal_plan(
                ctl=self.ctl, generation=generation, n=n, body=body, signers=[self.signer]
            )
            self.plan_ref = PlanRef(generation, n, hashlib.sha256(line).hexdigest())
            self.publish(DOWN_PLAN, self.plan)

    def send(self, kind: str, raw: bytes, *, name: str = "", retain: bool = False) -> str:
        """Wraps a person's message and sends it; again at every birth until `done`."""
        name = name or secrets.token_hex(16)
        with self.changed:
            if not retain:
                self.open[name] = (kind, raw)
            self._send_wrapped(name, kind, raw, retain=retain)
        return name

    def _send_wrapped(self, name: str, kind: str, raw: bytes, *, retain: bool = False) -> None:
        wrapper = CommandWrapper(self.ctl, self.ask(), name, kind, raw)
        self.publish(DOWN_CMD, wrapper.seal([self.signer]), retain=retain)

    def order(
        self, session: str, n: int, order: str, *, by: Person | None = None, **more: Any
    ) -> str:
        """An order of the home manager; returns its id."""
        who = by or self.keys.manager
        made = Order(secrets.token_hex(16), session, n, order, who.person, **more)
        self.send("order", made.seal([who.signer]), name=made.id)
        return made.id

    def statement(self, session: str, no: int, document: str, outcome: str = "signed") -> None:
        said = Statement(session, f"x{no}", document, outcome, "0" * 64)
        self.send("statement", said.seal([crypto.signer(self.keys.system, "system")]))

    # -- looking -----------------------------------------------------------------------------
    def found(self, type_: str, **data: Any) -> list[Event]:
        """Recorded events of a type whose data holds these values."""
        with self.changed:
            events = list(self.events)
        return [
            one
            for one in events
            if one.type == type_ and all(one.data.get(key) == val for key, val in data.items())
        ]

    def wait(self, type_: str, *, count: int = 1, within_s: float = 25.0, **data: Any) -> Event:
        """The `count`th event of that kind, as soon as it is recorded here."""
        end = time.monotonic() + within_s
        with self.changed:
            while True:
                hits = [
                    one
                    for one in self.events
                    if one.type == type_ and all(one.data.get(k) == v for k, v in data.items())
                ]
                if len(hits) >= count:
                    return hits[count - 1]
                left = end - time.monotonic()
                tail = [(one.type, dict(one.data)) for one in self.events[-6:]]
                assert left > 0, f"{type_} {data}: not within {within_s} s; last {tail}"
                self.changed.wait(left)


def session_plan(
    keys: Keys,
    *,
    session: str,
    org: str,
    members: Mapping[int, str],
    seal_public: bytes,
    wrapped: Mapping[str, Mapping[str, Any]],
    salt: str = "ab" * 16,
) -> dict[str, Any]:
    """The session as the controller of `org` gets it; `members` here: number to ID number."""
    tags = {str(no): tag_of(number, salt) for no, number in members.items()}
    other = "changsha" if org == "hubei" else "hubei"
    elsewhere = max(members) + 1
    return {
        "session": session,
        "booking": "2026-1124-03",
        "kind": "evaluation",
        "start_at": "2099-11-24T01:00:00.000Z",
        "duration_min": 240,
        "org": org,
        "role": "home" if org == "hubei" else "guest",
        "home_org": "hubei",
        "venues": [
            {"org": one, "role": role, "ctl": "", "place": f"{one}-1", "name": NAMES[one]}
            for one, role in (("hubei", "home"), ("changsha", "guest"))
        ],
        "members": [
            *(
                {
                    "no": no,
                    "kind": "expert",
                    "org": org,
                    "here": True,
                    "station": at,
                    "locker": at,
                }
                for at, no in enumerate(members, 1)
            ),
            {
                "no": elsewhere,
                "kind": "expert",
                "org": other,
                "here": False,
                "station": None,
                "locker": None,
            },
        ],
        "salt": salt,
        "tags": crypto.seal(seal_public, json.dumps(tags).encode()),
        "duty": [
            {
                "person": one.person,
                "post": one.post,
                "role": one.role,
                "org": one.org,
                "kid": one.kid,
                "wrapped": wrapped.get(one.person) if one.org == org else None,
            }
            for one in keys.people
        ],
        "system_kid": kid_of(crypto.public_of(keys.system)),
    }


def body_of(
    keys: Keys, *, place: str, org: str, sessions: Sequence[Mapping[str, Any]], pack: Pack
) -> dict[str, Any]:
    """A plan's body."""
    return {
        "v": 1,
        "place": {"id": place, "org": org, "name": "一室"},
        "pack": json.loads(pack.canonical()),
        "calendar": [],
        "certs": [base64.b64encode(raw).decode("ascii") for raw in keys.certificates()],
        "sessions": list(sessions),
    }

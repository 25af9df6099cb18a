"""A small but complete package, built with the same helpers the hub uses."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from protocols.evidence import package as make
from protocols.evidence.tally import HUB_TYPE, ROOM_TYPE, tally
from protocols.evidence.verifier import MemoryFiles, Report, verify_package
from protocols.messages.bodies import (
    Certificate,
    Command,
    Expect,
    Order,
    Statement,
    seal_batch,
)
from protocols.messages.event import GENESIS, Event, encode_event, event_hash
from tests.protocols.messages.wire_keys import (
    AT,
    CTL,
    GUEST,
    HUB,
    HUB_KEY,
    ROOM,
    SESSION,
    Key,
    certify,
    trust_file,
)

EPOCH1, EPOCH2, HUB_EPOCH = "1" * 32, "2" * 32, "3" * 32
MANAGER, WITNESS, SYSTEM = Key("home manager"), Key("home witness"), Key("home system")
MANAGER_ID, WITNESS_ID = "p-0000000000aa", "p-0000000000bb"
SEGMENTS = [b"segment one" * 50, b"segment two" * 60]


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass
class Recorder:
    """Writes a stream and seals it in batches, as a room or hub does."""

    ctl: str
    epoch: str
    key: Key
    role: str = "controller"
    lines: dict[int, bytes] = field(default_factory=dict)
    seals: list[bytes] = field(default_factory=list)
    prev: str = GENESIS
    seq: int = 0
    at: str = AT
    sessions: dict[int, str] = field(default_factory=dict)
    prepared: int = 0
    closing: dict[str, Any] = field(default_factory=dict)

    def write(self, kind: str, data: dict[str, Any], session: str = "") -> int:
        self.seq += 1
        line = encode_event(
            Event(
                v=1,
                ctl=self.ctl,
                epoch=self.epoch,
                seq=self.seq,
                prev=self.prev,
                session=session,
                boot="b0",
                mono_ms=self.seq,
                at=self.at,
                at_trust="ntp",
                type=kind,
                data=data,
            )
        )
        self.lines[self.seq], self.prev = line, event_hash(line)
        self.sessions[self.seq] = session
        if kind == "session.prepared" and session == SESSION:
            self.prepared = self.prepared or self.seq
        return self.seq

    def open(self, pred: Recorder | None = None) -> None:
        self.prev = pred.prev if pred else GENESIS
        data = {
            "pred_epoch": pred.epoch if pred else "",
            "pred_seq": pred.seq if pred else 0,
            "pred_hash": self.prev,
            "cause": "start",
        }
        self.write("epoch.opened", data)

    def whole_session(self) -> None:
        """The first and the last thing a room writes of a session."""
        self.begin()
        self.end()

    def begin(self) -> None:
        """The first thing a room writes of a session."""
        self.write("session.prepared", {"booking": "2026-1124-01"}, SESSION)

    def end(self, *before: Recorder) -> None:
        """The last things."""
        self.write("phase.changed", {"from": "signing", "to": "ended"}, SESSION)
        self.counted(*before)

    def counted(self, *before: Recorder) -> None:
        """What a recorder counts at the end: over this epoch and those before it."""
        room = self.ctl.startswith("c-")
        rows = [
            (one.epoch, seq)
            for one in (*before, self)
            for seq, session in one.sessions.items()
            if session == SESSION or (room and session == "")
        ]
        prepared = [(one.epoch, one.prepared) for one in (*before, self) if one.prepared]
        rows = rows[rows.index(prepared[0]) :] if prepared else rows
        if room:
            self.write(ROOM_TYPE, tally(rows), SESSION)
        else:
            self.write(HUB_TYPE, {**tally(rows), "org": "changsha", **self.closing}, SESSION)

    def seal(self, first: int, last: int, key: Key | None = None) -> None:
        raw = seal_batch(
            ctl=self.ctl,
            epoch=self.epoch,
            first=first,
            lines=[self.lines[seq] for seq in range(first, last + 1)],
            signers=[(key or self.key).signer(self.role)],
        )
        self.seals.append(make.seal_line(raw))

    def files(self, *, shown=None) -> dict[str, bytes]:
        folder = f"data/streams/{self.ctl}/{self.epoch}"
        hashes = {seq: event_hash(line) for seq, line in self.lines.items()}
        show = [line + b"\n" for seq, line in self.lines.items() if shown is None or seq in shown]
        return {
            f"{folder}/hashes.txt": make.hash_list(hashes),
            f"{folder}/seals.jsonl": b"".join(self.seals),
            f"{folder}/events.jsonl": b"".join(show),
        }


def order_raw(**changes: Any) -> bytes:
    known = {
        "id": "o1",
        "session": SESSION,
        "n": 1,
        "order": "end",
        "by": MANAGER_ID,
        "committee": "complete",
    }
    return Order(**{**known, **changes}).seal([MANAGER.signer("home_manager")])


def room(key: Key = ROOM) -> tuple[Recorder, Recorder]:
    """A room's day over two epochs: check-in, an order, media, a hidden event, a statement."""
    one = Recorder(CTL, EPOCH1, key)
    one.open()
    one.begin()
    one.write("member.late", {"no": "3"}, SESSION)
    one.write("member.late", {"no": "9"}, "s-another0000")
    for segment in SEGMENTS:
        one.write("media.segment", segment_data(segment))
    one.seal(1, 4)
    one.seal(3, one.seq)
    two = Recorder(CTL, EPOCH2, key)
    two.open(one)
    raw = b64(order_raw())
    two.write("order.accepted", {"id": "o1", "order": "end", "by": MANAGER_ID, "raw": raw}, SESSION)
    statement = Statement(SESSION, "3", "report", "signed", "d" * 64)
    raw = b64(statement.seal([SYSTEM.signer("system")]))
    two.write("statement.accepted", {"raw": raw}, SESSION)
    two.write("media.gap", {"stream": "cam1", "from_at": AT, "to_at": AT, "seconds": 1})
    two.end(one)
    two.seal(1, two.seq)
    return one, two


def segment_data(content: bytes, stream: str = "cam1") -> dict[str, Any]:
    return {
        "stream": stream,
        "first_at": AT,
        "last_at": AT.replace("03.004", "13.004"),
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "pts": 0,
    }


def hub_stream() -> Recorder:
    """The hub's own facts: a command two persons signed, and one by the hub itself."""
    hub = Recorder(HUB, HUB_EPOCH, HUB_KEY, "hub")
    hub.open()
    override = Command("c1", "locker.override", {"locker": 3}, Expect("locker-3"))
    two = [MANAGER.signer("home_manager"), WITNESS.signer("witness")]
    hub.write("command.issued", {"id": "c1", "raw": b64(override.seal(two))}, SESSION)
    selftest = Command("c2", "device.selftest").seal([HUB_KEY.signer("hub")])
    hub.write("command.issued", {"id": "c2", "raw": b64(selftest)}, SESSION)
    hub.counted()
    hub.seal(1, hub.seq)
    return hub


def certificates() -> list[bytes]:
    return [
        certify(ROOM, CTL, kind="controller", roles=["controller"], issuer=GUEST),
        certify(MANAGER, MANAGER_ID, roles=["home_manager"]),
        certify(WITNESS, WITNESS_ID, roles=["witness"]),
        certify(SYSTEM, "system-1", kind="system", roles=["system"]),
    ]


def certificate_file(raws: list[bytes]) -> bytes:
    return b"".join(make.certificate_line(raw) for raw in raws)


def payload(recorders=None, trust=None) -> dict[str, bytes]:
    """Every file under data/."""
    one, two = room()
    files = {
        "data/record/session.json": compact(
            {"session": SESSION, "org": "changsha", "home_org": "hubei"}
        ),
        "data/record/witness.json": compact({"session": SESSION, "entries": []}),
        "data/record/appraisal.json": compact({"session": SESSION, "members": []}),
        "data/record/policy.json": compact({"verified": False}),
        "data/keys/trust.json": (trust or trust_file()).encode(),
        "data/keys/certificates.jsonl": certificate_file(certificates()),
        "data/av/index.json": compact({"streams": ["cam1"], "gaps": []}),
    }
    for segment in SEGMENTS:
        files[f"data/av/cam1/{hashlib.sha256(segment).hexdigest()}.mp4"] = segment
    hidden = {4}
    files.update(one.files(shown=set(one.lines) - hidden))
    for recorder in recorders or (two, hub_stream()):
        files.update(recorder.files())
    return files


def bag(
    files: dict[str, bytes],
    *,
    key: Key = GUEST,
    org: str = "changsha",
    session: str = SESSION,
    sm3=None,
) -> dict[str, bytes]:
    """The whole package around a payload, signed by a venue."""
    infos = {
        name: make.file_info(content, sm3=sm3(content) if sm3 else "")
        for name, content in files.items()
    }
    tags = {make.VERIFY_PY: b"# verifier\n", make.INDEX: b"SQLite format 3\x00"}
    texts = make.bag_files(
        infos,
        info={"Source-Organization": org},
        tags={name: make.file_info(content) for name, content in tags.items()},
    )
    name, signature = make.sign_package(
        org=org,
        session=session,
        tag_manifest=texts["tagmanifest-sha256.txt"],
        public=key.pub,
        sign=key.private.sign,
    )
    return {**files, **tags, **texts, name: signature}


def certificate(**changes: Any) -> bytes:
    """A certificate message with one field changed, signed by the home venue."""
    known = {
        "subject": MANAGER_ID,
        "kind": "person",
        "roles": ("home_manager",),
        "kid": MANAGER.kid,
        "pub": MANAGER.pub.hex(),
        "from_at": AT,
    }
    return Certificate(**{**known, **changes}).seal([Key("home").signer("venue")])


def verdict_on(changes: dict[str, bytes | None], *, trust=None, lost=()) -> Report:
    """The verdict on the sample with its payload changed (None: left out) and signed again.

    `lost`: files that went afterwards.
    """
    files = {**payload(), **changes}
    kept = {name: content for name, content in files.items() if content is not None}
    raw = (trust or trust_file()).encode()
    whole = {name: content for name, content in bag(kept).items() if name not in lost}
    return verify_package(MemoryFiles(whole), raw, "en")


def found(report: Report) -> list[tuple[int, str, str]]:
    """(verdict, key, name) of every finding."""
    return [(item.verdict, item.key, item.name) for item in report.items]


def media_files() -> list[str]:
    """Names of the sample's two segments."""
    return [f"data/av/cam1/{hashlib.sha256(segment).hexdigest()}.mp4" for segment in SEGMENTS]

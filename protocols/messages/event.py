"""Events of WIRE §4: the unit of the record, the same bytes for ever.

`encode_event` makes the bytes once, in the room. `decode_event` is for whoever wants to know
what an event says; `envelope_of` is all that recording may look at.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.strict import (
    HEX32,
    HEX64,
    INSTANT,
    INSTANT_TEXT,
    INTEGER_MAX,
    Reader,
    dump,
    load,
    load_last,
)
from protocols.messages.topics import EVENT_BYTES_MAX

EVENT_VERSION: Final = 1
GENESIS: Final = "0" * 64
"""`prev` of the very first event, and the hash where no row stands (ack at 0, end of a gap)."""

AT_TRUST: Final = ("ntp", "rtc", "none")
KEYS: Final = (
    "v",
    "ctl",
    "epoch",
    "seq",
    "prev",
    "session",
    "boot",
    "mono_ms",
    "at",
    "at_trust",
    "type",
    "data",
)

_TYPE = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*){0,3}\Z")
_SESSION = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._:-]{0,63})?\Z")
_BOOT = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
_CTL = re.compile(r"[ch]-[0-9a-f]{12}\Z")

# Key order and compact form are fixed, so the head of an event is a fixed text. Reading only the
# head keeps recording blind to everything behind it: an event nobody can read is still recorded.
_HEAD = re.compile(
    rb'\{"v":[0-9]{1,4},"ctl":"([ch]-[0-9a-f]{12})","epoch":"([0-9a-f]{32})",'
    rb'"seq":([1-9][0-9]{0,15}),"prev":"([0-9a-f]{64})",'
)


# What the head of every event we write ourselves looks like, put together without asking what a
# text needs quoted: none that matches needs it. What does not match is taken apart and judged.
_WRITTEN = re.compile(
    r'\{"v":1,"ctl":"([ch]-[0-9a-f]{12})","epoch":"([0-9a-f]{32})","seq":([1-9][0-9]{0,14}),'
    r'"prev":"([0-9a-f]{64})","session":"((?:[A-Za-z0-9][A-Za-z0-9._:-]{0,63})?)",'
    r'"boot":"([A-Za-z0-9-]{1,64})","mono_ms":(0|[1-9][0-9]{0,14}),'
    rf'"at":"({INSTANT_TEXT})","at_trust":"(ntp|rtc|none)",'
    r'"type":"([a-z][a-z0-9_]{0,14}(?:\.[a-z][a-z0-9_]{0,14}){0,3})",'
)
_DATA = '"data":'


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `at` is RFC 3339 UTC ms, `mono_ms` counts since the controller's boot.

    `session` is '' for shared facts. `data` holds JSON without floats.
    """

    v: int
    ctl: str
    epoch: str
    seq: int
    prev: str
    session: str
    boot: str
    mono_ms: int
    at: str
    at_trust: str
    type: str
    data: Mapping[str, Any]


class Record(Protocol):
    """What a room says: an event without identity, order and time."""

    @property
    def type(self) -> str:
        """As `Event.type`."""
        ...

    @property
    def session(self) -> str:
        """As `Event.session`."""
        ...

    @property
    def data(self) -> Mapping[str, Any]:
        """As `Event.data`."""
        ...


@dataclass(frozen=True, slots=True)
class Envelope:
    """What recording looks at; `size` in bytes without the line feed."""

    ctl: str
    epoch: str
    seq: int
    prev: str
    size: int


def encode_event(event: Event) -> bytes:
    """The event's bytes, without line feed. `LocalError` if it breaks the contract."""
    head = _written_head(event)
    if _WRITTEN.fullmatch(head) and type(event.data) is dict:
        data = dump({"data": event.data}, where="event")
        return _of_size(head.encode("ascii") + data[1:], event.type)
    line = _of_size(dump({key: getattr(event, key) for key in KEYS}, where="event"), event.type)
    try:
        decode_event(line)
    except RemoteError as error:
        raise LocalError(
            "the event breaks the contract",
            where=error.where,
            expected=error.expected,
            got=error.got,
        ) from None
    return line


def encode_chain(first: Event, records: Sequence[Record]) -> list[tuple[bytes, str]]:
    """Events chained one behind the other, each as `encode_event` writes it, with its hash.

    Args:
        first: what they have in common, and `seq` and `prev` of the first; its own session, type
            and data are not looked at.
        records: what each says.

    Raises:
        LocalError: one of them breaks the contract.
    """
    begin = f'{{"v":{first.v},"ctl":"{first.ctl}","epoch":"{first.epoch}","seq":'
    middle = (
        f'","boot":"{first.boot}","mono_ms":{first.mono_ms},"at":"{first.at}",'
        f'"at_trust":"{first.at_trust}","type":"'
    )
    # A head that was sound once is sound with the next number and another hash.
    sound: set[tuple[str, str]] = set()
    chained: list[tuple[bytes, str]] = []
    prev = first.prev
    for seq, one in enumerate(records, start=first.seq):
        session, kind, data = one.session, one.type, one.data
        if (session, kind) in sound and type(data) is dict:
            head = f'{begin}{seq},"prev":"{prev}","session":"{session}{middle}{kind}",'
            line = _of_size(head.encode("ascii") + dump({"data": data}, where="event")[1:], kind)
        else:
            event = replace(first, seq=seq, prev=prev, session=session, type=kind, data=data)
            line = encode_event(event)
            if _WRITTEN.fullmatch(_written_head(event)):
                sound.add((session, kind))
        prev = event_hash(line)
        chained.append((line, prev))
    return chained


def _written_head(event: Event) -> str:
    """An event up to its data as it is written where no text needs quoting; '' for odd types."""
    texts = (event.ctl, event.epoch, event.prev, event.session, event.boot, event.at)
    words = (*texts, event.at_trust, event.type)
    numbers = (event.v, event.seq, event.mono_ms)
    if any(type(one) is not str for one in words) or any(type(one) is not int for one in numbers):
        return ""
    return (
        f'{{"v":{event.v},"ctl":"{event.ctl}","epoch":"{event.epoch}","seq":{event.seq},'
        f'"prev":"{event.prev}","session":"{event.session}","boot":"{event.boot}",'
        f'"mono_ms":{event.mono_ms},"at":"{event.at}","at_trust":"{event.at_trust}",'
        f'"type":"{event.type}",'
    )


def _of_size(line: bytes, kind: str) -> bytes:
    if len(line) > EVENT_BYTES_MAX:
        raise LocalError(
            "the event is too large",
            where=f"event {kind!r}",
            expected=f"at most {EVENT_BYTES_MAX} bytes",
            got=f"{len(line)} bytes",
            do="put bulk data into the archive and its hash into the event",
        )
    return line


def decode_event(line: bytes) -> Event:
    """The event in `line`. `RemoteError` with the path of what is not as WIRE §4 says."""
    if len(line) > EVENT_BYTES_MAX:
        raise RemoteError(
            "the event is too large",
            where="event",
            expected=f"at most {EVENT_BYTES_MAX} bytes",
            got=f"{len(line)} bytes",
        )
    return _as_written(line) or _taken_apart(line)


def _as_written(line: bytes) -> Event | None:
    """The event, if it is one that we write ourselves; a quarter of the time of the other way.

    What is odd is left to the other way, which also says what is odd about it.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return None
    head = _WRITTEN.match(text)
    if head is None or not text.startswith(_DATA, head.end()):
        return None
    data = load_last(text, head.end() + len(_DATA))
    if data is None:
        return None
    ctl, epoch, seq, prev, session, boot, mono_ms, at, at_trust, kind = head.groups()
    return Event(
        v=EVENT_VERSION,
        ctl=ctl,
        epoch=epoch,
        seq=int(seq),
        prev=prev,
        session=session,
        boot=boot,
        mono_ms=int(mono_ms),
        at=at,
        at_trust=at_trust,
        type=kind,
        data=data,
    )


def _taken_apart(line: bytes) -> Event:
    value = load(line, where="event")
    if tuple(value) != KEYS:
        raise RemoteError(
            "the event's keys differ",
            where="event",
            expected=", ".join(KEYS),
            got=", ".join(value),
        )
    reader = Reader(value, where="event")
    return Event(
        v=reader.integer("v", EVENT_VERSION, EVENT_VERSION),
        ctl=reader.text("ctl", _CTL),
        epoch=reader.text("epoch", HEX32),
        seq=reader.integer("seq", 1),
        prev=reader.text("prev", HEX64),
        session=reader.text("session", _SESSION),
        boot=reader.text("boot", _BOOT),
        mono_ms=reader.integer("mono_ms"),
        at=reader.text("at", INSTANT),
        at_trust=reader.one_of("at_trust", AT_TRUST),
        type=reader.text("type", _TYPE, chars_max=64),
        data=reader.mapping("data"),
    )


def event_hash(line: bytes) -> str:
    """SHA-256 of the event's bytes (no line feed), 64 hex digits."""
    return hashlib.sha256(line).hexdigest()


def envelope_of(line: bytes) -> Envelope:
    """The head of an event; nothing behind it is looked at. `RemoteError` if it has none."""
    if len(line) > EVENT_BYTES_MAX:
        raise RemoteError(
            "the event is too large",
            where="event",
            expected=f"at most {EVENT_BYTES_MAX} bytes",
            got=f"{len(line)} bytes",
        )
    head = _HEAD.match(line)
    if head is None:
        raise RemoteError(
            "not an event", where="event", expected="v, ctl, epoch, seq, prev", got=line[:80]
        )
    ctl, epoch, digits, prev = head.groups()
    seq = int(digits)
    if seq > INTEGER_MAX:
        raise RemoteError(
            "seq is too large", where="event.seq", expected="below 2^53", got=digits.decode("ascii")
        )
    return Envelope(
        ctl.decode("ascii"), epoch.decode("ascii"), seq, prev.decode("ascii"), len(line)
    )


def first_prev(pred_hash: str = "") -> str:
    """`prev` of an epoch's first event: its predecessor's last hash, or `GENESIS`."""
    return pred_hash or GENESIS

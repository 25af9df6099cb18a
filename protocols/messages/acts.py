"""What persons sign: orders, statements, commands; and the hub's wrapper around a command.

WIRE §7. The fields stand in the header line, so the signed bytes are the exact line the person's
key signed; only the wrapper has body lines: the issuer's message, untouched.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from protocols.messages.errors import RemoteError
from protocols.messages.signed import Signed, Signer, fields, parse_message, seal_message
from protocols.messages.strict import HEX64, NONCE, TOKEN, Json, Reader
from protocols.messages.topics import MESSAGE_BYTES_MAX

ORDERS: Final = (
    "open",
    "start",
    "break",
    "resume",
    "suspend",
    "adjourn",
    "sign",
    "postpone",
    "terminate",
    "end",
    "member_release",
    "close",
)
DOCUMENTS: Final = ("personal_sheet", "summary", "report")
OUTCOMES: Final = (
    "signed",
    "signed_with_dissent",
    "refused_in_writing",
    "refused_without_reasons",
)
VERBS: Final = (
    "member.replace",
    "station.swap",
    "locker.override",
    "device.selftest",
    "device.reset",
    "clip.mark",
    "clip.fetch",
    "network.switch",
    "config.apply",
    "journal.reopen",
)
KINDS: Final = {"order": "er1/order", "statement": "er1/statement", "command": "er1/cmd"}
"""What a wrapper may hold, by its `kind`."""
COMMITTEE: Final = ("complete", "incomplete")
BY_HUB: Final = "hub"
"""`by` of an order the hub's own key signed; counts only where the trust file says so."""

REASON_CHARS_MAX: Final = 500
EXCEPTIONS_MAX: Final = 16
"""`start` has three needs per venue; sixteen cover a session of five venues."""

SEGMENTS_MAX: Final = 64
"""Contents one `clip.fetch` names: ten minutes of one stream, and below half a message."""
UPLINKS: Final = ("first", "second")
"""What `network.switch` may name; without a name it is the one not in use."""

_BY = re.compile(r"(?:hub|p-[0-9a-f]{12})\Z")
_CTL = re.compile(r"c-[0-9a-f]{12}\Z")
_SENTENCE = re.compile(r"[^\x00-\x1f\x7f]{1,200}\Z")
_PREVIOUS = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._:-]{0,63})?\Z")


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the home manager; it permits, it moves nothing by itself.

    `prev_order`: id of the last order the issuer knew ('' for none), `venues`: organisations it
    is for (empty: all of the session), `members`: tokens (member_release), `committee`: only and
    always with `end`, `exceptions`: needs of `start` waived, each with its reason, `reason`: free
    text. No text has a person's name in it.
    """

    id: str
    session: str
    n: int
    order: str
    by: str
    prev_order: str = ""
    venues: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    committee: str = ""
    exceptions: tuple[str, ...] = ()
    reason: str = ""

    def seal(self, signers: Sequence[Signer]) -> bytes:
        """The signed message's bytes."""
        header: Json = {
            "id": self.id,
            "session": self.session,
            "n": self.n,
            "prev_order": self.prev_order,
            "order": self.order,
            "venues": list(self.venues),
            "members": list(self.members),
            "by": self.by,
        }
        if self.committee:
            header["committee"] = self.committee
        if self.exceptions:
            header["exceptions"] = list(self.exceptions)
        if self.reason:
            header["reason"] = self.reason
        return seal_message(ctx="er1/order", header=header, lines=(), signers=signers)

    @classmethod
    def read(cls, signed: Signed) -> Order:
        """The order in a parsed message. `RemoteError` if it is none."""
        reader = fields(signed, "er1/order")
        kind = reader.one_of("order", ORDERS)
        order = cls(
            id=reader.text("id", TOKEN),
            session=reader.text("session", TOKEN),
            n=reader.integer("n", 1),
            order=kind,
            by=reader.text("by", _BY),
            prev_order=reader.text("prev_order", _PREVIOUS),
            venues=reader.texts("venues", TOKEN),
            members=reader.texts("members", TOKEN),
            committee=reader.one_of("committee", COMMITTEE) if kind == "end" else "",
            exceptions=_exceptions(reader),
            reason=_reason(reader),
        )
        reader.end()
        if kind == "member_release" and not order.members:
            reader.fail("members", "at least one member to release", order.members)
        if kind != "member_release" and order.members:
            reader.fail("members", "none: this order is for the whole session", order.members)
        _no_body(signed)
        return order


@dataclass(frozen=True, slots=True)
class Statement:
    """What became of one document of one member; `digest` is SHA-256 of the document in hex."""

    session: str
    member: str
    document: str
    outcome: str
    digest: str

    def seal(self, signers: Sequence[Signer]) -> bytes:
        """The signed message's bytes."""
        header = {
            "session": self.session,
            "member": self.member,
            "document": self.document,
            "outcome": self.outcome,
            "digest": self.digest,
        }
        return seal_message(ctx="er1/statement", header=header, lines=(), signers=signers)

    @classmethod
    def read(cls, signed: Signed) -> Statement:
        """The statement in a parsed message. `RemoteError` if it is none."""
        reader = fields(signed, "er1/statement")
        statement = cls(
            session=reader.text("session", TOKEN),
            member=reader.text("member", TOKEN),
            document=reader.one_of("document", DOCUMENTS),
            outcome=reader.one_of("outcome", OUTCOMES),
            digest=reader.text("digest", HEX64),
        )
        reader.end()
        _no_body(signed)
        return statement


@dataclass(frozen=True, slots=True)
class Expect:
    """The state the issuer saw: `obj` last changed by the event (epoch, seq); '' and 0: never."""

    obj: str
    epoch: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """One act asked of one room. `args` is JSON without floats; `expect` None: no object.

    `args` may name a `session`. Verbs about the controller itself have these and no others:
    `journal.reopen` none; `network.switch` `to?` of `UPLINKS`; `clip.fetch` `segments`, SHA-256 in
    hex; `config.apply` `version` and `set`, the whole list of options that differ from the room's
    file, as `section.option` to value.
    """

    id: str
    verb: str
    args: Mapping[str, Any] = field(default_factory=dict)
    expect: Expect | None = None

    def seal(self, signers: Sequence[Signer]) -> bytes:
        """The issuer's signed message; the hub wraps it (`CommandWrapper`)."""
        expect: Json | None = None
        if self.expect is not None:
            rev = [self.expect.epoch, self.expect.seq]
            expect = {"obj": self.expect.obj, "rev": rev}
        header = {"id": self.id, "verb": self.verb, "args": dict(self.args), "expect": expect}
        return seal_message(ctx="er1/cmd", header=header, lines=(), signers=signers)

    @classmethod
    def read(cls, signed: Signed) -> Command:
        """The command in a parsed message. `RemoteError` if it is none."""
        reader = fields(signed, "er1/cmd")
        command = cls(
            id=reader.text("id", TOKEN),
            verb=reader.one_of("verb", VERBS),
            args=reader.mapping("args"),
            expect=_expect(reader),
        )
        reader.end()
        _no_body(signed)
        _check_args(command)
        return command


@dataclass(frozen=True, slots=True)
class CommandWrapper:
    """What `down/cmd` carries: the hub's seal around the issuer's message, untouched.

    One body line: base64 of `inner`, the issuer's signed order, statement or command (`kind`);
    `re` echoes the room's last ask: freshness without a clock.
    """

    ctl: str
    re: str
    id: str
    kind: str
    inner: bytes

    def seal(self, signers: Sequence[Signer]) -> bytes:
        """The signed message's bytes."""
        header = {"ctl": self.ctl, "re": self.re, "id": self.id, "kind": self.kind}
        line = base64.b64encode(self.inner)
        return seal_message(ctx="er1/cmd", header=header, lines=(line,), signers=signers)

    @classmethod
    def read(cls, signed: Signed) -> CommandWrapper:
        """The wrapper in a parsed message; `parse_inner` gives what it holds."""
        reader = fields(signed, "er1/cmd")
        wrapper = cls(
            ctl=reader.text("ctl", _CTL),
            re=reader.text("re", NONCE),
            id=reader.text("id", TOKEN),
            kind=reader.one_of("kind", KINDS),
            inner=_only_line(signed),
        )
        reader.end()
        return wrapper

    def parse_inner(self) -> Signed:
        """The issuer's message. `RemoteError` if it is not what `kind` says."""
        inner = parse_message(self.inner, limit=MESSAGE_BYTES_MAX)
        if inner.ctx != KINDS[self.kind]:
            raise RemoteError(
                "the wrapper holds something else",
                where="er1/cmd",
                expected=KINDS[self.kind],
                got=inner.ctx,
            )
        return inner


def statement_id(signed: Signed) -> str:
    """A statement has no id of its own: the first 32 hex digits of its header's SHA-256.

    The same statement sent twice, or signed by others, has the same id.
    """
    return hashlib.sha256(signed.header_line).hexdigest()[:32]


def _only_line(signed: Signed) -> bytes:
    if len(signed.lines) != 1:
        raise RemoteError("not one body line", where="er1/cmd", expected="the issuer's message")
    try:
        return base64.b64decode(signed.lines[0], validate=True)
    except ValueError:
        raise RemoteError(
            "not base64", where="er1/cmd", expected="the issuer's message", got=signed.lines[0]
        ) from None


def _reason(reader: Reader) -> str:
    return reader.text("reason", chars_max=REASON_CHARS_MAX) if reader.has("reason") else ""


def _exceptions(reader: Reader) -> tuple[str, ...]:
    if not reader.has("exceptions"):
        return ()
    return reader.texts("exceptions", _SENTENCE, items_max=EXCEPTIONS_MAX)


def _expect(reader: Reader) -> Expect | None:
    if reader.null("expect"):
        return None
    inner = reader.object("expect")
    obj = inner.text("obj", TOKEN)
    epoch, seq = inner.revision("rev")
    inner.end()
    return Expect(obj=obj, epoch=epoch, seq=seq)


def _check_args(command: Command) -> None:
    """Refuse arguments nobody reads, of the verbs whose arguments are fixed."""
    check = _ARGS.get(command.verb)
    if check is None:
        return
    reader = Reader(command.args, where="er1/cmd.args")
    if reader.has("session"):
        reader.text("session", TOKEN)
    check(reader)
    reader.end()


def _no_args(reader: Reader) -> None:
    """`journal.reopen` says everything by its verb."""


def _uplink_args(reader: Reader) -> None:
    if reader.has("to"):
        reader.one_of("to", UPLINKS)


def _segment_args(reader: Reader) -> None:
    if not reader.texts("segments", HEX64, items_max=SEGMENTS_MAX):
        reader.fail("segments", "at least one content", [])


def _config_args(reader: Reader) -> None:
    reader.integer("version", 1)
    reader.mapping("set")


_ARGS: Final[Mapping[str, Callable[[Reader], None]]] = {
    "journal.reopen": _no_args,
    "network.switch": _uplink_args,
    "clip.fetch": _segment_args,
    "config.apply": _config_args,
}


def _no_body(signed: Signed) -> None:
    if signed.lines:
        raise RemoteError("this message has no body", where=signed.ctx, expected="no body lines")

"""What the room's screen may ask of the room: see, act with PINs, confirm an order, pass one on.

Runs in the screen's threads. PINs are checked here (half a second of scrypt each, by intention);
everything that touches the state is handed to the loop and waited for, so an answer means that the
act is on the disk.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge.code_side import CodeSide
from edge.crypto import signer
from edge.duty import DutyError, DutyPerson, DutyRoster
from edge.held import FULL
from edge.inbox import Inbox
from edge.intake import MEMBER_PREFIX, Intake
from edge.runtime import CALL_S, Fed, Runtime
from edge.turn import Turn
from protocols.messages.acts import BY_HUB, Order, Statement
from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.event import decode_event
from protocols.messages.offline_code import CodeTextError, Slot, read_code, slot_of
from protocols.messages.order_text import (
    OrderTextError,
    is_order_text,
    order_bytes,
    order_text,
)
from protocols.messages.orders import ORDER_ROLES
from protocols.messages.signed import Signed, Signer, parse_message
from protocols.messages.topics import MESSAGE_BYTES_MAX
from protocols.policy.room_view import room_view

ID_BYTES = 16
PEOPLE_MAX = 4  # the most any act asks for is two
# Four hours, a usual evaluation, of one camera at 2 Mbit/s: with less free, say so beforehand.
LOW_BYTES_PER_CAMERA = 2_000_000 // 8 * 3600 * 4
BELL_S = 10.0  # a screen that hears nothing for this long looks by itself


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands around the state: names of the place, cameras' names."""

    place: str
    org: str
    cameras: Mapping[str, str]


def with_space(storage: Mapping[str, Any], free: int, *, cameras: int) -> dict[str, Any]:
    """What the runtime knows of the disk and the bytes free on it; `low` before it is `full`."""
    low = storage["state"] == "ok" and free < LOW_BYTES_PER_CAMERA * max(1, cameras)
    return {**storage, "free_bytes": free, "state": "low" if low else storage["state"]}


@dataclass(slots=True)
class Bell:
    """Rings when the state changed; every screen waits on it by a count of its own."""

    _count: int = 0
    _over: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def ring(self) -> None:
        """The state changed."""
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def close(self) -> None:
        """The room ends: nobody waits any longer."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def wait(self, seen: int, timeout_s: float) -> int | None:
        """Waits until the count is above `seen`; returns it, None when the room has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._count > seen, timeout_s)
            return None if self._over else self._count


@dataclass(slots=True)
class RoomDesk:
    """The screen's port to the room.

    Args:
        link_up: whether the MQTT connection stands.
        waiting: rows not yet acknowledged by the hub.
        trouble: what is wrong with the hub's answers; see `edge.uplink`.
    """

    runtime: Runtime
    inbox: Inbox
    intake: Intake
    roster: DutyRoster
    codes: CodeSide
    bell: Bell
    about: Facts
    entropy: Callable[[int], bytes]
    link_up: Callable[[], bool]
    waiting: Callable[[], int]
    trouble: Callable[[], str]

    def view(self) -> dict[str, Any]:
        """The room as the core sees it now: keys and numbers, no texts and no names.

        Raises:
            TimeoutError: the loop does not answer; the screen shows its last view as old.
        """

        def look() -> dict[str, Any]:
            shown = dict(room_view(self.runtime.state, self.runtime.pack, self.runtime.now_ms()))
            shown["link"] = {
                "up": self.link_up(),
                "waiting": self.waiting(),
                "trouble": self.trouble(),
            }
            shown["storage"] = self.runtime.storage()
            shown["at"] = self.runtime.clock.wall().isoformat()
            return shown

        answer: dict[str, Any] = self.inbox.ask(look, CALL_S)
        free = shutil.disk_usage(self.runtime.journal.path.parent).free
        answer["storage"] = with_space(answer["storage"], free, cameras=len(self.about.cameras))
        return answer

    def subscribe(self) -> Iterator[int]:
        """Yields a count after each change, and every ten seconds without one."""
        seen: int | None = 0
        while seen is not None:
            seen = self.bell.wait(seen, BELL_S)
            if seen is not None:
                yield seen

    def duty(self) -> list[dict[str, str]]:
        """Who can act here: person, post, role, org, session."""
        return [{**one.public(), "session": one.session} for one in self.roster.here()]

    def facts(self) -> dict[str, Any]:
        """Names of the place for the screen's head."""
        return {
            "place": self.about.place,
            "org": self.about.org,
            "cameras": dict(self.about.cameras),
            "at": self.runtime.clock.wall().isoformat(),
        }

    def act(
        self, act: str, session: str, args: Mapping[str, Any], by: Sequence[tuple[str, str]]
    ) -> dict[str, Any]:
        """Does one staff act in the name of those whose PINs are right.

        Returns:
            `{"ok", "reason"?, "recorded": [{"seq", "type"}]}`.

        Raises:
            DutyError: a person or PIN is not accepted; nothing was done.
        """
        # A call for help is nobody's to sign; what needs a name is refused by the room.
        people = self._unlock(session, by) if by else []
        if act == "statement":
            return self._statement(session, args, people)
        public = [one.public() for one, _ in people]
        return self._feed(
            [Turn("staff", {"act": act, "session": session, "args": dict(args), "by": public})]
        )

    def order(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Signs an order with the person's session key and gives it to the room.

        Args:
            body: session, order, members (numbers), committee, reason, person, pin.
        """
        session = str(body["session"])
        ((person, seed),) = self._unlock(session, [(str(body["person"]), str(body["pin"]))])
        last_n, last_id = self.intake.order_numbers(session)
        order = Order(
            id=self.entropy(ID_BYTES).hex(),
            session=session,
            n=last_n + 1,
            order=str(body["order"]),
            by=person.person,
            prev_order=last_id,
            venues=(),
            members=tuple(f"{MEMBER_PREFIX}{int(no)}" for no in body.get("members") or ()),
            committee=str(body.get("committee") or ""),
            reason=str(body.get("reason") or ""),
        )
        raw = self._signed(lambda: order.seal([_signer(person, seed)]), "order")
        signed = parse_message(raw, limit=MESSAGE_BYTES_MAX)
        return self._feed_late(lambda: self.intake.order(signed, via="screen"))

    def typed_order(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Takes an order that came by telephone as a code, or on a QR code, for who types it.

        One person on duty is enough: the order is the home manager's, whose PIN opened the code;
        the name is for the record, and keeps a passer-by from using up the tries.

        Args:
            body: session, text, person, pin.

        Raises:
            DutyError: the PIN, or a text that can be no code; no try was made.
        """
        session = str(body["session"])
        ((person, _),) = self._unlock(session, [(str(body["person"]), str(body["pin"]))])
        text = str(body["text"])
        if is_order_text(text):
            signed = _scanned(text)
            who = person.public()
            told = self._feed_late(lambda: self.intake.order(signed, via="qr", typed_by=who))
            # The hub may have brought the very same order before: the room has nothing to add.
            return told if told["recorded"] else {**told, "reason": "repeated"}
        code = _code(text)

        def turns() -> list[Turn]:
            plan = self.intake.sessions[session]
            return [self.codes.entry.order(plan, code, person.public())]

        return self._feed_late(turns)

    def passed_on(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """An order of this home room as it goes to the guests without a line, once signed for.

        The codes that are read to them, one a venue, and the text of a QR code of the whole order.

        Only of an order that stands in this room's record with a person's signature: a code is the
        order, and one that no record has must not reach anybody. That they were shown is recorded
        before they are.

        Args:
            body: session, n (the order's number), person, pin.

        Raises:
            DutyError: the PIN, or no such order.
        """
        session, n = str(body["session"]), int(body["n"])
        ((person, _),) = self._unlock(session, [(str(body["person"]), str(body["pin"]))])
        order, raw = self._standing(session, n, person)
        slot = slot_of(order)

        def show() -> dict[str, Any]:
            known = self.runtime.state.sessions[session]
            guests = [one for one in known.venues if one.org != known.org]
            meant = [one for one in guests if not order.venues or one.org in order.venues]
            data = {"n": n, "order": order.order, "venues": [one.org for one in meant]}
            shown = {"type": "code.shown", "session": session}
            said = [Turn("system", {**shown, "data": {**data, "by": person.public()}})]
            if self.runtime.held.full or not self.runtime.feed(said).rows:
                return {"ok": False, "reason": FULL}
            codes = [
                {"org": one.org, "name": one.name, "code": self._code_of(session, one.org, slot)}
                for one in meant
            ]
            text = order_text(raw)
            return {"ok": True, "n": n, "order": order.order, "codes": codes, "text": text}

        shown: dict[str, Any] = self.inbox.ask(show, CALL_S)
        return shown

    def _code_of(self, session: str, venue: str, slot: Slot | None) -> str:
        return "" if slot is None else self.codes.book.text(session, venue, slot)

    def _standing(self, session: str, n: int, person: DutyPerson) -> tuple[Order, bytes]:
        """The order of this number as this home room accepted it with a person's signature."""
        known = self.runtime.state.sessions.get(session)
        home = known is not None and known.role == "home" and not known.wiped
        if not home or person.role not in ORDER_ROLES:
            raise _not_passed_on("the home manager or deputy in the home venue's room", person.role)
        reader = self.runtime.journal.reader()
        try:
            raws = [str(one["raw"]) for one in reader.session_said(session, "order.accepted")]
        finally:
            reader.close()
        signed = [parse_message(raw.encode(), limit=MESSAGE_BYTES_MAX) for raw in raws if raw]
        read = [(Order.read(one), one.raw) for one in signed]
        found = next((one for one in read if one[0].n == n and one[0].by != BY_HUB), None)
        if found is None:
            raise _not_passed_on("an order that a person signed and this room accepted", f"{n}")
        return found

    def _statement(
        self,
        session: str,
        args: Mapping[str, Any],
        people: Sequence[tuple[DutyPerson, bytes]],
    ) -> dict[str, Any]:
        said = Statement(
            session=session,
            member=f"{MEMBER_PREFIX}{int(args['no'])}",
            document=str(args["document"]),
            outcome=str(args["outcome"]),
            digest=str(args["digest"]),
        )
        raw = self._signed(lambda: said.seal([_signer(one, seed) for one, seed in people]), "act")
        signed = parse_message(raw, limit=MESSAGE_BYTES_MAX)
        return self._feed_late(lambda: self.intake.statement(signed))

    def _unlock(
        self, session: str, by: Sequence[tuple[str, str]]
    ) -> list[tuple[DutyPerson, bytes]]:
        if not 1 <= len(by) <= PEOPLE_MAX or len({person for person, _ in by}) != len(by):
            raise DutyError(
                "people",
                expected=f"1 to {PEOPLE_MAX} different persons on duty",
                got=str(len(by)),
                do="choose each person once",
                reason="people_count",
            )
        return [self.roster.unlock(session, person, pin) for person, pin in by]

    def _signed(self, seal: Callable[[], bytes], where: str) -> bytes:
        try:
            return seal()
        except LocalError as error:
            raise DutyError(
                where,
                expected=error.expected,
                got=error.got,
                do="mend the entry",
                reason="bad_argument",
            ) from error

    def _feed(self, turns: list[Turn]) -> dict[str, Any]:
        return self._feed_late(lambda: turns)

    def _feed_late(self, turns: Callable[[], list[Turn]]) -> dict[str, Any]:
        fed: Fed = self.inbox.ask(lambda: self.runtime.feed(turns()), CALL_S)
        told = [dict(answer.result) for answer in fed.answers]
        recorded = [{"seq": row.seq, "type": decode_event(row.line).type} for row in fed.rows]
        result = told[-1] if told else {"ok": bool(recorded)}
        return {**result, "recorded": recorded}


def _code(text: str) -> bytes:
    try:
        return read_code(text)
    except CodeTextError as error:
        raise DutyError(
            "code",
            expected="16 letters and digits and a check character",
            got=f"another {error.reason}",
            do="have it read out again; this was no try",
            reason=f"code_{error.reason}",
        ) from error


def _scanned(text: str) -> Signed:
    try:
        return parse_message(order_bytes(text), limit=MESSAGE_BYTES_MAX)
    except (OrderTextError, RemoteError) as error:
        raise DutyError(
            "QR code",
            expected="the whole text of an order",
            got=f"{len(text)} characters",
            do="scan it again",
            reason="qr_unread",
        ) from error


def _not_passed_on(expected: str, got: str) -> DutyError:
    do = "give the order first, on this screen"
    return DutyError("order", expected=expected, got=got, do=do, reason="not_passed_on")


def _signer(person: DutyPerson, seed: bytes) -> Signer:
    return Signer(kid=person.kid, role=person.role, sign=signer(seed)[1])

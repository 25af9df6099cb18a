"""Which orders, statements and commands a room accepts (WIRE §7).

Pure rules over the keyring: who signed, in which certified role, for which session, in which
order. What an accepted order permits is the gate's matter, not this file's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from protocols.messages.acts import (
    BY_HUB,
    KINDS,
    Command,
    CommandWrapper,
    Order,
    Statement,
    statement_id,
)
from protocols.messages.errors import RemoteError
from protocols.messages.signed import Signed, Verify
from protocols.messages.trust import Actor, Keyring, TrustFile

ORDER_ROLES: Final = ("home_manager", "deputy")
"""Who may sign an order, for the home venue."""

TWO: Final = 2


@dataclass(frozen=True, slots=True)
class SessionBook:
    """What a room knows of one session's orders. Kept over restarts.

    `home_org`: the home venue's organisation, `org`: this room's own, `venues`: all of the
    session's; `last_n`, `last_id`: the last accepted order (0 and ''); `by_code`: numbers under
    which a code was accepted whose signed order has not come yet.
    """

    session: str
    home_org: str
    org: str
    venues: tuple[str, ...]
    last_n: int = 0
    last_id: str = ""
    by_code: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class OrderBook:
    """The sessions a room takes part in, by id."""

    sessions: Mapping[str, SessionBook] = field(default_factory=dict)

    def with_session(self, book: SessionBook) -> OrderBook:
        """A book that knows this session; what it accepted before stays in force."""
        old = self.sessions.get(book.session)
        if old is not None and old.last_n > book.last_n:
            book = replace(book, last_n=old.last_n, last_id=old.last_id)
        return OrderBook({**self.sessions, book.session: book})


@dataclass(frozen=True, slots=True)
class Refused:
    """Not accepted. `code` for programs, `text` for people.

    Codes: malformed, other_session, other_venue, repeated, old_n, unsigned, not_fresh, retained,
    other_room.
    """

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class AcceptedOrder:
    """A genuine order; `by` is a person's id or "hub"; `book` remembers it."""

    order: Order
    by: str
    signers: tuple[Actor, ...]
    book: OrderBook


@dataclass(frozen=True, slots=True)
class AcceptedStatement:
    """A genuine statement; `id` is the same for every delivery of it."""

    id: str
    statement: Statement
    by: tuple[str, ...]
    signers: tuple[Actor, ...]


@dataclass(frozen=True, slots=True)
class AcceptedCommand:
    """A genuine command; whether its `expect` still holds is for the room to compare."""

    command: Command
    by: tuple[str, ...]
    signers: tuple[Actor, ...]


def judge_order(
    book: OrderBook, signed: Signed, keyring: Keyring, verify: Verify, trust: TrustFile
) -> AcceptedOrder | Refused:
    """Whether an order holds: certified home manager or deputy, this session and venue, new n.

    One whose number a code took before it (WIRE §7) holds too: whether it says what the code said,
    and so only confirms it, is for the room to compare.
    """
    try:
        order = Order.read(signed)
    except RemoteError as error:
        return Refused("malformed", str(error))
    session = book.sessions.get(order.session)
    if session is None:
        return Refused("other_session", f"this room knows no session {order.session}")
    refused = _order_out_of_place(order, session)
    if refused is not None:
        return refused
    signers = keyring.signers(signed, verify)
    if not any(_may_order(actor, order, session, trust) for actor in signers):
        return Refused(
            "unsigned",
            "no valid signature of its issuer as home manager or deputy of the home venue "
            f"{session.home_org}" + (", nor of the hub" if trust.hub_orders else ""),
        )
    newer = order.n > session.last_n
    moved = replace(session, last_n=order.n, last_id=order.id) if newer else session
    return AcceptedOrder(
        order=order,
        by=order.by,
        signers=signers,
        book=OrderBook({**book.sessions, order.session: moved}),
    )


def _order_out_of_place(order: Order, session: SessionBook) -> Refused | None:
    """What is wrong with an order for this session, whoever signed it."""
    if order.venues and session.org not in order.venues:
        return Refused("other_venue", f"the order is for {', '.join(order.venues)}")
    if (order.n, order.id) == (session.last_n, session.last_id):
        return Refused("repeated", f"order {order.id} was accepted before")
    if order.n <= session.last_n and order.n not in session.by_code:
        return Refused("old_n", f"order number {order.n}, but {session.last_n} was accepted")
    return None


def _may_order(actor: Actor, order: Order, session: SessionBook, trust: TrustFile) -> bool:
    who = actor.principal
    if who.kind == "hub":
        return trust.hub_orders and order.by == BY_HUB
    return (
        who.kind == "person"
        and who.subject == order.by
        and who.venue_org == session.home_org
        and actor.role in ORDER_ROLES
    )


def judge_statement(
    book: OrderBook, signed: Signed, keyring: Keyring, verify: Verify
) -> AcceptedStatement | Refused:
    """Whether a statement holds: the home's certified system, or two persons, two roles."""
    try:
        statement = Statement.read(signed)
    except RemoteError as error:
        return Refused("malformed", str(error))
    session = book.sessions.get(statement.session)
    if session is None:
        return Refused("other_session", f"this room knows no session {statement.session}")
    signers = keyring.signers(signed, verify)
    # The evaluation system is the home's; a system the hub certified has no venue.
    system = [
        actor
        for actor in signers
        if actor.principal.kind == "system" and actor.principal.venue_org in ("", session.home_org)
    ]
    persons = _persons(signers, {session.home_org, session.org, *session.venues})
    if not system and not _two_roles(persons):
        return Refused(
            "unsigned",
            "neither the evaluation system of the home venue nor two persons in different roles "
            "signed it",
        )
    used = tuple(system) or persons
    return AcceptedStatement(
        id=statement_id(signed),
        statement=statement,
        by=tuple(actor.principal.subject for actor in used),
        signers=used,
    )


def judge_command(
    signed: Signed, keyring: Keyring, verify: Verify, *, orgs: frozenset[str]
) -> AcceptedCommand | Refused:
    """Whether a command holds: a person of one of `orgs` or the hub signed it.

    `locker.override` needs two persons in different roles; the hub's key cannot replace one.
    """
    try:
        command = Command.read(signed)
    except RemoteError as error:
        return Refused("malformed", str(error))
    signers = keyring.signers(signed, verify)
    persons = _persons(signers, orgs)
    hub = tuple(actor for actor in signers if actor.principal.kind == "hub")
    if command.verb == "locker.override":
        if command.expect is None:
            return Refused("malformed", "locker.override must say which state of the locker it saw")
        if not _two_roles(persons):
            return Refused("unsigned", "locker.override needs two persons in different roles")
    elif not persons and not hub:
        return Refused("unsigned", "neither a certified person nor the hub signed it")
    used = persons or hub
    by = tuple(BY_HUB if a.principal.kind == "hub" else a.principal.subject for a in used)
    return AcceptedCommand(command=command, by=by, signers=used)


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """A wrapper that holds; judge `inner` next, by `kind` (order, statement, command)."""

    id: str
    kind: str
    inner: Signed


def unwrap_command(
    signed: Signed,
    keyring: Keyring,
    verify: Verify,
    *,
    ctl: str,
    asks: frozenset[str],
    at_trust: str,
    retained: bool,
) -> Unwrapped | Refused:
    """Open what `down/cmd` brought. `asks`: the nonces this room sent lately.

    A retained one is refused and alarmed. With no trusted clock a command needs a fresh `re`;
    orders and statements have numbers of their own and need none.
    """
    if retained:
        return Refused("retained", "a command must not be retained at the broker")
    try:
        wrapper = CommandWrapper.read(signed)
        inner = wrapper.parse_inner()
    except RemoteError as error:
        return Refused("malformed", str(error))
    if wrapper.ctl != ctl:
        return Refused("other_room", f"the command is for {wrapper.ctl}")
    if not any(actor.principal.kind == "hub" for actor in keyring.signers(signed, verify)):
        return Refused("unsigned", "the hub did not seal it")
    fresh = wrapper.re in asks and wrapper.re != ""
    if KINDS[wrapper.kind] == "er1/cmd" and at_trust == "none" and not fresh:
        return Refused("not_fresh", "without a trusted clock a command must echo a recent ask")
    return Unwrapped(id=wrapper.id, kind=wrapper.kind, inner=inner)


def _persons(signers: tuple[Actor, ...], orgs: frozenset[str] | set[str]) -> tuple[Actor, ...]:
    return tuple(
        actor
        for actor in signers
        if actor.principal.kind == "person" and actor.principal.venue_org in orgs
    )


def _two_roles(persons: tuple[Actor, ...]) -> bool:
    """Two persons (`Keyring.signers` gives each subject once) in different roles."""
    return len(persons) >= TWO and len({actor.role for actor in persons}) >= TWO

"""Orders: issued at the hub by a person's key, or on the home room's screen and relayed.

The hub carries the signed bytes untouched to every room of the session and keeps what each
answered; an order moves nothing here. Its number is one above the highest ever seen.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select

from hub.clock import iso_ms
from hub.keys.duty import session_signer
from hub.ports import Actor, Parts, decoding, refuse
from hub.projection import StoredEvent
from hub.store.tables_business import booking, session_order, session_plan
from protocols.messages.acts import COMMITTEE, ORDERS, Order
from protocols.messages.orders import ORDER_ROLES
from protocols.messages.signed import parse_message
from protocols.messages.topics import MESSAGE_BYTES_MAX
from protocols.policy.session import Phase, legal_orders

ID_BYTES: Final = 16
MEMBER_NO_MAX: Final = 99
REASON_CHARS_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class OrderWish:
    """What a home manager wants to order. `members` numbers; `exceptions` needs of start waived."""

    order: str
    members: tuple[int, ...] = ()
    venues: tuple[str, ...] = ()
    committee: str = ""
    exceptions: tuple[str, ...] = ()
    reason: str = ""


def issue(
    parts: Parts, actor: Actor, session: str, wish: OrderWish, *, pin: str, phase: str
) -> dict[str, Any]:
    """Signs an order with the actor's session key and sends it to the rooms it is for.

    Args:
        parts: the hub's parts.
        actor: manager or deputy on duty at the home venue.
        session: session id.
        wish: the order.
        pin: opens the key for this one act.
        phase: what the home room last said, '' if nothing is known.

    Raises:
        Problem: 403, 409 not legal in this phase, 422 what is missing from the order.
    """
    with parts.store.read() as conn:
        home = _home_of(conn, session)
    _check(wish, actor=actor, home=home, phase=phase)
    signer, duty = session_signer(parts, session, actor, pin)
    if duty.role not in ORDER_ROLES or duty.org != home:
        raise refuse(
            403,
            "order_role",
            zh="指令由主场值班负责人或副职下达",
            en="Orders are the home manager's or deputy's on duty",
            where=f"session {session}",
            expected=f"{' or '.join(ORDER_ROLES)} of {home}",
            got=f"{duty.role} of {duty.org}",
            do="请主场值班负责人下达",
        )
    with parts.store.write() as conn:
        n, previous = last_order(conn, session)
        order = Order(
            id=secrets.token_hex(ID_BYTES),
            session=session,
            n=n + 1,
            order=wish.order,
            by=actor.person,
            prev_order=previous,
            venues=wish.venues,
            members=tuple(f"x{no}" for no in wish.members),
            committee=wish.committee,
            exceptions=wish.exceptions,
            reason=wish.reason,
        )
        raw = order.seal([signer])
        keep(conn, parts, order, raw=raw, by=duty.shown(), via="hub", origin=None)
        data = {
            "id": order.id,
            "session": session,
            "n": order.n,
            "order": order.order,
            "members": list(wish.members),
            "by": duty.shown(),
            "raw": base64.b64encode(raw).decode("ascii"),
        }
        parts.facts.append(conn, type="order.issued", session=session, data=data)
    return {"id": order.id, "n": order.n, "order": order.order}


def relay(conn: Connection, stored: StoredEvent, parts: Parts) -> None:
    """Projection: an order made on a room's screen goes to every other room of the session."""
    if not stored.ctl.startswith("c-"):
        return
    raw = message_bytes(str(stored.event.data.get("raw", "")))
    order = Order.read(parse_message(raw, limit=MESSAGE_BYTES_MAX))
    if order.session != stored.event.session:
        raise ValueError(f"order {order.id} is for {order.session}, not {stored.event.session}")
    by = {"person": order.by, "post": "", "role": "", "org": ""}
    keep(conn, parts, order, raw=raw, by=by, via="screen", origin=stored.ctl)


def keep(
    conn: Connection,
    parts: Parts,
    order: Order,
    *,
    raw: bytes,
    by: dict[str, str],
    via: str,
    origin: str | None,
) -> None:
    """Stores an order once and queues it for every room it is for but the one it came from."""
    known = conn.execute(select(session_order.c.id).where(session_order.c.id == order.id)).first()
    if known is not None:
        return
    conn.execute(
        insert(session_order).values(
            id=order.id,
            session=order.session,
            n=order.n,
            order=order.order,
            members=[int(token.removeprefix("x")) for token in order.members],
            venues=list(order.venues),
            committee=order.committee,
            by=by,
            via=via,
            origin_ctl=origin,
            raw=raw,
            issued_at=parts.clock.wall(),
        )
    )
    for ctl, org in rooms_of(conn, order.session):
        if ctl != origin and (not order.venues or org in order.venues):
            parts.fleet.send(conn, ctl, "order", order.id, raw)


def rooms_of(conn: Connection, session: str) -> list[tuple[str, str]]:
    """(controller, organisation) of every room that has this session in its plan."""
    rows = conn.execute(
        select(session_plan.c.ctl, session_plan.c.org)
        .where(session_plan.c.session == session, session_plan.c.active)
        .order_by(session_plan.c.ctl)
    )
    return [(row.ctl, row.org) for row in rows]


def last_order(conn: Connection, session: str) -> tuple[int, str]:
    """Number and id of the newest order known for a session; (0, '') if none."""
    mine = session_order.c.session == session
    top = conn.execute(select(func.max(session_order.c.n)).where(mine)).scalar_one()
    if top is None:
        return 0, ""
    found = conn.execute(
        select(session_order.c.id).where(mine, session_order.c.n == top).limit(1)
    ).scalar_one()
    return int(top), str(found)


def listed(conn: Connection, session: str) -> list[dict[str, Any]]:
    """All orders of a session in the order of their numbers, without the raw bytes."""
    rows = conn.execute(
        select(session_order).where(session_order.c.session == session).order_by(session_order.c.n)
    ).mappings()
    return [
        {
            **{key: row[key] for key in ("id", "n", "order", "members", "venues", "committee")},
            **{key: row[key] for key in ("by", "via", "origin_ctl")},
            "issued_at": iso_ms(row["issued_at"]),
        }
        for row in rows
    ]


def message_bytes(text: str) -> bytes:
    """A signed message as an event carries it: its own text, or base64 of it.

    Raises:
        ValueError: neither.
    """
    if text.startswith("{"):
        return text.encode("utf-8")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"signed message: expected text or base64, got {text[:40]!r}") from error


def _home_of(conn: Connection, session: str) -> str:
    home = conn.execute(
        select(booking.c.home_org).where(booking.c.session == session)
    ).scalar_one_or_none()
    if home is None:
        raise no_session(session)
    return str(home)


def no_session(session: str) -> Exception:
    """404 for a session nobody booked."""
    return refuse(
        404,
        "no_such_session",
        zh="没有这个场次",
        en="No such session",
        where="session",
        expected="the session of a booking, s- and 12 hex digits",
        got=session[:40],
        do="从预约或总览进入场次",
    )


def _check(wish: OrderWish, *, actor: Actor, home: str, phase: str) -> None:
    problems: list[tuple[str, str, str]] = []
    if wish.order not in ORDERS:
        problems.append(("order", " or ".join(ORDERS), wish.order))
    if wish.order == "end" and wish.committee not in COMMITTEE:
        problems.append(("committee", " or ".join(COMMITTEE), wish.committee or "nothing"))
    if wish.order != "end" and wish.committee:
        problems.append(("committee", "only with the order end", wish.committee))
    if wish.order == "member_release" and not wish.members:
        problems.append(("members", "at least one member number", "none"))
    if wish.order != "member_release" and wish.members:
        problems.append(("members", "none: it is for the whole session", str(wish.members)))
    if any(not 1 <= no <= MEMBER_NO_MAX for no in wish.members):
        problems.append(("members", f"numbers 1 to {MEMBER_NO_MAX}", str(wish.members)))
    if len(wish.reason) > REASON_CHARS_MAX:
        problems.append(("reason", f"at most {REASON_CHARS_MAX} characters", "more"))
    for field, expected, got in problems:
        raise refuse(
            422,
            "order_invalid",
            zh="指令内容不完整",
            en="The order is not complete",
            where=f"order.{field}",
            expected=expected,
            got=got,
            do="按所列字段更正",
        )
    _check_phase(wish.order, phase=phase, home=home, actor=actor)


def _check_phase(order: str, *, phase: str, home: str, actor: Actor) -> None:
    with decoding("session.phase"):
        legal = [str(one.value) for one in legal_orders(Phase(phase))] if phase else list(ORDERS)
    if order in legal:
        return
    raise refuse(
        409,
        "order_not_legal",
        zh="当前阶段不能下达该指令",
        en="The session's phase does not allow this order",
        where=f"home venue {home}, phase {phase}",
        expected=" or ".join(legal) or "no order any more",
        got=f"{order} by {actor.post}",
        do="按现场阶段选择指令",
    )

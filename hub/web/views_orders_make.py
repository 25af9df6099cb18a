"""The orders of a session as the page shows them: given, refused, possible now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from hub.web.i18n import Both, Text, say
from hub.web.views_common import Shape, State, Viewer, room_names
from hub.web.views_events import (
    by_text,
    by_whom,
    joined,
    missing_text,
    person_of,
    reason_text,
)
from hub.web.views_session import OrderChoice, OrderRow
from protocols.messages.acts import BY_HUB
from protocols.policy.session import Phase, legal_orders

ORDERING: Final = ("home_manager", "deputy")
START_NEEDS: Final = ("members_seated", "av_recording", "system_reachable", "clock")
FIRST_ORDER: Final = ("open", "start", "sign", "end", "resume", "close")
"""Orders that move the day on; the first one legal is the page's primary action."""


def orders(
    data: Mapping[str, Any], entries: Sequence[Mapping[str, Any]] = ()
) -> tuple[OrderRow, ...]:
    """Orders with four marks; each mark is the slowest venue's.

    Args:
        data: the session.
        entries: its record, which names the post that signed on a room's screen.
    """
    posts = {
        str(one["data"].get("id")): by_text(one["data"].get("by"))
        for one in entries
        if one["type"] == "order.issued"
    }
    names = room_names(data["venues"])
    return tuple(_order(one, names, posts) for one in data["orders"])


def _order(one: Mapping[str, Any], names: Mapping[str, Text], posts: Mapping[str, str]) -> OrderRow:
    venues = one["at_venues"]
    refused = [v for v in venues if v["refused"]]
    sent, accepted, acted = (
        _truth(name, [bool(v[name]) for v in venues]) for name in ("sent", "accepted", "acted")
    )
    if refused and accepted.shape is not Shape.OK:
        accepted = State(Shape.UNKNOWN, say("order.mark.refused"))
    confirmed = _truth("confirmed", [v["confirmed"] for v in venues])
    lost = [v for v in refused if not v["accepted"]]
    return OrderRow(
        Both(one["zh"], one["en"][:1].upper() + one["en"][1:]),
        _given_by(one, posts),
        datetime.fromisoformat(one["issued_at"]),
        (sent, accepted, acted, confirmed),
        tuple(_refusal(v, names) for v in lost),
    )


def _given_by(one: Mapping[str, Any], posts: Mapping[str, str]) -> Text:
    """The post that signed; on the room's screen also where."""
    if one["via"] != "screen" or person_of(one["by"]) == BY_HUB:
        return by_whom(one["by"])
    post = posts.get(str(one["id"]), "")
    return say("orders.by_screen", post=post) if post else say("orders.via_screen")


def _refusal(venue: Mapping[str, Any], names: Mapping[str, Text]) -> Text:
    """Which venue refused an order, why, and whom or what it waits for."""
    waits = joined([missing_text(one) for one in venue["missing"]])
    key = "order.refused_waits" if waits else "order.refused"
    place = names.get(venue["org"], venue["org"])
    return say(key, place=place, reason=reason_text(venue["refused"]), what=waits)


def _truth(name: str, values: Sequence[bool | None]) -> State:
    text = say(f"order.mark.{name}")
    if values and all(value is True for value in values):
        return State(Shape.OK, text)
    return State(Shape.UNKNOWN if None in values else Shape.OPEN, text)


def may_order(data: Mapping[str, Any], viewer: Viewer, duty: str) -> bool:
    """Whether the reader may sign orders: the home venue's manager or deputy on this duty."""
    return viewer.org == data["home_org"] and duty in ORDERING


def choices(data: Mapping[str, Any], viewer: Viewer, duty: str) -> tuple[OrderChoice, ...]:
    """Orders the phase allows; those that are waiting for something say for what.

    Args:
        data: the session.
        viewer: who reads.
        duty: the role this reader has on the session's roster; empty for none.
    """
    phase = data["phase"]
    try:
        legal = [str(order.value) for order in legal_orders(Phase(phase))]
    except ValueError:
        legal = []
    may = may_order(data, viewer, duty)
    first = next((name for name in FIRST_ORDER if name in legal), "")
    return tuple(_choice(name, data, may=may, first=first) for name in _by_use(legal, first))


def _by_use(legal: Sequence[str], first: str) -> list[str]:
    return sorted(legal, key=lambda name: (name != first, name in {"postpone", "terminate"}))


def _choice(name: str, data: Mapping[str, Any], *, may: bool, first: str) -> OrderChoice:
    missing = next((c for c in data["waiting"] if c["key"] == "documents_signed"), None)
    open_docs = len(missing["waiting_for"]) if missing else 0
    reason: Text | None = None
    if not may:
        reason = say("orders.only_home")
    elif name == "end" and open_docs:
        reason = say("orders.docs_open", n=open_docs)
    held = _held(data) if name == "close" else 0
    if may and held:
        reason = say("orders.lockers_held", n=held)
    open_end = name == "end" and bool(open_docs)
    return OrderChoice(
        name,
        say(f"term.order.{name}"),
        say(f"orders.mean.{name}"),
        enabled=may and not open_end and not held,
        reason=reason,
        partial=may and open_end,
        members=name == "member_release",
        committee=name == "end",
        exceptions=START_NEEDS if name == "start" else (),
        primary=name == first,
    )


def _held(data: Mapping[str, Any]) -> int:
    """Lockers that still hold a member's things, as far as the rooms have told."""
    lockers = [one for venue in data.get("venues", ()) for one in venue["lockers"]]
    return sum(one["no"] is not None for one in lockers)

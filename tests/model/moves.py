"""What may happen to a room: orders, people, doors, force, and time; one act at a time.

Four alphabets, so that each can be gone through to its end:

* `gate`: many members and every order; a deposit and a fetching are one act each, but a door stays
  open between its opening and its shutting, so that doors meet.
* `force`: many members and what passes the gate: escorts and overrides, beside cards and the
  orders of a day; nobody signs anything.
* `custody`: lock, hand and the board's reading apart; locks that stick, boards that fall silent,
  keys and crowbars, escorts, overrides, restarts in between; few orders.
* `exits`: everything that may become of a member, every document, every order.

In `gate` and `exits` each order may come as an offline code instead, and its signed order later.

Each has what must not work: old, repeated, foreign and unsigned orders, one person or one role
where two are needed, a stranger's card.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from protocols.policy.room_fields import is_by_code
from protocols.policy.room_model import OrderSeen
from protocols.terms import OrderKind
from tests.edge.room_bench import CODE, COORDINATOR, MANAGER, SESSION, STAFF, STAFF2
from tests.model.explore import Move
from tests.model.room_walk import Place, Walk, distinct, has_phone, key

TWO_ROLES = (STAFF, COORDINATOR)
ONE_ROLE = (STAFF, STAFF2)
ORDERS = tuple(one.value for one in OrderKind if one.value not in ("end", "member_release"))
URGENT = "urgent call"
FORCE = ("card", "escort", "escort mute", "escort one", "override", "over one")
DOOR = (*FORCE, "declare")


def gate(walk: Walk, place: Place) -> Iterator[Move]:
    """Every order and every permit of many members."""
    yield from _orders(walk, place, ORDERS)
    yield from _codes(walk, place)
    yield from _no_orders(walk, place)
    yield "wait", True, lambda: walk.wait(place)
    yield "restart", True, lambda: walk.read(walk.restart(place))
    yield "stranger", True, lambda: walk.card(place, 0)
    for no in distinct(place):
        step = place.member(no).step.value
        if step == "expected":
            yield f"admit {no}", True, lambda no=no: admit(walk, place, no)
            continue
        yield from _at_the_door(walk, place, no, ("card",), sticks=False)
        if place.open[no - 1]:
            yield f"fetch {no}", True, lambda no=no: _fetch(walk, place, no)
            yield f"keep {no}", True, lambda no=no: _shut(walk, place, no)
        yield from _statements(walk, place, no)
        if place.inside[no - 1]:
            yield f"withdraw {no}", True, lambda no=no: _drop(walk, place, no, "withdraw")
        if step == "withdrawn":
            yield from _released_by_name(walk, place, no)


def force(walk: Walk, place: Place) -> Iterator[Move]:
    """Every way past the gate, with many members."""
    yield from _orders(walk, place, ("open", "start", "sign", "terminate", "close"))
    yield "wait", True, lambda: walk.wait(place)
    yield "restart", True, lambda: walk.read(walk.restart(place))
    for no in distinct(place):
        if place.member(no).step.value == "expected":
            yield f"admit {no}", True, lambda no=no: admit(walk, place, no)
            continue
        yield from _at_the_door(walk, place, no, FORCE, sticks=False)
        if place.open[no - 1]:
            yield f"fetch {no}", True, lambda no=no: _fetch(walk, place, no)
            yield f"keep {no}", True, lambda no=no: _shut(walk, place, no)
        if place.open[no - 1] and _may_put(place, no):
            yield f"put {no}", True, lambda no=no: _put_back(walk, place, no)


def custody(walk: Walk, place: Place) -> Iterator[Move]:
    """Locks, hands, sensors and force, each by itself."""
    yield from _orders(walk, place, ("open", "terminate", "close"), end=False)
    # A board is read four times a second, or told silent: no act of a person's is faster.
    yield "wait", True, lambda: walk.wait(walk.read(place))
    yield "wait, board silent", True, lambda: walk.wait(_silent(walk, place))
    yield "restart", True, lambda: walk.restart(place)
    yield "read", True, lambda: walk.read(place)
    yield "board silent", True, lambda: _silent(walk, place)
    for no in walk.setting.numbers:
        yield from _at_the_door(walk, place, no, DOOR)
        yield from _hand(walk, place, no)
        yield f"withdraw {no}", True, lambda no=no: _drop(walk, place, no, "withdraw")
        if place.member(no).confirm_due:
            yield f"deposited {no}", True, lambda no=no: _confirm_deposit(walk, place, no)
        if not (place.inside[no - 1] or place.open[no - 1]):
            yield f"empty {no}", True, lambda no=no: _confirm_empty(walk, place, no)


def exits(walk: Walk, place: Place) -> Iterator[Move]:
    """All that may become of a member."""
    yield from _orders(walk, place, ORDERS)
    yield from _codes(walk, place)
    yield from _no_orders(walk, place)
    for no in walk.setting.numbers:
        if not place.inside[no - 1]:
            yield f"admit {no}", True, lambda no=no: admit(walk, place, no)
        yield from _at_the_door(walk, place, no, ("card",), sticks=False)
        if place.open[no - 1]:
            yield f"fetch {no}", True, lambda no=no: _fetch(walk, place, no)
            yield f"keep {no}", True, lambda no=no: _shut(walk, place, no)
        yield from _statements(walk, place, no)
        yield from _released_by_name(walk, place, no)
        yield from _becomes(walk, place, no)


# -- orders -------------------------------------------------------------------------------------
def _orders(
    walk: Walk, place: Place, words: tuple[str, ...], *, end: bool = True
) -> Iterator[Move]:
    for word in words:
        yield word, True, lambda word=word: _ordered(walk, place, word)
    for said in ("complete", "incomplete") if end and walk.setting.elsewhere else ("complete",):
        yield f"end {said}", True, lambda said=said: walk.order(place, "end", committee=said)
    if place.session.order_out in ("postpone", "terminate"):
        sealing = {"key": "seal_material", "state": "done"}
        yield "seal", True, lambda: walk.staff(place, "case.step", *ONE_ROLE, **sealing)


def _codes(walk: Walk, place: Place) -> Iterator[Move]:
    """What a code can say leads where the signed order leads, and nothing comes of it twice."""
    for word in (*ORDERS, "end"):
        yield f"{word} by code", True, lambda word=word: _by_code(walk, place, word)


def _by_code(walk: Walk, place: Place, word: str) -> Place:
    signed = walk.order(place, word, exceptions=[])
    accepted = walk.answer.get("ok")
    after = walk.order(place, word, exceptions=[], **coded(place))
    if walk.answer.get("ok") is not accepted or key(after) != key(signed):
        walk.wrong.append(f"{word} by code is another order than the signed one")
    if accepted is not True:
        return after
    n = after.session.last_n
    again = walk.order(after, word, n=n, **coded(after))
    _idle(walk, again)
    other = "postpone" if word == "terminate" else "terminate"
    _idle(walk, walk.order(after, other, n=n))
    confirmed = walk.order(after, word, n=n)
    if walk.answer.get("ok") is not True or walk.pulsed or key(confirmed) != key(after):
        walk.wrong.append(f"the signed {word} behind a code did more than confirm it")
    _idle(walk, walk.order(confirmed, word, n=n))
    _idle(walk, walk.order(confirmed, word, n=n, **coded(confirmed)))
    return after


def coded(place: Place) -> dict[str, Any]:
    """How an order comes that was typed as a code."""
    more = {"code": "0000", "typed_by": STAFF, "raw": ""}
    return {"id": f"k{place.state.seq}", "by": CODE, "via": "code", **more}


def _ordered(walk: Walk, place: Place, word: str) -> Place:
    after = walk.order(place, word)
    if walk.answer.get("ok") is True and word == "close" and any(place.inside):
        walk.wrong.append("a session closed on a phone")
    return after


def _no_orders(walk: Walk, place: Place) -> Iterator[Move]:
    """Orders that must do nothing: old, repeated, foreign, unsigned."""
    last = place.session.orders[-1] if place.session.orders else None
    if last is not None:
        again = {"id": last.id, "n": last.n, "members": list(last.members)}
        yield "repeated", True, lambda: _idle(walk, walk.order(place, last.order, **again))
        for word in ("end", "terminate"):
            yield f"old {word}", True, lambda w=word: _old(walk, place, w, last)
    foreign = {"session": "s-ffffffffffff"}
    yield "foreign", True, lambda: _idle(walk, walk.order(place, "terminate", **foreign))
    elsewhere = {"venues": ["wuhan"]}
    yield "elsewhere", True, lambda: _idle(walk, walk.order(place, "terminate", **elsewhere))
    unsigned = {"session": SESSION, "order": "end", "reason": "unsigned"}
    yield "unsigned", True, lambda: _idle(walk, walk.feed(place, "order_refused", unsigned))


def _old(walk: Walk, place: Place, word: str, last: OrderSeen) -> Place:
    """Another order under the last one's number; it may confirm that one, where it was a code."""
    after = walk.order(place, word, n=last.n)
    return after if is_by_code(last) and word == last.order else _idle(walk, after)


def _idle(walk: Walk, after: Place) -> Place:
    if walk.answer.get("ok") is True and walk.answer.get("repeated") is not True:
        walk.wrong.append("accepted what must be refused")
    return after


def _released_by_name(walk: Walk, place: Place, no: int) -> Iterator[Move]:
    """By the manager's order alone, which is one role, and by a second one's word."""
    by_order = {"members": [no]}
    if not place.member(no).release_by:
        yield f"release {no}", True, lambda: walk.order(place, "member_release", **by_order)
    # The manager's second word is still one person's.
    for by in (STAFF, MANAGER):
        name = f"confirm {no} by {by['role']}"
        yield name, True, lambda by=by: walk.staff(place, "release.confirm", by, no=no)


# -- people -------------------------------------------------------------------------------------
def _known(place: Place, no: int) -> int:
    """Whose session is closed has no tags any more: his card is nobody's."""
    return 0 if place.session.wiped else no


def admit(walk: Walk, place: Place, no: int) -> Place | None:
    """He comes, is identified, puts his phone in; None where he is not let in."""
    place = walk.card(place, _known(place, no))
    if place.member(no).step.value != "identified":
        return place
    place = walk.staff(place, "deposit.declare", no=no, items=["phone"])
    if not walk.pulsed:
        return place
    place = walk.read(walk.door(place, no, open_=True))
    place = walk.read(walk.door(place, no, open_=True, inside=True))
    return walk.read(walk.door(place, no, open_=False))


def _fetch(walk: Walk, place: Place, no: int) -> Place:
    place = walk.read(walk.door(place, no, open_=True, inside=False))
    return _shut(walk, place, no)


def _put_back(walk: Walk, place: Place, no: int) -> Place:
    place = walk.read(walk.door(place, no, open_=True, inside=True))
    return _shut(walk, place, no)


def _shut(walk: Walk, place: Place, no: int) -> Place:
    return walk.read(walk.door(place, no, open_=False))


def _drop(walk: Walk, place: Place, no: int, act: str) -> Place:
    return walk.staff(place, act, STAFF, no=no, reason="r")


def _statements(walk: Walk, place: Place, no: int) -> Iterator[Move]:
    for one in walk.setting.documents:
        if one not in place.member(no).documents:
            yield f"sign {no}", True, lambda one=one: walk.statement(place, no, one)


def _becomes(walk: Walk, place: Place, no: int) -> Iterator[Move]:
    acts: list[tuple[str, Mapping[str, Any]]] = [
        ("deposit.declare", {"items": []}),
        ("decline", {"reason": "r"}),
        ("absent", {}),
        ("withdraw", {"reason": "r"}),
        ("away.start", {"reason": "toilet"}),
        ("away.end", {}),
        ("left.confirm", {}),
        ("seat.confirm", {}),
    ]
    for act, args in acts:
        yield (
            f"{act} {no}",
            True,
            lambda act=act, args=args: walk.staff(place, act, STAFF, no=no, **args),
        )
    for why in ("replaced", "removed"):
        about = {"no": no, "why": why}
        yield (
            f"{why} {no}",
            True,
            lambda about=about: walk.command(place, "member.replace", MANAGER, **about),
        )


# -- doors --------------------------------------------------------------------------------------
def _opening(
    walk: Walk, name: str, helps: bool, do: Callable[[], Place], *, sticks: bool = True
) -> Iterator[Move]:
    """An act that may open a door: the lock springs and is read, or sticks."""
    after = do()
    if not walk.pulsed:
        yield name, helps, lambda: after
        return
    (lock,) = walk.pulsed
    opened = walk.door(after, lock, open_=True)
    if sticks:
        stuck = {"lock": lock, "outcome": "still_closed"}
        yield f"{name}, springs", helps, lambda: opened
        yield f"{name}, sticks", helps, lambda: walk.feed(after, "pulse", stuck)
        yield f"{name}, says nothing", helps, lambda: after
    else:
        yield name, helps, lambda: walk.read(opened)


def _at_the_door(
    walk: Walk, place: Place, no: int, words: tuple[str, ...], *, sticks: bool = True
) -> Iterator[Move]:
    """Whoever has a door opened, and who must not."""
    phone = {"no": no, "items": ["phone"]}
    why, mute = {"no": no, "reason": URGENT}, {"no": no, "reason": ""}
    acts: list[tuple[str, bool, Callable[[], Place]]] = [
        ("card", True, lambda: walk.card(place, _known(place, no))),
        ("declare", True, lambda: walk.staff(place, "deposit.declare", **phone)),
        ("escort", True, lambda: walk.staff(place, "locker.escorted", *TWO_ROLES, **why)),
        ("escort mute", True, lambda: walk.staff(place, "locker.escorted", *TWO_ROLES, **mute)),
        ("escort one", True, lambda: walk.staff(place, "locker.escorted", *ONE_ROLE, **why)),
        ("override", False, lambda: walk.command(place, "locker.override", *TWO_ROLES, locker=no)),
        ("over one", False, lambda: walk.command(place, "locker.override", *ONE_ROLE, locker=no)),
    ]
    for name, helps, do in acts:
        if name in words:
            yield from _opening(walk, f"{name} {no}", helps, do, sticks=sticks)


def _hand(walk: Walk, place: Place, no: int) -> Iterator[Move]:
    """At an open door a phone goes in or out, or it is shut; at a shut one there is a crowbar."""
    inside, opening = place.inside[no - 1], place.locker(no).opening
    if not place.open[no - 1]:
        if opening is None and place.locker(no).door != "open":
            yield f"force {no}", False, lambda: walk.read(walk.door(place, no, open_=True))
        return
    if inside:
        yield f"take {no}", True, lambda: walk.door(place, no, open_=True, inside=False)
    elif _may_put(place, no):
        yield f"put {no}", True, lambda: walk.door(place, no, open_=True, inside=True)
    # A board without item bits cannot tell that somebody shut his door on his phone.
    released = opening is not None and opening.why == "release"
    if not (inside and released and not walk.setting.item_sensor):
        yield f"shut {no}", True, lambda: walk.door(place, no, open_=False)


def _may_put(place: Place, no: int) -> bool:
    """A permit has opened his door, and his phone is with him."""
    opening = place.locker(no).opening
    by_permit = opening is not None and opening.why in ("deposit", "release", "escorted")
    return by_permit and has_phone(place, no)


def _silent(walk: Walk, place: Place) -> Place:
    states = {str(no): ["unknown", "unknown"] for no in walk.setting.numbers}
    return walk.feed(place, "lockers", {"states": states})


def _confirm_deposit(walk: Walk, place: Place, no: int) -> Place:
    return walk.staff(place, "deposit.confirm", STAFF, no=no)


def _confirm_empty(walk: Walk, place: Place, no: int) -> Place:
    return walk.staff(place, "locker.confirm_empty", *ONE_ROLE, locker=no)

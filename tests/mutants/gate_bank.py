"""Faults planted in the gate, its doors and its people; the walk through all places sees each."""

from __future__ import annotations

from typing import Final

from tests.mutants.planted import Planted

_WALK: Final = "tests/model/test_gate_exhaustive.py"
_MODEL: Final = f"{_WALK}::test_the_first_places_of_a_whole_room"
_HANDS: Final = f"{_WALK}::test_the_first_places_of_a_lock_and_a_hand"
_ONE: Final = f"{_WALK}::test_one_member_to_the_end"
_COMMANDS: Final = "edge/room_rules/commands.py"
_GATE: Final = "protocols/policy/gate.py"
_ORDERS: Final = "edge/room_rules/orders.py"
_PERMITS: Final = "protocols/policy/permits.py"

GATE: Final = (
    # -- permits ---------------------------------------------------------------------------------
    Planted(
        "two of three documents",
        "protocols/policy/gate.py",
        "for document, done in facts.documents.items()\n",
        "for document, done in [*facts.documents.items()][1:]\n",
        (_MODEL,),
    ),
    Planted(
        "a release without the end",
        "protocols/policy/gate.py",
        '"order_end", met=facts.order == OrderKind.END',
        '"order_end", met=True',
        (_MODEL,),
    ),
    Planted(
        "an old order counts again",
        "edge/room_rules/orders.py",
        "    if number <= session.last_n:\n",
        "    if number < 0:\n",
        (_MODEL,),
    ),
    Planted(
        "an order for another venue counts here",
        "edge/room_rules/orders.py",
        "    if venues and not ours & {str(venue) for venue in venues}:\n",
        "    if not ours:\n",
        (_MODEL,),
    ),
    Planted(
        "two doors at once",
        "protocols/policy/gate.py",
        '        met=not waiting,\n        waiting_for=",".join',
        '        met=True,\n        waiting_for=",".join',
        (_MODEL,),
    ),
    Planted(
        "a restart pulses again",
        "edge/room_rules/plans.py",
        "    remote.settle_interrupted(work)\n",
        "    remote.settle_interrupted(work)\n"
        "    from edge.room_rules.kinds import Pulse\n"
        "    for one in work.state.lockers.values():\n"
        "        if one.opening is not None:\n"
        "            work.do(Pulse(one.number, one.opening.intent))\n",
        (_MODEL,),
    ),
    Planted(
        "a session closes on a phone",
        "protocols/policy/permits.py",
        'lockers[locker.number] = "held" if in_use else locker.item',
        'lockers[locker.number] = "absent"',
        (_MODEL,),
    ),
    Planted(
        "an order opens the door",
        "edge/room_rules/orders.py",
        "    if word is Order.OPEN:\n        work.do(Record",
        "    if word is Order.TERMINATE:\n        from edge.room_rules.kinds import Pulse\n"
        "        [work.do(Pulse(n, 'i')) for n in work.state.lockers]\n"
        "    if word is Order.OPEN:\n        work.do(Record",
        (_MODEL,),
    ),
    Planted(
        "what nobody saw stays behind the door",
        "protocols/policy/permits.py",
        "began and locker is not None and locker.deposit is None",
        "False",
        (
            "tests/edge/test_room_left_behind.py"
            "::test_what_was_put_in_while_the_room_did_not_look_can_be_fetched",
        ),
    ),
    Planted(
        "a release by one's own manager alone",
        _GATE,
        '"two_roles", met=two_roles(facts.release_people)',
        '"two_roles", met=True',
        (_MODEL,),
    ),
    Planted(
        "nobody asks for the members elsewhere",
        _GATE,
        "met=facts.committee_complete or not facts.elsewhere",
        "met=True",
        ("tests/protocols/policy/test_gate.py::test_release_over_every_reachable_state",),
    ),
    Planted(
        "phones go back before the material is sealed",
        _PERMITS,
        "    if session.order_out not in (OrderKind.POSTPONE, OrderKind.TERMINATE):\n",
        "    if True:\n",
        (_MODEL,),
    ),
    Planted(
        "a deposit in any phase",
        _GATE,
        "met=facts.phase in DEPOSIT_PHASES or facts.redeposit",
        "met=True",
        (_HANDS,),
    ),
    Planted(
        "an escort by two of one role",
        _GATE,
        '_condition("two_roles", met=two_roles(facts.people)',
        '_condition("two_roles", met=True',
        (_HANDS,),
    ),
    Planted(
        "an escort for no reason",
        _GATE,
        '_condition("reason", met=facts.reason != ""',
        '_condition("reason", met=True',
        (_HANDS,),
    ),
    Planted(
        "an escort to an empty locker",
        _GATE,
        '_condition("item_held", met=facts.held',
        '_condition("item_held", met=True',
        (_HANDS,),
    ),
    Planted(
        "an override by two of one role",
        _COMMANDS,
        "    if not gate.two_roles(people(by)):\n",
        "    if not by:\n",
        (_HANDS,),
    ),
    # -- doors -----------------------------------------------------------------------------------
    Planted(
        "an order opens the door and says so",
        _ORDERS,
        "    if word is Order.OPEN:\n        work.do(Record",
        "    if word is Order.TERMINATE:\n        from edge.room_rules import doors\n"
        "        lock = work.state.lockers[1]\n"
        "        doors.begin(work, lock, session=session.id, no=1, why='release', by=(),"
        " intent=doors.intent(work))\n"
        "    if word is Order.OPEN:\n        work.do(Record",
        (_MODEL,),
    ),
    Planted(
        "another door than the one on record",
        "edge/room_rules/doors.py",
        "work.do(Pulse(locker.number, intent)",
        "work.do(Pulse(max(work.state.lockers), intent)",
        (_MODEL,),
    ),
    Planted(
        "an override pulses a door in use",
        _COMMANDS,
        '    if locker.opening is not None:\n        raise RefusedError("door_in_use")\n',
        "",
        (_HANDS,),
    ),
    Planted(
        "a silent board counts as a door read shut",
        _PERMITS,
        'shut = locker.door == "closed"',
        'shut = locker.door != "open"',
        (_HANDS,),
    ),
    Planted(
        "everybody's locker is the first",
        _PERMITS,
        "return None if member.locker is None else state.lockers.get(member.locker)",
        "return state.lockers.get(min(state.lockers))",
        (_MODEL,),
    ),
    Planted(
        "any card is the first member's",
        "edge/room_rules/desk.py",
        'member = session.members.get(row.get("no")) if session is not None else None',
        "member = session.members.get(1) if session is not None else None",
        (_MODEL,),
    ),
    # -- tables ----------------------------------------------------------------------------------
    Planted(
        "a break is a suspension",
        _ORDERS,
        '"to": target.value, "by": "order"}',
        '"to": "suspended" if word is Order.BREAK else target.value, "by": "order"}',
        (_MODEL,),
    ),
    Planted(
        "a phase moves without a row",
        "protocols/policy/room_folds.py",
        "        last_n=max(session.last_n, seen.n),\n",
        "        last_n=max(session.last_n, seen.n),\n"
        '        phase=Phase.ENDED if seen.order == "member_release" else session.phase,\n',
        (_MODEL,),
    ),
    Planted(
        "whoever is identified has deposited",
        "protocols/policy/room_fields.py",
        "    step = next_step(member.step, what, away=member.away is not None)\n",
        "    step = next_step(member.step, what, away=member.away is not None)\n"
        '    if what.value == "identify":\n        step = type(member.step).DEPOSITED\n',
        (_MODEL,),
    ),
    Planted(
        "who puts nothing in is released",
        "protocols/policy/custody.py",
        '("deposit", Stage.SHUT_EMPTY): Outcome.NOTHING',
        '("deposit", Stage.SHUT_EMPTY): Outcome.RELEASED',
        (_HANDS,),
    ),
    Planted(
        "a door that shuts forgets what lies behind it",
        "protocols/policy/room_locker_folds.py",
        "replace(found, opening=None, deposit=deposit)",
        "replace(found, opening=None, deposit=None)",
        (_MODEL,),
    ),
    Planted(
        "a crowbar makes a deposit",
        "protocols/policy/room_locker_folds.py",
        "unexplained=locker.unexplained + 1, forced_ms=fact.now_ms)",
        "unexplained=locker.unexplained + 1, forced_ms=fact.now_ms,"
        " deposit=Deposit(fact.session, 1, (), 'present'))",
        (_HANDS,),
    ),
    # -- what is refused, and restarts -----------------------------------------------------------
    Planted(
        "a refused order leaves a row of another kind",
        _ORDERS,
        "        _carry_out(work, session)\n    except RefusedError as error:\n",
        "        _carry_out(work, session)\n    except RefusedError as error:\n"
        '        work.emit("help.called")\n',
        (_MODEL,),
    ),
    Planted(
        "a refused order completes the committee",
        "protocols/policy/room_folds.py",
        '    return answered(state, fact.words("id"), fact.words("reason") or "refused")\n',
        "    found = state.sessions.items()\n"
        "    said = {name: replace(one, committee_complete=True) for name, one in found}\n"
        "    state = replace(state, sessions=said)\n"
        '    return answered(state, fact.words("id"), fact.words("reason") or "refused")\n',
        (_MODEL,),
    ),
    Planted(
        "a row says less than was decided",
        "edge/room_rules/work.py",
        "            epoch=self.state.epoch,\n        )\n"
        "        self.drafts.append(Draft(event_type, session, data))\n",
        "            epoch=self.state.epoch,\n        )\n"
        '        data = {**data, "members": []} if event_type == "order.accepted" else data\n'
        "        self.drafts.append(Draft(event_type, session, data))\n",
        (_MODEL,),
    ),
    Planted(
        "whoever drops out does not get his phone",
        "edge/room_rules/arrival.py",
        "    elif member.step in ADMITTED | OUT or",
        "    elif member.step in ADMITTED or",
        (_ONE,),
    ),
)
"""Every fault planted in the gate."""

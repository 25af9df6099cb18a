"""Which orders, statements and commands a room accepts (WIRE §7)."""

from __future__ import annotations

import pytest

from protocols.messages.bodies import (
    Command,
    CommandWrapper,
    Expect,
    Keyring,
    Order,
    Statement,
    statement_id,
)
from protocols.messages.orders import (
    AcceptedCommand,
    AcceptedOrder,
    AcceptedStatement,
    OrderBook,
    Refused,
    SessionBook,
    Unwrapped,
    judge_command,
    judge_order,
    judge_statement,
    unwrap_command,
)
from protocols.messages.signed import parse_message
from tests.protocols.messages.wire_keys import (
    CTL,
    GUEST,
    HUB_KEY,
    SESSION,
    Key,
    certify,
    trust_file,
    verify,
)

LIMIT = 128 * 1024
MANAGER, DEPUTY, WITNESS = Key("manager"), Key("deputy"), Key("witness")
GUEST_MANAGER, SYSTEM, GUEST_SYSTEM = Key("guest manager"), Key("system"), Key("guest system")
STRANGER = Key("stranger")
WHO = {
    MANAGER: "p-000000000001",
    DEPUTY: "p-000000000002",
    WITNESS: "p-000000000003",
    GUEST_MANAGER: "p-000000000004",
}
CERTS = [
    certify(MANAGER, WHO[MANAGER], roles=["home_manager", "witness"]),
    certify(DEPUTY, WHO[DEPUTY], roles=["deputy"]),
    certify(WITNESS, WHO[WITNESS], roles=["witness"]),
    certify(GUEST_MANAGER, WHO[GUEST_MANAGER], roles=["home_manager"], issuer=GUEST),
    certify(SYSTEM, "system-1", kind="system", roles=["system"]),
    certify(GUEST_SYSTEM, "system-2", kind="system", roles=["system"], issuer=GUEST),
]
BOOK = OrderBook().with_session(SessionBook(SESSION, "hubei", "changsha", ("hubei", "changsha")))


def ring(*, hub_orders=False):
    return Keyring(trust_file(hub_orders=hub_orders), CERTS, verify)


def parsed(raw):
    return parse_message(raw, limit=LIMIT)


def order(n=1, *, by=WHO[MANAGER], kind="start", **more):
    return Order(id=f"o{n}", session=more.pop("session", SESSION), n=n, order=kind, by=by, **more)


def judge(one, *signers, book=BOOK, hub_orders=False):
    keys = ring(hub_orders=hub_orders)
    return judge_order(book, parsed(one.seal(signers)), keys, verify, keys.trust)


def test_the_home_manager_orders():
    verdict = judge(order(), MANAGER.signer("home_manager"))

    assert isinstance(verdict, AcceptedOrder)
    assert (verdict.by, verdict.order) == (WHO[MANAGER], order())
    assert verdict.book.sessions[SESSION].last_n == 1
    assert BOOK.sessions[SESSION].last_n == 0


def test_an_order_that_a_code_overtook_holds_and_moves_no_number_back():
    at_seven = SessionBook(
        SESSION, "hubei", "changsha", ("hubei", "changsha"), 7, "o7", by_code=frozenset({5})
    )
    book = OrderBook().with_session(at_seven)
    signer = MANAGER.signer("home_manager")

    verdict = judge(order(5), signer, book=book)

    assert isinstance(verdict, AcceptedOrder)
    assert verdict.book.sessions[SESSION] == at_seven
    assert judge(order(6), signer, book=book).code == "old_n"
    assert judge(order(5), STRANGER.signer("home_manager"), book=book).code == "unsigned"


def test_the_deputy_orders_too():
    assert isinstance(judge(order(by=WHO[DEPUTY]), DEPUTY.signer("deputy")), AcceptedOrder)


@pytest.mark.parametrize(
    ("one", "signer", "code"),
    [
        (order(), STRANGER.signer("home_manager"), "unsigned"),
        (order(), MANAGER.signer("witness"), "unsigned"),
        (order(), DEPUTY.signer("deputy"), "unsigned"),
        (order(by=WHO[WITNESS]), WITNESS.signer("witness"), "unsigned"),
        (order(by=WHO[GUEST_MANAGER]), GUEST_MANAGER.signer("home_manager"), "unsigned"),
        (order(by="hub"), HUB_KEY.signer("hub"), "unsigned"),
        (order(by="hub"), SYSTEM.signer("system"), "unsigned"),
        (order(session="s-other"), MANAGER.signer("home_manager"), "other_session"),
        (order(venues=("hubei",)), MANAGER.signer("home_manager"), "other_venue"),
        (order(0 + 1, venues=("hubei", "changsha")), MANAGER.signer("home_manager"), None),
    ],
)
def test_who_may_not_order(one, signer, code):
    verdict = judge(one, signer)

    assert getattr(verdict, "code", None) == code


def test_the_hub_orders_where_the_trust_file_says_so_and_it_shows():
    verdict = judge(order(by="hub"), HUB_KEY.signer("hub"), hub_orders=True)
    pretended = judge(order(), HUB_KEY.signer("hub"), hub_orders=True)

    assert isinstance(verdict, AcceptedOrder)
    assert verdict.by == "hub"
    assert isinstance(pretended, Refused)
    assert pretended.code == "unsigned"
    assert "nor of the hub" in pretended.text


def test_numbers_only_go_up_over_restarts():
    verdict = judge(order(5), MANAGER.signer("home_manager"))
    assert isinstance(verdict, AcceptedOrder)
    known = SessionBook(SESSION, "hubei", "changsha", ("hubei",))
    book = verdict.book.with_session(known)

    def code(one):
        return getattr(judge(one, MANAGER.signer("home_manager"), book=book), "code", "accepted")

    assert book.sessions[SESSION].last_id == "o5"
    assert code(order(5)) == "repeated"
    assert code(order(4)) == "old_n"
    assert code(Order("other", SESSION, 5, "start", WHO[MANAGER])) == "old_n"
    assert code(order(6)) == "accepted"


def test_what_is_no_order_is_refused():
    keys = ring()
    signed = parsed(STATEMENT.seal([MANAGER.signer("home_manager")]))

    assert judge_order(BOOK, signed, keys, verify, keys.trust).code == "malformed"


STATEMENT = Statement(SESSION, "3", "report", "signed", "d" * 64)


def state(*signers, statement=STATEMENT):
    return judge_statement(BOOK, parsed(statement.seal(signers)), ring(), verify)


@pytest.mark.parametrize(
    ("signers", "by"),
    [
        ([SYSTEM.signer("system")], ("system-1",)),
        (
            [MANAGER.signer("home_manager"), WITNESS.signer("witness")],
            (WHO[MANAGER], WHO[WITNESS]),
        ),
        (
            [WITNESS.signer("witness"), GUEST_MANAGER.signer("home_manager")],
            (WHO[WITNESS], WHO[GUEST_MANAGER]),
        ),
    ],
)
def test_statements_hold_by_the_system_or_by_two_persons_in_two_roles(signers, by):
    verdict = state(*signers)

    assert isinstance(verdict, AcceptedStatement)
    assert verdict.by == by
    assert verdict.id == statement_id(parsed(STATEMENT.seal(signers)))


@pytest.mark.parametrize(
    "signers",
    [
        [GUEST_SYSTEM.signer("system")],
        [MANAGER.signer("home_manager")],
        [MANAGER.signer("witness"), WITNESS.signer("witness")],
        [MANAGER.signer("home_manager"), STRANGER.signer("witness")],
        [HUB_KEY.signer("hub")],
    ],
)
def test_statements_that_do_not_hold(signers):
    verdict = state(*signers)

    assert isinstance(verdict, Refused)
    assert verdict.code == "unsigned"


def test_statements_of_other_sessions_and_other_messages():
    other = Statement("s-other", "3", "report", "signed", "d" * 64)

    assert state(SYSTEM.signer("system"), statement=other).code == "other_session"
    signed = parsed(order().seal([MANAGER.signer("home_manager")]))
    assert judge_statement(BOOK, signed, ring(), verify).code == "malformed"


OVERRIDE = Command("c1", "locker.override", {"locker": 3}, Expect("locker-3"))
SELFTEST = Command("c2", "device.selftest", {})


def command(one, *signers, orgs=("hubei", "changsha")):
    return judge_command(parsed(one.seal(signers)), ring(), verify, orgs=frozenset(orgs))


def test_commands_hold_by_a_person_of_the_venues_or_by_the_hub():
    by_person = command(SELFTEST, WITNESS.signer("witness"))
    by_hub = command(SELFTEST, HUB_KEY.signer("hub"))

    assert isinstance(by_person, AcceptedCommand)
    assert isinstance(by_hub, AcceptedCommand)
    assert (by_person.by, by_hub.by) == ((WHO[WITNESS],), ("hub",))
    assert command(SELFTEST, WITNESS.signer("witness"), orgs=["changsha"]).code == "unsigned"


def test_an_override_needs_two_persons_in_two_roles():
    two = [MANAGER.signer("home_manager"), WITNESS.signer("witness")]

    assert isinstance(command(OVERRIDE, *two), AcceptedCommand)
    assert command(OVERRIDE, two[0]).code == "unsigned"
    assert command(OVERRIDE, two[0], HUB_KEY.signer("hub")).code == "unsigned"
    same = [MANAGER.signer("witness"), WITNESS.signer("witness")]
    assert command(OVERRIDE, *same).code == "unsigned"
    blind = Command("c1", "locker.override", {"locker": 3})
    assert command(blind, *two).code == "malformed"


def test_what_is_no_command_is_refused():
    assert command(order(), MANAGER.signer("home_manager")).code == "malformed"


def unwrap(inner, *, kind="command", signer=None, **more):
    raw = inner.seal([MANAGER.signer("home_manager")])
    wrapper = CommandWrapper(more.pop("ctl", CTL), more.pop("re", ""), "1", kind, raw)
    given = {
        "ctl": CTL,
        "asks": frozenset({"a" * 32, ""}),
        "at_trust": "ntp",
        "retained": False,
        **more,
    }
    sealed = parsed(wrapper.seal([signer or HUB_KEY.signer("hub")]))
    return unwrap_command(sealed, ring(), verify, **given)


def test_a_wrapper_of_the_hub_opens():
    verdict = unwrap(SELFTEST)

    assert isinstance(verdict, Unwrapped)
    assert (verdict.id, verdict.kind, verdict.inner.ctx) == ("1", "command", "er1/cmd")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"retained": True}, "retained"),
        ({"kind": "order"}, "malformed"),
        ({"ctl": "c-ffffffffffff"}, "other_room"),
        ({"signer": MANAGER.signer("home_manager")}, "unsigned"),
        ({"at_trust": "none"}, "not_fresh"),
        ({"at_trust": "none", "re": "b" * 32}, "not_fresh"),
        ({"at_trust": "none", "re": "a" * 32}, None),
    ],
)
def test_wrappers_that_do_not_open(change, code):
    change = dict(change)
    if change.get("ctl"):
        raw = SELFTEST.seal([MANAGER.signer("home_manager")])
        wrapper = CommandWrapper(change["ctl"], "", "1", "command", raw)
        verdict = unwrap_command(
            parsed(wrapper.seal([HUB_KEY.signer("hub")])),
            ring(),
            verify,
            ctl=CTL,
            asks=frozenset(),
            at_trust="ntp",
            retained=False,
        )
    else:
        verdict = unwrap(SELFTEST, **change)

    assert getattr(verdict, "code", None) == code


def test_orders_need_no_fresh_echo():
    assert isinstance(unwrap(order(), kind="order", at_trust="none"), Unwrapped)

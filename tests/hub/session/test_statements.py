"""Statements: the evaluation system's, two persons', and those that do not count."""

from __future__ import annotations

from typing import Any

import pytest

from hub import crypto
from hub.problems import Problem
from protocols.messages.acts import Statement
from protocols.messages.identity import kid as kid_of
from protocols.messages.signed import Signer
from tests.hub.booking.town import PASSWORD, PIN, Town, booking_of

DIGEST = "ab" * 32


@pytest.fixture
def system(ready: Town) -> Signer:
    """The evaluation system's key, certified by the home venue."""
    seed = crypto.new_seed()
    pub = crypto.public_of(seed)
    ready.keys.certify(
        "hubei",
        PASSWORD,
        subject="system-hubei",
        kind="system",
        roles=("system",),
        kid=kid_of(pub),
        pub=pub.hex(),
    )
    return crypto.signer(seed, "system")


def statement(town: Town, **changes: Any) -> Statement:
    values = {
        "session": booking_of(town)["session"],
        "member": "x3",
        "document": "report",
        "outcome": "signed",
        "digest": DIGEST,
        **changes,
    }
    return Statement(**values)


def test_the_systems_statement_is_kept_once_and_sent_to_every_room(
    ready: Town, system: Signer
) -> None:
    raw = statement(ready).seal([system])
    first = ready.sessions.receive_statement(raw)
    again = ready.sessions.receive_statement(raw)
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert first["id"] == again["id"]
    with ready.store.read() as conn:
        sent = conn.exec_driver_sql("SELECT ctl FROM outgoing WHERE kind = 'statement'").all()
        facts = conn.exec_driver_sql(
            "SELECT COUNT(*) FROM events WHERE type = 'statement.received'"
        ).scalar_one()
    assert len(sent) == 2
    assert facts == 1


def test_a_statement_of_an_unknown_key_or_altered_does_not_count(
    ready: Town, system: Signer
) -> None:
    stranger = crypto.signer(crypto.new_seed(), "system")
    for raw in (
        statement(ready).seal([stranger]),
        statement(ready).seal([system]).replace(b'"signed"', b'"refused_in_writing"', 1),
    ):
        with pytest.raises(Problem) as caught:
            ready.sessions.receive_statement(raw)
        assert (caught.value.status, caught.value.code) == (422, "statement_unsigned")


@pytest.mark.parametrize(
    ("raw", "status"),
    [(b"", 422), (b"\xff\xfe", 422), (b"{}\n{}\n", 422), (b"x" * 40_000, 422)],
)
def test_bytes_that_are_no_statement_are_a_problem(ready: Town, raw: bytes, status: int) -> None:
    with pytest.raises(Problem) as caught:
        ready.sessions.receive_statement(raw)
    assert caught.value.status == status


def test_a_statement_about_nobody_or_no_session_is_a_problem(ready: Town, system: Signer) -> None:
    with pytest.raises(Problem) as caught:
        ready.sessions.receive_statement(statement(ready, member="x9").seal([system]))
    assert caught.value.code == "unknown_member"
    with pytest.raises(Problem) as caught:
        ready.sessions.receive_statement(statement(ready, session="s-0").seal([system]))
    assert caught.value.code == "no_such_session"


def test_who_cannot_sign_learns_nothing_of_the_members(ready: Town) -> None:
    stranger = crypto.signer(crypto.new_seed(), "system")
    with pytest.raises(Problem) as caught:
        ready.sessions.receive_statement(statement(ready, member="x9").seal([stranger]))
    assert caught.value.code == "statement_unsigned"


def test_two_persons_in_different_roles_state_together(ready: Town) -> None:
    session = booking_of(ready)["session"]
    staff = ready.who("changsha.room_staff")

    def state(second: str, second_pin: str = PIN, **changes: Any) -> dict[str, Any]:
        values = {"document": "report", "outcome": "signed_with_dissent", **changes}
        return ready.sessions.statement_by_two(
            staff,
            session,
            4,
            values["document"],
            values["outcome"],
            PIN,
            second,
            second_pin,
            digest=DIGEST,
        )

    assert state("changsha.guest_coordinator")["repeated"] is False
    for second, pin, code in (
        ("changsha.room_staff", PIN, "statement_invalid"),
        ("nobody", PIN, "second_person"),
        ("changsha.guest_coordinator", "00000000", "secret_wrong"),
        ("changsha.witness", PIN, "not_on_duty"),
    ):
        with pytest.raises(Problem) as caught:
            state(second, pin)
        assert caught.value.code == code
    with pytest.raises(Problem) as caught:
        state("changsha.guest_coordinator", document="poem")
    assert caught.value.where == "statement.document"

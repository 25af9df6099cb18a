"""Requests of people that cannot be: each gets an answer that helps, nothing is half done."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from hub import crypto
from hub.demo.clients import HubUser, RefusedError
from hub.demo.day import EVALUATION_AT
from hub.demo.town import Town
from protocols.messages.acts import Statement
from tests.system.day_town import GUEST, HOME

pytestmark = [pytest.mark.system, pytest.mark.slow]

HELPFUL = ("what", "where", "expected", "got", "do", "title", "title_en", "code")


def _body(**changes: Any) -> dict[str, Any]:
    """A booking that would be accepted, with changes."""
    venues = [
        {
            "org": HOME,
            "place": f"{HOME}-301",
            "stations": [f"{HOME}-301-1", f"{HOME}-301-2", f"{HOME}-301-3"],
            "experts": 2,
            "tenderer_reps": 1,
        },
        {
            "org": GUEST,
            "place": f"{GUEST}-2",
            "stations": [f"{GUEST}-2-1", f"{GUEST}-2-2"],
            "experts": 2,
            "tenderer_reps": 0,
        },
    ]
    body = {
        "kind": "evaluation",
        "project_code": f"HBSJ-2026-{secrets.randbelow(900) + 100}",
        "project_kind": "construction",
        "home_org": HOME,
        "start_at": EVALUATION_AT.isoformat(),
        "duration_min": 240,
        "venues": venues,
        "draw_conditions": "市政工程，副场两名",
    }
    return {**body, **changes}


def _refused(act: Callable[[], object]) -> dict[str, Any]:
    """The problem document of a refusal that a person can act on."""
    with pytest.raises(RefusedError) as caught:
        act()
    problem = caught.value.problem
    assert 400 <= caught.value.status < 500
    assert all(problem.get(key) for key in HELPFUL), problem
    return problem


@pytest.fixture
def operator(town: Town) -> HubUser:
    return town.user(f"{HOME}.operator")


def _unknown_station() -> dict[str, Any]:
    body = _body()
    body["venues"][1]["stations"] = [f"{GUEST}-2-1", f"{GUEST}-2-99"]
    return body


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("unknown_station", _unknown_station),
        ("past_start", lambda: _body(start_at="2026-11-10T09:00:00+08:00")),
        ("excluded_project", lambda: _body(project_kind="prequalification")),
    ],
)
def test_a_booking_against_the_rules_says_why(
    operator: HubUser, code: str, body: Callable[[], dict[str, Any]]
) -> None:
    problem = _refused(lambda: operator.post("bookings", body()))
    assert problem["code"] == code, problem


def test_a_second_booking_of_a_station_is_refused_by_the_database(operator: HubUser) -> None:
    first = operator.post("bookings", _body())
    problem = _refused(lambda: operator.post("bookings", _body()))
    assert problem["code"] == "booking_no_overlap"
    operator.post(f"bookings/{first['number']}/withdraw", {"reason": "演练"})
    assert operator.post("bookings", _body())["number"] != first["number"]


def test_a_request_that_is_no_json_or_has_unknown_keys_is_refused(operator: HubUser) -> None:
    _refused(lambda: operator.post_raw("bookings", b"{"))
    _refused(lambda: operator.post("bookings", _body(colour="red")))
    assert operator.get("bookings")["bookings"] is not None


def test_a_statement_with_a_broken_signature_is_refused(town: Town) -> None:
    said = Statement(
        session=f"s-{secrets.token_hex(6)}",
        member="x4",
        document="report",
        outcome="signed",
        digest=hashlib.sha256(b"report").hexdigest(),
    )
    key = crypto.read_private(town.data / "demo-system" / f"{HOME}.key")
    raw = said.seal([crypto.signer(key, "system")])
    head, _, tail = raw.rpartition(b'"sig":"')
    broken = head + b'"sig":"' + (b"00" if tail[:2] != b"00" else b"11") + tail[2:]
    manager = town.user(f"{HOME}.home_manager")
    _refused(lambda: manager.post_raw("statements", broken))
    _refused(lambda: manager.post_raw("statements", b"\x00\xff" * 1000))

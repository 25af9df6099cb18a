"""Every role of every organisation at every address: the table says who may, the hub does so.

The matrix is made of the application's own routes and of `hub/web/rights.toml`. It is walked twice:
through the whole application, and with the table's own check left out, so that the services are
seen to refuse by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from hub.accounts.actor import ROLES
from hub.web import rights as table
from hub.web.rights import Right, RightsError, addresses, read, rights
from tests.hub.api.rights_place import Place, mismatches, persons, placed

PART = (7, 3)
"""Prime to the number of people, so that each address meets other people."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with placed(tmp_path_factory.mktemp("rights")) as made:
        yield made


def test_every_address_of_the_application_is_in_the_table_and_no_other(place: Place) -> None:
    assert sorted(addresses(place.app.routes)) == sorted(rights())


def test_the_eleven_roles_and_the_deputy_are_the_roles_of_the_table() -> None:
    eleven = (
        "operator fault_handler room_staff guest_coordinator witness home_manager tenderer_agent "
        "supervisor technician administrator service"
    )
    assert set(ROLES) == {*eleven.split(), "deputy"}
    assert rights()["GET /board"].roles == set(ROLES)


@pytest.mark.slow
def test_every_role_of_every_organisation_gets_what_the_table_says_and_no_more(
    place: Place,
) -> None:
    """A part of the cells that meets every address; `tests/bench/rights.py` walks the whole."""
    _, wrong = mismatches(place, persons(), part=PART)
    assert wrong == []


@pytest.mark.slow
def test_the_services_refuse_by_themselves_whom_the_table_refuses(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = {
        address: Right(one.who, frozenset(ROLES), one.where, one.duty)
        for address, one in rights().items()
    }
    # Where the roster decides, or only a page is drawn, the role is the table's own matter.
    acts = {a: one for a, one in persons().items() if a.startswith("POST") and not one.duty}
    monkeypatch.setattr(table, "rights", lambda: everyone)
    _, wrong = mismatches(place, acts, part=PART)
    assert wrong == []


def test_who_is_not_signed_in_gets_nothing_but_what_is_open(place: Place) -> None:
    for address, right in rights().items():
        if right.who == "open":
            continue
        answer = place.ask(None, address) if right.who != "system" else None
        if address.startswith("GET /") and not address.startswith("GET /api/"):
            assert answer.status_code == 303, address
            assert answer.headers["location"].startswith("/sign-in?")
        elif answer is not None:
            assert answer.status_code == 401, address


def test_an_address_nobody_listed_answers_nobody(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    less = {a: one for a, one in rights().items() if a != "GET /api/v1/me"}
    monkeypatch.setattr(table, "rights", lambda: less)
    answer = place.ask(("hubei", "administrator"), "GET /api/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (403, "address_unlisted")


def test_a_change_without_the_sessions_word_is_refused_everywhere(place: Place) -> None:
    """Every person's address that is not read only; before the body is looked at."""
    token, _ = place.people["hubei", "home_manager"]
    for address in (a for a in persons() if not a.startswith("GET ")):
        path = address.split(" ", 1)[1].format(**place.ids)
        place.client.cookies.clear()
        place.client.cookies.set("er_session", token)
        answer = place.client.post(path, json={})
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_missing"), address


@pytest.mark.parametrize(
    "line",
    [
        '"GET /x" = { who = "nobody", where = "any" }',
        '"GET /x" = { who = "all" }',
        '"GET /x" = { who = "all", where = "moon" }',
        '"GET /x" = { who = "open", where = "any" }',
        '"GET /x" = { who = "all", where = "any", why = "x" }',
    ],
)
def test_a_line_that_says_nothing_clear_is_refused(line: str) -> None:
    with pytest.raises(RightsError, match=re.escape("GET /x")):
        read(f'[groups]\nall = ["witness"]\n[routes]\n{line}\n')


def test_a_group_of_an_unknown_role_is_refused() -> None:
    with pytest.raises(RightsError, match="emperor"):
        read('[groups]\nall = ["emperor"]\n[routes]\n')

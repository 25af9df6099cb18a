"""No text a person types takes a number into the record that points at somebody."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import select

from hub.app import Hub
from hub.booking_link import SessionLink
from hub.fleet import clones
from hub.free_text import free_text
from hub.problems import MEDIA_TYPE, Problem
from hub.session import commands
from hub.store.tables_core import events
from hub.web import (
    api_account,
    api_accounts,
    api_archive,
    api_booking,
    api_case,
    api_devices,
    api_session,
)
from tests.hub.api.test_api import BODY, Person, TestClient

NUMBER = "420106 19900101 123X"
WEB = Path(api_case.__file__).parent
CASE, SESSION, PLACE = "cases/k-000000000000", "sessions/s-000000000000", "2026-1222-01"
DECIDING = {"option": "wait", "pin": "1", "scope": "venue", "reason": "好"}
SEALING = {
    "action": "seal",
    "seal_no": "FT-1",
    "second_login": "x",
    "what": "资料",
    "pin": "1",
    "second_pin": "1",
}
APPROVED = {"reason": "抗洪", "approver": "HB-01"}

# (file, field, route, a body in which everything else is as it must be)
TYPED = (
    ("api_account", "reason", "people/x/second-factor/reset", {}),
    ("api_archive", "remark", f"{SESSION}/appraisals", {"member": 1, "items": []}),
    ("api_booking", "reason", f"bookings/{PLACE}/decline", {}),
    ("api_booking", "reason", f"bookings/{PLACE}/withdraw", {}),
    ("api_booking", "draw_conditions", "bookings", BODY),
    ("api_booking", "exception", "bookings", {**BODY, "exception": APPROVED}),
    ("api_case", "reason", f"{CASE}/steps", {"key": "x", "state": "skipped"}),
    ("api_case", "text", f"{CASE}/notes", {}),
    ("api_case", "reason", "alarms/c-000000000000:power-1/close", {}),
    ("api_case", "reason", f"{CASE}/decisions", DECIDING),
    ("api_case", "proof", f"{CASE}/decisions", DECIDING),
    ("api_case", "what", f"{CASE}/seal", SEALING),
    ("api_case", "summary", f"{CASE}/close", {}),
    ("api_devices", "reason", "controllers/c-000000000000/release", {}),
    ("api_session", "reason", f"{SESSION}/orders", {"order": "end", "pin": "1"}),
    ("api_session", "exceptions", f"{SESSION}/orders", {"order": "start", "pin": "1"}),
)


@pytest.fixture
def hub(open_hub: Callable[..., Hub]) -> Hub:
    """A demonstration hub with its services."""
    made = open_hub(services=True)
    made.rooms.rebuild()
    return made


@pytest.fixture
def api(hub: Hub) -> Iterator[TestClient]:
    """Its whole JSON API."""
    app = FastAPI()

    @app.exception_handler(Problem)
    def _problem(_request: Request, problem: Problem) -> JSONResponse:
        return JSONResponse(problem.document(), problem.status, media_type=MEDIA_TYPE)

    routers = (
        api_account,
        api_accounts,
        api_booking,
        api_session,
        api_case,
        api_archive,
        api_devices,
    )
    for one in routers:
        app.include_router(one.router(hub))
    with TestClient(app, base_url="http://127.0.0.1") as made:
        yield made


def test_every_typed_text_is_refused_with_a_number_of_a_person_and_never_repeated(
    api: TestClient, hub: Hub, accounts: dict[str, dict[str, Any]]
) -> None:
    operator = Person(api, accounts["hubei.operator"])
    for _, field, route, rest in TYPED:
        text: Any = f"联系 {NUMBER} 的人"
        if field == "exceptions":
            text = ["recording", text]
        elif field == "exception":
            text = {**APPROVED, "reason": text}
        answer = operator.call("POST", route, json={**rest, field: text})
        told = answer.json()
        assert (answer.status_code, told["code"]) == (422, "personal_number"), (route, told)
        assert field in told["where"]
        assert "4201" not in answer.text
        assert told["do"]
    with hub.store.read() as conn:
        assert NUMBER.encode() not in b"".join(conn.execute(select(events.c.raw)).scalars().all())


def test_every_free_text_of_the_api_is_in_the_list() -> None:
    found = set()
    for path in sorted(WEB.glob("api_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "fields.text"):
                continue
            if "chars_max" not in {one.arg for one in node.keywords}:
                found.add((path.stem, ast.literal_eval(node.args[0])))
    assert found
    assert found <= {(stem, field) for stem, field, _, _ in TYPED}


def test_a_commands_reason_and_a_release_by_the_command_line_are_judged_too(hub: Hub) -> None:
    link = cast("SessionLink", SimpleNamespace(ctls=("c-000000000001",), session="s-1"))
    with pytest.raises(Problem, match="personal_number") as caught:
        commands.issue(
            hub,
            [],
            link,
            ctl="c-000000000001",
            verb="member.replace",
            args={"no": 1, "reason": f"换为 {NUMBER}"},
            expect={},
        )
    assert caught.value.where == "command.args.reason"
    who = hub.accounts.register.actor_by_login("hubei.administrator")
    assert who is not None
    with pytest.raises(Problem, match="personal_number"):
        clones.release(hub, who, "c-000000000001", f"电话 138 0013 8000 {'核实'}")


def test_other_texts_pass() -> None:
    assert free_text("2026-11-24 10:05，3 号评委离席", where="note.text")

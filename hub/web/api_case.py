"""JSON API of contingency cases: `/api/v1/cases`, `/api/v1/alarms`.

Bodies:

    POST cases/{id}/ack        {}
    POST cases/{id}/steps      {key, state: done|skipped|open, reason?}
    POST cases/{id}/notes      {text}
    POST cases/{id}/scope      {scope: member|venue|all}
    POST cases/{id}/decisions  {option, scope, reason, pin, second_login?, second_pin?,
                                decider_login?, proof?}
    POST cases/{id}/seal       {action: seal|unseal, seal_no, what, photo_sha256?, pin,
                                second_login, second_pin}
    POST cases/{id}/close      {summary}
    POST alarms/{ctl}:{fault}/ack   {}
    POST alarms/{ctl}:{alarm}/close {reason}

Every answer is the case as it now stands. A decision issues no order; it says which one it offers.
"""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Request

from hub.contingency.service import Contingency
from hub.ports import Parts, refuse
from hub.web.api_body import PIN_CHARS_MAX, Fields, json_body
from hub.web.api_once import once

Body = Annotated[dict[str, Any], Depends(json_body)]
WORD_CHARS_MAX = 64


class HasCases(Parts, Protocol):
    """The part of the hub this API uses."""

    contingency: Contingency


def router(hub: HasCases) -> APIRouter:
    """Routes of cases and alarms."""
    api = APIRouter(prefix="/api/v1", tags=["cases"])
    _add_reading(api, hub)
    _add_handling(api, hub)
    _add_deciding(api, hub)
    _add_closing(api, hub)
    return api


def _add_reading(api: APIRouter, hub: HasCases) -> None:
    @api.get("/cases", operation_id="list_cases")
    def listed(request: Request, session: str = "", open: bool = False) -> dict[str, Any]:  # noqa: A002, FBT001, FBT002 - the query's word
        """Cases, open ones first."""
        who = hub.accounts.actor(request)
        return {"cases": hub.contingency.list_for(who, session=session, open_only=open)}

    @api.get("/cases/{case}", operation_id="get_case")
    def one(request: Request, case: str) -> dict[str, Any]:
        """One case."""
        return hub.contingency.view_for(hub.accounts.actor(request), case)


def _add_handling(api: APIRouter, hub: HasCases) -> None:
    @api.post("/cases/{case}/ack", operation_id="ack_case")
    def ack(request: Request, case: str, body: Body) -> dict[str, Any]:
        """Acknowledges a case."""
        who = hub.accounts.actor(request)
        Fields(body, where="case").done()
        hub.contingency.must_see(who, case)
        return hub.contingency.ack(who, case)

    @api.post("/cases/{case}/steps", operation_id="step_case")
    def step(request: Request, case: str, body: Body) -> dict[str, Any]:
        """Marks a step of the checklist."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="step")
        key = fields.text("key", chars_max=WORD_CHARS_MAX)
        state = fields.text("state", chars_max=WORD_CHARS_MAX)
        reason = fields.text("reason", default="")
        fields.done()
        hub.contingency.must_see(who, case)
        return hub.contingency.step(who, case, key, state, reason)

    @api.post("/cases/{case}/notes", operation_id="note_case")
    def note(request: Request, case: str, body: Body) -> dict[str, Any]:
        """Adds a note."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="note")
        text = fields.text("text")
        fields.done()
        hub.contingency.must_see(who, case)
        return once(hub, who, request, body, lambda: hub.contingency.note(who, case, text))

    @api.post("/cases/{case}/scope", operation_id="scope_case")
    def scope(request: Request, case: str, body: Body) -> dict[str, Any]:
        """Chooses whom the case concerns."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="case")
        chosen = fields.text("scope", chars_max=WORD_CHARS_MAX)
        fields.done()
        hub.contingency.must_see(who, case)
        return hub.contingency.scope(who, case, chosen)

    @api.post("/alarms/{alarm}/ack", operation_id="ack_alarm")
    def ack_alarm(request: Request, alarm: str, body: Body) -> dict[str, Any]:
        """Acknowledges an alarm, `c-…:power-1`."""
        who = hub.accounts.actor(request)
        Fields(body, where="alarm").done()
        return hub.contingency.ack_alarm(who, *_alarm(alarm))

    @api.post("/alarms/{alarm}/close", operation_id="close_alarm")
    def close_alarm(request: Request, alarm: str, body: Body) -> dict[str, Any]:
        """Closes an alarm of the record, with a reason."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="alarm")
        reason = fields.text("reason")
        fields.done()
        return hub.contingency.alarms.close(who, *_alarm(alarm), reason)


def _alarm(text: str) -> tuple[str, str]:
    """(controller, fault or alarm) of an alarm's address."""
    ctl, colon, fault = text.partition(":")
    if not colon or not fault:
        raise refuse(
            422,
            "alarm_id",
            zh="告警编号无效",
            en="Not an alarm's id",
            where="alarm",
            expected="controller and fault, c-0123456789ab:power-1",
            got=text[:80],
            do="从告警列表进入",
        )
    return ctl[:WORD_CHARS_MAX], fault[:WORD_CHARS_MAX]


def _add_deciding(api: APIRouter, hub: HasCases) -> None:
    @api.post("/cases/{case}/decisions", operation_id="decide_case", status_code=201)
    def decide(request: Request, case: str, body: Body) -> dict[str, Any]:
        """Records a decision with the PINs of two persons in different roles."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="decision")
        option, pin = (fields.text(key, chars_max=WORD_CHARS_MAX) for key in ("option", "pin"))
        scope = fields.text("scope", chars_max=WORD_CHARS_MAX)
        reason = fields.text("reason")
        second_login, second_pin, decider_login = (
            fields.text(key, chars_max=WORD_CHARS_MAX, default="")
            for key in ("second_login", "second_pin", "decider_login")
        )
        proof = fields.text("proof", default="")
        fields.done()
        hub.contingency.must_see(who, case)
        return once(
            hub,
            who,
            request,
            body,
            lambda: hub.contingency.decide(
                who,
                case,
                option,
                pin,
                second_login,
                second_pin,
                reason=reason,
                scope=scope,
                decider_login=decider_login,
                proof=proof,
            ),
        )


def _add_closing(api: APIRouter, hub: HasCases) -> None:
    @api.post("/cases/{case}/seal", operation_id="seal_case", status_code=201)
    def seal(request: Request, case: str, body: Body) -> dict[str, Any]:
        """Seals or unseals material with the PINs of two persons in different roles."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="seal")
        action, seal_no, second_login = (
            fields.text(key, chars_max=WORD_CHARS_MAX)
            for key in ("action", "seal_no", "second_login")
        )
        what = fields.text("what")
        pin = fields.text("pin", chars_max=PIN_CHARS_MAX)
        second_pin = fields.text("second_pin", chars_max=PIN_CHARS_MAX)
        photo = fields.text("photo_sha256", chars_max=WORD_CHARS_MAX, default="")
        fields.done()
        hub.contingency.must_see(who, case)
        return once(
            hub,
            who,
            request,
            body,
            lambda: hub.contingency.seal(
                who,
                case,
                action=action,
                seal_no=seal_no,
                what=what,
                pin=pin,
                second_login=second_login,
                second_pin=second_pin,
                photo_sha256=photo,
            ),
        )

    @api.post("/cases/{case}/close", operation_id="close_case")
    def close(request: Request, case: str, body: Body) -> dict[str, Any]:
        """Closes a case, with a summary."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="case")
        summary = fields.text("summary")
        fields.done()
        hub.contingency.must_see(who, case)
        return hub.contingency.close(who, case, summary)

"""JSON API of bookings: `/api/v1/bookings`, `/api/v1/directory`, `/api/v1/day-grid`.

Bodies:

    POST bookings            {kind, project_code, project_kind, home_org, start_at, duration_min,
                              venues: [{org, place, stations: [id], experts, tenderer_reps,
                              meal_fen?}], draw_conditions?, predecessor?,
                              exception?: {reason, approver: post}}
    POST bookings/{id}/accept      {meal_fen?}
    POST bookings/{id}/decline     {reason}
    POST bookings/{id}/confirm     {}
    POST bookings/{id}/withdraw    {reason}
    POST bookings/{id}/reschedule  {start_at, duration_min?, reason, exception?}
    POST bookings/{id}/members     {org?, members: [{no, kind, name, id_number, station?, locker?}]}
    POST bookings/{id}/duty        {persons: [{person, role}]}
    POST bookings/{id}/duty/confirm {pin}
    POST bookings/{id}/publish     {password}

Every answer is the booking as it now stands. `Idempotency-Key` makes a repeated request harmless.
"""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from hub.booking.ical import MEDIA_TYPE
from hub.booking.service import Booking
from hub.free_text import free_text
from hub.ports import Actor, Parts
from hub.web.api_body import PIN_CHARS_MAX, SECRET_CHARS_MAX, Fields, json_body, only
from hub.web.api_once import once

Body = Annotated[dict[str, Any], Depends(json_body)]
MEMBERS_MAX = 32


class HasBooking(Parts, Protocol):
    """The part of the hub this API uses."""

    booking: Booking


def router(hub: HasBooking) -> APIRouter:
    """Routes of bookings."""
    api = APIRouter(prefix="/api/v1", tags=["bookings"])
    _add_reading(api, hub)
    _add_life(api, hub)
    _add_roster(api, hub)
    return api


def _add_reading(api: APIRouter, hub: HasBooking) -> None:
    def actor(request: Request) -> Actor:
        found: Actor = hub.accounts.actor(request)
        return found

    @api.get("/directory", operation_id="directory")
    def directory(request: Request) -> dict[str, Any]:
        """One's own organisation and its partners: rooms and stations."""
        return {"organisations": hub.booking.directory_for(actor(request))}

    @api.get("/day-grid", operation_id="day_grid")
    def day_grid(request: Request, day: str) -> dict[str, Any]:
        """Stations and what holds them on a day, `?day=2026-11-24`; of others only that it does."""
        return hub.booking.day_grid_for(actor(request), day)

    @api.get("/bookings", operation_id="list_bookings")
    def listed(request: Request, state: str = "", org: str = "", day: str = "") -> dict[str, Any]:
        """Bookings one's organisation takes part in, newest start first."""
        who = actor(request)
        return {"bookings": hub.booking.listed(who, state=state, org=org, day=day)}

    @api.get("/bookings/{number}", operation_id="get_booking")
    def one(request: Request, number: str) -> dict[str, Any]:
        """One booking."""
        return hub.booking.get(actor(request), number)

    @api.get("/bookings/{number}/calendar.ics", operation_id="booking_calendar")
    def calendar(request: Request, number: str) -> Response:
        """The confirmed booking for a calendar program."""
        text = hub.booking.calendar(actor(request), number)
        name = f'attachment; filename="{number}.ics"'
        return Response(text, media_type=MEDIA_TYPE, headers={"Content-Disposition": name})


def _add_life(api: APIRouter, hub: HasBooking) -> None:
    @api.post("/bookings", operation_id="request_booking", status_code=201)
    def request_booking(request: Request, body: Body) -> dict[str, Any]:
        """Asks for stations and holds them."""
        who = hub.accounts.actor(request)
        return once(hub, who, request, body, lambda: hub.booking.request(who, body))

    @api.post("/bookings/{number}/accept", operation_id="accept_booking")
    def accept(request: Request, number: str, body: Body) -> dict[str, Any]:
        """A guest accepts."""
        who = hub.accounts.actor(request)
        only(body, "meal_fen", where="booking")
        return once(hub, who, request, body, lambda: hub.booking.accept(who, number, body))

    @api.post("/bookings/{number}/decline", operation_id="decline_booking")
    def decline(request: Request, number: str, body: Body) -> dict[str, Any]:
        """A guest declines, with a reason."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="booking")
        reason = fields.text("reason")
        fields.done()
        return once(hub, who, request, body, lambda: hub.booking.decline(who, number, reason))

    @api.post("/bookings/{number}/confirm", operation_id="confirm_booking")
    def confirm(request: Request, number: str, body: Body) -> dict[str, Any]:
        """The home venue confirms."""
        who = hub.accounts.actor(request)
        only(body, where="booking")
        return once(hub, who, request, body, lambda: hub.booking.confirm(who, number))

    @api.post("/bookings/{number}/withdraw", operation_id="withdraw_booking")
    def withdraw(request: Request, number: str, body: Body) -> dict[str, Any]:
        """The home venue withdraws, with a reason."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="booking")
        reason = fields.text("reason")
        fields.done()
        return once(hub, who, request, body, lambda: hub.booking.withdraw(who, number, reason))

    @api.post("/bookings/{number}/reschedule", operation_id="reschedule_booking", status_code=201)
    def reschedule(request: Request, number: str, body: Body) -> dict[str, Any]:
        """The home venue moves a booking to another time, with a reason; answers the new one."""
        who = hub.accounts.actor(request)
        free_text(str(body.get("reason", "")), where="booking.reason")
        return once(hub, who, request, body, lambda: hub.booking.reschedule(who, number, body))


def _add_roster(api: APIRouter, hub: HasBooking) -> None:
    @api.post("/bookings/{number}/members", operation_id="enter_members")
    def members(request: Request, number: str, body: Body) -> dict[str, Any]:
        """A venue enters its members; identities are sealed at once."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="booking")
        org = fields.text("org", chars_max=32, default=who.org)
        entries = fields.items("members", items_max=MEMBERS_MAX)
        fields.done()
        return hub.booking.set_members(who, number, org, entries)

    @api.post("/bookings/{number}/duty", operation_id="assign_duty")
    def duty(request: Request, number: str, body: Body) -> dict[str, Any]:
        """A venue names who is on duty."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="booking")
        persons = fields.items("persons", items_max=MEMBERS_MAX)
        fields.done()
        return hub.booking.assign_duty(who, number, persons)

    @api.post("/bookings/{number}/duty/confirm", operation_id="confirm_duty")
    def confirm_duty(request: Request, number: str, body: Body) -> dict[str, Any]:
        """A person confirms being on duty, with the PIN."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="booking")
        pin = fields.text("pin", chars_max=PIN_CHARS_MAX)
        fields.done()
        return hub.booking.confirm_duty(who, number, pin)

    @api.post("/bookings/{number}/publish", operation_id="publish_booking")
    def publish(request: Request, number: str, body: Body) -> dict[str, Any]:
        """A venue's manager certifies the duty keys and sends the session to the rooms."""
        who = hub.accounts.actor(request)
        fields = Fields(body, where="booking")
        password = fields.text("password", chars_max=SECRET_CHARS_MAX)
        fields.done()
        return hub.booking.publish(who, number, password)

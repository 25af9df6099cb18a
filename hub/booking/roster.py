"""Members, duty roster and the plan of a session: each venue enters its own and publishes its own.

A member's identity is sealed the moment it is entered; the room gets only tags, sealed to its
controller. A person on duty confirms with the PIN, which makes a key for this session alone; the
venue's manager certifies those keys with the venue key when publishing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from hub.booking import places, rows, rules
from hub.booking.body import DutyEntry, MemberEntry, read_duty, read_members
from hub.booking.identity import mask, number_fault, seal_identity
from hub.booking.plan import session_plan
from hub.booking.rows import Record
from hub.keys.codes import with_codes
from hub.keys.duty import seal_tags, system_certificates, wrap_identity_key
from hub.ports import Actor, Parts, allow, by, decoding, refuse
from hub.store.tables_core import users

ENTERING: Final = ("guest_coordinator", "home_manager", "deputy", "operator", "room_staff")
ROSTERING: Final = ("guest_coordinator", "home_manager", "deputy")
PUBLISHING: Final = ("home_manager", "deputy")
DUTY_ROLES: Final = (
    "home_manager",
    "deputy",
    "operator",
    "room_staff",
    "guest_coordinator",
    "witness",
    "fault_handler",
    "supervisor",
    "technician",
    "tenderer_agent",
)
EDITABLE: Final = ("accepted", "confirmed")


class Roster:
    """Who takes part in a session, and what the rooms are told of it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def set_members(self, actor: Actor, number: str, org: str, members: Any) -> None:
        """Enters one venue's members in place of those entered before.

        Args:
            actor: staff of that venue.
            number: booking number.
            org: the venue.
            members: list of `{no, kind, name, id_number, station?, locker?}`.

        Raises:
            Problem: 422 with the member's number; never with a name or an identity number.
        """
        with decoding("booking.members"):
            entries = read_members({"members": members})
        allow(actor, ENTERING, org=org)
        with self._parts.store.read() as conn:
            record = self._editable(conn, number, org)
            venue_stations = {unit.id: unit for unit in places.active_stations(conn, org)}
        entries = _placed(record, org, entries, venue_stations)
        self._check(record, org, entries)
        now = self._parts.clock.wall()
        # Tags cost 0.1 s each: made before the transaction, so that nobody waits for the lock.
        made = [self._sealed(record, entry, actor, now) for entry in entries]
        with self._parts.store.write() as conn:
            record = self._editable(conn, number, org)
            rows.replace_members(
                conn,
                number,
                org,
                members=[member for member, _ in made],
                identities=[identity for _, identity in made],
            )
            data = {"booking": number, "org": org, "count": len(made), "by": by(actor)}
            self._parts.facts.append(
                conn, type="members.entered", session=record.session, data=data
            )

    def assign_duty(self, actor: Actor, number: str, persons: Any) -> None:
        """Names the persons on duty at the actor's venue: list of `{person, role}`."""
        with decoding("booking.duty"):
            entries = read_duty({"persons": persons})
        allow(actor, ROSTERING)
        with self._parts.store.write() as conn:
            record = self._editable(conn, number, actor.org)
            listed = [self._duty_row(conn, number, entry, actor) for entry in entries]
            rows.replace_duty(conn, number, actor.org, listed)
            shown = [{"person": r["person"], "post": r["post"], "role": r["role"]} for r in listed]
            data = {"booking": number, "org": actor.org, "persons": shown, "by": by(actor)}
            self._parts.facts.append(conn, type="duty.assigned", session=record.session, data=data)

    def confirm_duty(self, actor: Actor, number: str, pin: str) -> None:
        """Confirms one's own duty; the PIN wraps a new key that serves this session alone."""
        with self._parts.store.read() as conn:
            record = self._editable(conn, number, actor.org)
        self._own_duty(record, actor)
        key = self._parts.keys.session_key(actor.person, record.session, pin)
        now = self._parts.clock.wall()
        with self._parts.store.write() as conn:
            self._own_duty(self._editable(conn, number, actor.org), actor)
            values = {
                "state": "confirmed",
                "kid": key.kid,
                "pub": key.pub,
                "wrapped": key.wrapped,
                "cert": None,
                "confirmed_at": now,
            }
            rows.set_duty(conn, number, actor.person, values)
            data = {"booking": number, "person": actor.person, "post": actor.post, "kid": key.kid}
            self._parts.facts.append(conn, type="duty.confirmed", session=record.session, data=data)

    def publish(self, actor: Actor, number: str, password: str) -> None:
        """Certifies this venue's session keys and sends the session to the rooms that may have it.

        Rooms of venues that published earlier get the new certificates too: an order of the home
        venue counts in a guest's room only by its certificate.

        Raises:
            Problem: 403 wrong role or password, 409 booking not confirmed, 422 something missing.
        """
        allow(actor, PUBLISHING)
        with self._parts.store.read() as conn:
            record = self._editable(conn, number, actor.org)
            _publishable(record, actor.org)
            ctl = self._controller(conn, record, actor.org)
        rules.refuse_unverified(self._parts, kind=str(record.row["kind"]))
        certs = self._certify(record, actor, password)
        now = self._parts.clock.wall()
        with self._parts.store.write() as conn:
            for person, raw in certs.items():
                rows.set_duty(conn, number, person, {"cert": raw})
            record = self._load(conn, number)
            for told in sorted({ctl, *rows.planned(conn, record.session)}):
                self._put_plan(conn, record, told, now)
            rows.mark_published(conn, number, now)
            for told in rows.planned(conn, record.session):
                self._parts.fleet.publish_plan(conn, told)

    def _put_plan(self, conn: Connection, record: Record, ctl: str, now: datetime) -> None:
        org = next(
            str(v["org"])
            for v in record.venues
            if places.controller_of(conn, str(v["place"])) == ctl
        )
        tags = {str(m["no"]): m["tag"] for m in record.members if m["org"] == org}
        systems = system_certificates(conn, record.orgs)
        controllers = {
            str(v["org"]): places.controller_of(conn, str(v["place"])) or "" for v in record.venues
        }
        body = session_plan(
            record,
            org=org,
            tags=seal_tags(conn, ctl, tags),
            names=places.org_names(conn),
            controllers=controllers,
            rooms=places.room_rows(conn, frozenset(str(v["place"]) for v in record.venues)),
            system=_newest(system_certificates(conn, (record.home_org,))),
        )
        certs = [bytes(person["cert"]) for person in record.duty if person["cert"] is not None]
        certs += [raw for _, raw in systems]
        texts = [b64encode(raw).decode("ascii") for raw in certs]
        body, texts = with_codes(conn, body, texts, controllers.get(record.home_org, ""))
        rows.put_plan(
            conn,
            {
                "session": record.session,
                "ctl": ctl,
                "booking": record.number,
                "org": org,
                "body": body,
                "certs": texts,
                "active": True,
                "published_at": now,
            },
        )

    def _certify(self, record: Record, actor: Actor, password: str) -> dict[str, bytes]:
        mine = [p for p in record.duty if p["org"] == actor.org and p["state"] != "assigned"]
        signer = self._parts.keys.venue_signer(actor.org, password, actor.person)
        return {
            str(person["person"]): self._parts.keys.certify_with(
                signer,
                actor.org,
                subject=str(person["person"]),
                kind="person",
                roles=(str(person["role"]),),
                kid=str(person["kid"]),
                pub=str(person["pub"]),
            )
            for person in mine
        }

    def _sealed(
        self, record: Record, entry: MemberEntry, actor: Actor, now: datetime
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        bound_to = f"{record.session}/{entry.no}"
        sealed, key = seal_identity(entry.name, entry.id_number, bound_to=bound_to)
        member = {
            "booking": record.number,
            "no": entry.no,
            "org": actor.org,
            "kind": entry.kind,
            "station": entry.station,
            "locker": entry.locker,
            "tag": self._parts.keys.member_tag(entry.id_number, str(record.row["salt"])),
            "masked": mask(entry.name, entry.id_number),
            "entered_by": actor.person,
            "entered_at": now,
        }
        identity = {
            "booking": record.number,
            "no": entry.no,
            "sealed": sealed,
            "key_wrapped": wrap_identity_key(
                self._parts.keys, key, bound_to=bound_to, home=record.home_org
            ),
        }
        return member, identity

    def _check(self, record: Record, org: str, entries: tuple[MemberEntry, ...]) -> None:
        venue = record.venue(org) or {}
        today = self._parts.clock.wall().astimezone(rules.CHINA).date()
        taken = {m["no"] for m in record.members if m["org"] != org}
        numbers = [entry.no for entry in entries]
        for kind, asked in (("expert", "experts"), ("tenderer_rep", "tenderer_reps")):
            got = sum(entry.kind == kind for entry in entries)
            if got != venue[asked]:
                raise _bad_members(record, f"{venue[asked]} × {kind}", f"{got} × {kind}")
        if len(set(numbers)) != len(numbers) or taken & set(numbers):
            raise _bad_members(record, "each member number once in the session", str(numbers))
        if len({entry.id_number for entry in entries}) != len(entries):
            raise _bad_members(record, "each person once", "the same identity number twice")
        for entry in entries:
            fault = number_fault(entry.id_number, today)
            if fault:
                raise _bad_members(
                    record, f"member {entry.no}: an identity number after GB 11643", fault
                )

    def _duty_row(
        self, conn: Connection, number: str, entry: DutyEntry, actor: Actor
    ) -> dict[str, Any]:
        person = _user(conn, entry.person)
        known = person is not None and person.org == actor.org
        if person is None or not known or entry.role not in (set(DUTY_ROLES) & set(person.roles)):
            raise refuse(
                422,
                "duty_person",
                zh="值班人员或岗位无效",
                en="Not a person of this venue in that role",
                where="booking.persons",
                expected=f"a person of {actor.org} who holds the role",
                got=f"{entry.person} as {entry.role}",
                do="在本单位人员中选择，并核对其岗位",
            )
        return {
            "booking": number,
            "person": entry.person,
            "org": actor.org,
            "post": person.post,
            "role": entry.role,
            "state": "assigned",
        }

    def _own_duty(self, record: Record, actor: Actor) -> None:
        if not any(person["person"] == actor.person for person in record.duty):
            raise refuse(
                403,
                "not_on_duty",
                zh="本人不在该场次值班名单中",
                en="You are not on the duty roster of this session",
                where=f"booking {record.number}",
                expected=", ".join(sorted(str(p["post"]) for p in record.duty)) or "nobody yet",
                got=actor.post,
                do="请本单位协调员先排班",
            )

    def _controller(self, conn: Connection, record: Record, org: str) -> str:
        venue = record.venue(org) or {}
        ctl = places.controller_of(conn, str(venue["place"]))
        if ctl is None:
            raise refuse(
                422,
                "room_without_controller",
                zh="该评标室没有登记控制器",
                en="The room has no controller",
                where=f"booking {record.number}, room {venue['place']}",
                expected="an enrolled controller",
                got="none",
                do="先用 `evalroom hub enroll` 登记控制器，或改用其他评标室",
            )
        return ctl

    def _editable(self, conn: Connection, number: str, org: str) -> Record:
        record = self._load(conn, number)
        if record.venue(org) is None:
            raise no_booking(number)
        if record.state not in EDITABLE:
            raise refuse(
                409,
                "booking_state",
                zh="预约当前状态不允许此操作",
                en="The booking's state does not allow this",
                where=f"booking {number}",
                expected=" or ".join(EDITABLE),
                got=record.state,
                do="受理之后、使用之前录入",
            )
        return record

    def _load(self, conn: Connection, number: str) -> Record:
        record = rows.load(conn, number)
        if record is None:
            raise no_booking(number)
        return record


def no_booking(number: str) -> Exception:
    """404 for a booking that is not there, or not for this person to see."""
    return refuse(
        404,
        "no_such_booking",
        zh="没有这个预约",
        en="No such booking",
        where="booking",
        expected="an existing booking number such as 2026-1124-01",
        got=number[:40],
        do="在预约列表中核对编号",
    )


def _publishable(record: Record, org: str) -> None:
    missing = []
    if record.state != "confirmed":
        missing.append("confirmation by the home venue")
    asked = {str(v["org"]): v["experts"] + v["tenderer_reps"] for v in record.venues}
    if sum(member["org"] == org for member in record.members) != asked[org]:
        missing.append(f"{asked[org]} members of {org}")
    confirmed = [p for p in record.duty if p["org"] == org and p["state"] != "assigned"]
    # Nearly every exceptional act needs two roles; a venue with one cannot act.
    if len({p["role"] for p in confirmed}) < 2:  # noqa: PLR2004
        missing.append("two confirmed persons on duty in different roles")
    if org == record.home_org and not any(p["role"] in PUBLISHING for p in confirmed):
        missing.append("a confirmed manager or deputy on duty")
    if missing:
        raise refuse(
            422,
            "not_ready_to_publish",
            zh="发布条件未满足",
            en="The session is not ready to be published",
            where=f"booking {record.number}, venue {org}",
            expected="; ".join(missing),
            got="missing",
            do="补齐所列各项后再发布",
        )


def _user(conn: Connection, person: str) -> Row[Any, Any, Any, Any] | None:
    query = select(users.c.person, users.c.post, users.c.org, users.c.roles)
    return conn.execute(query.where(users.c.person == person, users.c.active)).first()


def _newest(systems: list[tuple[str, bytes]]) -> str:
    return systems[-1][0] if systems else ""


def _placed(
    record: Record,
    org: str,
    entries: tuple[MemberEntry, ...],
    units: Mapping[str, places.Station],
) -> tuple[MemberEntry, ...]:
    """Gives every member a station of the booking, and the station's locker unless one is named."""
    free = {units[s].n: units[s] for s in record.stations_of(org) if s in units}
    named = [entry.station for entry in entries if entry.station is not None]
    strange = [n for n in named if n not in free]
    if strange or len(set(named)) != len(named) or len(entries) > len(free):
        raise _bad_members(
            record, f"one of the stations {sorted(free)} for each member", f"stations {named}"
        )
    spare = iter(sorted(n for n in free if n not in named))
    placed = []
    for entry in entries:
        unit = free[entry.station if entry.station is not None else next(spare)]
        locker = entry.locker if entry.locker is not None else unit.locker
        placed.append(replace(entry, station=unit.n, locker=locker))
    lockers = [entry.locker for entry in placed if entry.locker is not None]
    if len(set(lockers)) != len(lockers):
        raise _bad_members(record, "a locker of his own for each member", f"lockers {lockers}")
    return tuple(placed)


def _bad_members(record: Record, expected: str, got: str) -> Exception:
    return refuse(
        422,
        "members_invalid",
        zh="评委信息不符合要求",
        en="The members are not as they must be",
        where=f"booking {record.number}",
        expected=expected,
        got=got,
        do="按预约的人数、机位和证件号核对后重新录入",
    )

"""Who may be named as the one who decided, though another person writes it down.

A decision is made by a named person (RULES §1.3): somebody on the session's duty roster, or who
holds a deciding role of the case at the home venue, or, where only one venue is concerned, there.
"""

from __future__ import annotations

from sqlalchemy import Connection

from hub.booking_link import link_of
from hub.contingency.cases import CaseRecord
from hub.keys.duty import on_duty
from hub.ports import Actor, refuse
from protocols.policy.contingency import Signer

WHOLE: str = "all"
"""The scope that concerns every venue: deciding it is the home venue's alone."""


def named_decider(conn: Connection, record: CaseRecord, person: Actor, *, scope: str) -> Signer:
    """The named person in the role held in this session.

    Args:
        conn: any connection.
        record: the case.
        person: whom the recorder names.
        scope: member, venue or all.

    Raises:
        Problem: 422 this person cannot decide this case.
    """
    duty = on_duty(conn, record.session, person.person) if record.session else None
    if duty is not None:
        return Signer(person=duty.person, role=duty.role, post=duty.post)
    orgs = deciding_orgs(conn, record, scope=scope)
    roles = [role for role in record.template.deciders if role in person.roles]
    if person.org in orgs and roles:
        return Signer(person=person.person, role=roles[0], post=person.post)
    deciders = " or ".join(record.template.deciders)
    raise refuse(
        422,
        "decision_invalid",
        zh="所列决定人无权决定本处置单",
        en="The named person cannot decide this case",
        where="decision.decider_login",
        expected=f"somebody on duty in this session, or {deciders} of {' or '.join(orgs)}",
        got=f"{person.post} of {person.org}, {', '.join(sorted(person.roles)) or 'no role'}",
        do="写明本场次值班人员，或有权决定的单位负责人",
    )


def deciding_orgs(conn: Connection, record: CaseRecord, *, scope: str) -> tuple[str, ...]:
    """Organisations whose deciding roles may decide: home, and the case's venue unless for all."""
    link = link_of(conn, record.session) if record.session else None
    own = str(record.row["org"])
    if link is None:
        return (own,)
    return tuple(dict.fromkeys((link.home_org, *(() if scope == WHOLE else (own,)))))

"""Who acts, and what an act asks of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hub.problems import Problem

ROLES: Final = (
    "home_manager",
    "deputy",
    "operator",
    "room_staff",
    "guest_coordinator",
    "witness",
    "fault_handler",
    "supervisor",
    "technician",
    "administrator",
    "tenderer_agent",
    "service",
)
"""Every role belongs to one organisation; the word is also the role in signatures."""

SIGNING_ROLES: Final = frozenset(ROLES) - {"supervisor", "tenderer_agent", "service"}
"""Roles whose people get a key of their own; the others read, or are programs."""

VENUE_KEY_ROLES: Final = ("home_manager", "deputy", "guest_coordinator", "administrator")
"""Whose password may hold the venue's key."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in person. `post` is what is shown, `HB-07`; never a name."""

    person: str
    login: str
    post: str
    org: str
    roles: tuple[str, ...]
    lang: str = "zh-CN"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "person": self.person,
            "login": self.login,
            "post": self.post,
            "org": self.org,
            "roles": list(self.roles),
            "lang": self.lang,
        }


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person with their session: `csrf` must come with every request that changes something.

    `factor_missing`: a role of theirs must have a second factor, and there is none yet.
    """

    actor: Actor
    csrf: str
    token_sha256: str
    factor_missing: bool = False


def require(actor: Actor, *roles: str, org: str | None = None) -> None:
    """Refuses whoever holds none of these roles, or acts for another organisation.

    Raises:
        Problem: 403.
    """
    if not set(roles) & set(actor.roles):
        raise Problem(
            403,
            "role_missing",
            title="本岗位无权办理此事项",
            title_en="Your role may not do this",
            where="actor.roles",
            expected=" or ".join(roles),
            got=", ".join(actor.roles),
            do="请由有权岗位办理",
        )
    if org is not None and actor.org != org:
        raise Problem(
            403,
            "other_organisation",
            title="该事项由其他单位办理",
            title_en="This belongs to another organisation",
            where="actor.org",
            expected=org,
            got=actor.org,
            do="请由该单位人员办理",
        )

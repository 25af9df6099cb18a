"""What the business services need of the hub, as protocols; how they refuse.

Booking, session, contingency and archive do not know each other, nor who provides what: each gets
one `Parts`, which the hub itself is. Refusals are problem documents in two languages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from hub.bus import Bus
from hub.clock import Clock
from hub.facts import Facts
from hub.problems import Problem
from hub.store.engine import Store
from protocols.messages.errors import RemoteError
from protocols.policy.errors import PolicyError
from protocols.policy.pack import Pack
from protocols.policy.workdays import Calendar

__all__ = ["Actor", "Fleet", "Parts", "allow", "by", "decoding", "refuse"]


class Actor(Protocol):
    """Who acts: a signed-in person. Only the post is ever shown."""

    @property
    def person(self) -> str:
        """`p-` + 12 hex."""
        ...

    @property
    def post(self) -> str:
        """Staff post and number, `HB-07`."""
        ...

    @property
    def org(self) -> str:
        """Organisation."""
        ...

    @property
    def roles(self) -> Any:
        """Roles held."""
        ...


class Fleet(Protocol):
    """Sends to rooms; every act joins the transaction of `conn`."""

    def publish_plan(self, conn: Any, ctl: str) -> Any:
        """Builds, signs and sends the plan of one controller."""
        ...

    def send(self, conn: Any, ctl: str, kind: str, ident: str, raw: bytes) -> Any:
        """Queues an order, statement or command for one controller."""
        ...


class Parts(Protocol):
    """What a service is made of."""

    store: Store
    facts: Facts
    clock: Clock
    bus: Bus
    fleet: Any
    keys: Any
    rooms: Any
    accounts: Any
    media: Any
    event_log: Any
    pack: Pack
    calendar: Calendar

    @property
    def demo(self) -> bool:
        """Made by `hub init --demo`."""
        ...

    @property
    def data(self) -> Path:
        """The data folder."""
        ...


def refuse(
    status: int,
    code: str,
    *,
    zh: str,
    en: str,
    where: str,
    expected: str,
    got: object,
    do: str,
    more: Mapping[str, Any] | None = None,
) -> Problem:
    """A refusal to be raised; `zh` and `en` say in one line what is wrong."""
    return Problem(
        status,
        code,
        title=zh,
        title_en=en,
        what=en,
        where=where,
        expected=expected,
        got=got,
        do=do,
        more=more,
    )


def allow(actor: Actor, roles: Sequence[str], *, org: str = "") -> None:
    """Refuses whoever holds none of the roles, or belongs to another organisation.

    Raises:
        Problem: 403.
    """
    if not set(roles) & set(actor.roles):
        raise refuse(
            403,
            "role_missing",
            zh="本岗位无权办理此事项",
            en="Your role may not do this",
            where="actor.roles",
            expected=" or ".join(roles),
            got=", ".join(sorted(actor.roles)),
            do="请由有权岗位办理",
        )
    if org and actor.org != org:
        raise refuse(
            403,
            "other_organisation",
            zh="该事项由其他单位办理",
            en="This belongs to another organisation",
            where="actor.org",
            expected=org,
            got=actor.org,
            do="请由该单位人员办理",
        )


@contextmanager
def decoding(where: str) -> Iterator[None]:
    """Turns what strict decoding and the rules refuse into a 422 problem with the field's path."""
    try:
        yield
    except RemoteError as error:
        raise refuse(
            422,
            "body_invalid",
            zh="提交内容不符合要求",
            en=error.what,
            where=error.where or where,
            expected=error.expected,
            got=error.got,
            do=error.do or "按所列字段更正后重新提交",
        ) from error
    except PolicyError as error:
        raise refuse(
            422,
            "rule_refused",
            zh="不符合规程要求",
            en="Against the rules",
            where=error.where,
            expected=error.expected,
            got=error.got,
            do=error.do,
        ) from error


def by(actor: Actor, role: str = "") -> dict[str, str]:
    """How a person stands in a fact: id, post, organisation, role; never a name."""
    shown = {"person": actor.person, "post": actor.post, "org": actor.org}
    return {**shown, "role": role} if role else shown


Handler = Callable[[Any, Any], None]
"""(connection, stored event) -> None, run by the projector after the recording commit."""

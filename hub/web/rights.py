"""Who may come to which address: `rights.toml`, read strictly, and the check that asks it first.

Admission looks at the role alone, before a handler reads a byte of the body; an address that is
not listed answers nobody. Which session, room or package a person may touch is the services' own
question, and they ask the role once more: a handler that somebody calls in another way is no door.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from starlette.routing import Mount, Route

from hub.accounts.actor import ROLES
from hub.accounts.factors import FACTOR_MISSING
from hub.accounts.service import Accounts
from hub.ports import allow
from hub.problems import Problem

FILE: Final = Path(__file__).with_name("rights.toml")
OUTSIDE: Final = frozenset({"open", "controller", "system"})
"""Nobody is signed in there: it is open, or a signature of its own is asked for."""
ACCOUNT: Final = "account"
ACCOUNT_PAGE: Final = "/account"
WHERE: Final = frozenset({"any", "party", "home", "guest", "room"})
API: Final = "/api/"


class RightsError(Exception):
    """The table is wrong; the text says where."""


class ElsewhereError(Exception):
    """Another page comes first; `address` says which."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


@dataclass(frozen=True, slots=True)
class Right:
    """One line of the table. `roles` is empty where nobody signs in."""

    who: str
    roles: frozenset[str]
    where: str = ""
    duty: bool = False

    @property
    def outside(self) -> bool:
        """Whether no person signs in for it."""
        return self.who in OUTSIDE


@cache
def rights() -> Mapping[str, Right]:
    """The table: `POST /api/v1/bookings` -> who."""
    return read(FILE.read_text(encoding="utf-8"))


def read(text: str) -> dict[str, Right]:
    """Reads a table.

    Raises:
        RightsError: an unknown role, group, word or key.
    """
    table = tomllib.loads(text)
    if set(table) != {"groups", "routes"}:
        raise RightsError(f"rights: expected [groups] and [routes], got {sorted(table)}")
    groups = {name: frozenset(roles) for name, roles in table["groups"].items()}
    for name, roles in groups.items():
        if not roles <= set(ROLES):
            raise RightsError(f"rights [groups] {name}: unknown {sorted(roles - set(ROLES))}")
    return {route: _right(route, row, groups) for route, row in table["routes"].items()}


def _right(route: str, row: Mapping[str, Any], groups: Mapping[str, frozenset[str]]) -> Right:
    who, where, duty = row.get("who", ""), row.get("where", ""), row.get("duty", False)
    if not set(row) <= {"who", "where", "duty"} or type(duty) is not bool:
        raise RightsError(f"rights {route}: expected who, where, duty, got {dict(row)}")
    if who in OUTSIDE or who == ACCOUNT:
        if where or duty:
            raise RightsError(f"rights {route}: {who} has no organisation and no duty")
        return Right(who, frozenset(ROLES) if who == ACCOUNT else frozenset())
    if who not in groups or where not in WHERE:
        raise RightsError(f"rights {route}: unknown group {who!r} or organisations {where!r}")
    return Right(who, groups[who], where, duty)


def addresses(routes: Iterable[Any]) -> Iterator[str]:
    """Every address these routes answer, as the table writes it: the method and the path."""
    for one in routes:
        if isinstance(one, Mount):
            yield f"MOUNT {one.path}"
        elif isinstance(one, Route):
            # A page answers HEAD wherever it answers GET.
            yield from (f"{method} {one.path}" for method in set(one.methods or ()) - {"HEAD"})
        yield from addresses(getattr(getattr(one, "original_router", None), "routes", ()))


def admission(accounts: Accounts) -> Callable[[Request], None]:
    """What every request passes before its handler, as a dependency of the application."""

    def check(request: Request) -> None:
        address = f"{request.method} {request.scope['route'].path}"
        right = rights().get(address)
        if right is None:
            raise _unlisted(address)
        if right.outside:
            return
        if request.url.path.startswith(API):
            allow(accounts.actor(request), tuple(sorted(right.roles)))
            return
        try:
            actor = accounts.actor(request)
        except Problem as problem:
            if problem.code == FACTOR_MISSING:
                raise ElsewhereError(ACCOUNT_PAGE) from problem
            return  # the page itself shows the way to sign in
        allow(actor, tuple(sorted(right.roles)))

    return check


def _unlisted(address: str) -> Problem:
    return Problem(
        403,
        "address_unlisted",
        title="该地址未列入权限表",
        title_en="This address is in no table of rights",
        where=address,
        expected="an address of hub/web/rights.toml",
        got="another",
        do="add a line that says who may come here",
    )

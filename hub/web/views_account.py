"""One's own account: second factor, open sessions; for an administrator, the colleagues'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.accounts.account_log import COMMAND_LINE, Entry
from hub.accounts.actor import Actor
from hub.accounts.browsers import browser_of
from hub.accounts.factors import Standing
from hub.accounts.sessions import OpenSession
from hub.web.i18n import Say, Text, say
from hub.web.views_common import Viewer, role_text

ADMINISTERING = "administrator"
LOG_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Colleague:
    """A person an administrator may help."""

    login: str
    post: str
    role: Text
    sessions: int
    confirmed: bool


@dataclass(frozen=True, slots=True)
class LogLine:
    """One row of the account's log, in words; '' where nothing is known."""

    at: datetime
    what: Say
    origin: Text
    browser: Text


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One open sign-in and the browser it is in."""

    open: OpenSession
    browser: Text


@dataclass(frozen=True, slots=True)
class AccountView:
    """The page of one person."""

    login: str
    factor: Standing
    sessions: tuple[SessionLine, ...]
    log: tuple[LogLine, ...] = ()
    colleagues: tuple[Colleague, ...] = ()

    @property
    def must_set_up(self) -> bool:
        """Whether nothing else may be done before the second factor is set up."""
        return self.factor.needed and not self.factor.confirmed


def account_view(
    viewer: Viewer,
    standing: Standing,
    sessions: Sequence[OpenSession],
    colleagues: Sequence[tuple[Actor, Standing, int]] = (),
    log: Sequence[Entry] = (),
) -> AccountView:
    """The view: of colleagues whoever is no administrator sees none."""
    shown = colleagues if viewer.may(ADMINISTERING) else ()
    return AccountView(
        login=viewer.login,
        factor=standing,
        sessions=tuple(SessionLine(one, browser_text(browser_of(one.agent))) for one in sessions),
        log=tuple(_line(one) for one in log),
        colleagues=tuple(
            Colleague(one.login, one.post, role_text(one.roles[0]), count, factor.confirmed)
            for one, factor, count in shown
            if one.person != viewer.person
        ),
    )


def browser_text(browser: str) -> Say:
    """`Chromium/Linux` in words."""
    family, _, system = browser.partition("/")
    if not system:
        return say("account.other_browser")
    return say("account.browser", family=family, system=system)


def _line(entry: Entry) -> LogLine:
    what = say(f"account.did.{entry.what}", n=entry.count)
    by_hand = entry.origin == COMMAND_LINE
    return LogLine(
        at=entry.at,
        what=say("account.by", what=what, post=entry.by) if entry.by else what,
        origin=say("account.command_line") if by_hand else entry.origin,
        browser=browser_text(entry.browser) if entry.origin and entry.browser else "",
    )

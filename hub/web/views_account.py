"""One's own account: second factor, open sessions; for an administrator, the colleagues'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.accounts.actor import Actor
from hub.accounts.factors import Standing
from hub.accounts.sessions import OpenSession
from hub.web.i18n import Text
from hub.web.views_common import Viewer, role_text

ADMINISTERING = "administrator"


@dataclass(frozen=True, slots=True)
class Colleague:
    """A person an administrator may help."""

    login: str
    post: str
    role: Text
    sessions: int
    confirmed: bool


@dataclass(frozen=True, slots=True)
class AccountView:
    """The page of one person."""

    login: str
    factor: Standing
    sessions: tuple[OpenSession, ...]
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
) -> AccountView:
    """The view: of colleagues whoever is no administrator sees none."""
    shown = colleagues if viewer.may(ADMINISTERING) else ()
    return AccountView(
        login=viewer.login,
        factor=standing,
        sessions=tuple(sessions),
        colleagues=tuple(
            Colleague(one.login, one.post, role_text(one.roles[0]), count, factor.confirmed)
            for one, factor, count in shown
            if one.person != viewer.person
        ),
    )

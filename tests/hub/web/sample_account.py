"""An invented administrator's account, for rendering the page alone."""

from __future__ import annotations

from hub.accounts.factors import Standing
from hub.accounts.sessions import OpenSession
from hub.web.i18n import say
from hub.web.views_account import AccountView, Colleague
from tests.hub.web.sample_views import NOW

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"


def account() -> AccountView:
    """Two sessions, no second factor yet, one colleague who has one."""
    return AccountView(
        login="hubei.administrator",
        factor=Standing(confirmed=False, needed=True, recovery_left=0),
        sessions=(
            OpenSession("0" * 16, NOW, NOW, "10.1.2.3", AGENT, own=True),
            OpenSession("1" * 16, NOW, NOW, "2001:db8::1:2:3:4", AGENT, own=False),
        ),
        colleagues=(
            Colleague("hubei.operator", "HB-09", say("term.role.operator"), 2, confirmed=True),
            Colleague("hubei.witness", "HB-10", say("term.role.witness"), 0, confirmed=False),
        ),
    )

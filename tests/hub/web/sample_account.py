"""An invented administrator's account, for rendering the page alone."""

from __future__ import annotations

from hub.accounts.factors import Standing
from hub.accounts.sessions import OpenSession
from hub.web.i18n import say
from hub.web.views_account import AccountView, Colleague, LogLine, SessionLine, browser_text
from tests.hub.web.sample_views import NOW

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"
BROWSER = "Chromium/Linux"


def _session(digit: str, address: str, *, own: bool) -> SessionLine:
    opened = OpenSession(digit * 16, NOW, NOW, address, AGENT, own=own)
    return SessionLine(opened, browser_text(BROWSER))


def account() -> AccountView:
    """Two sessions, no second factor yet, one colleague who has one."""
    return AccountView(
        login="hubei.administrator",
        factor=Standing(confirmed=False, needed=True, recovery_left=0),
        sessions=(
            _session("0", "10.1.2.3", own=True),
            _session("1", "2001:db8::1:2:3:4", own=False),
        ),
        log=(
            LogLine(NOW, say("account.did.signed_in", n=1), "10.1.2.3", browser_text(BROWSER)),
            LogLine(NOW, say("account.did.sign_in_failed", n=312), "2001:db8:1:2::/64", ""),
            LogLine(
                NOW,
                say("account.by", what=say("account.did.second_factor_reset", n=1), post="HB-17"),
                "",
                "",
            ),
        ),
        colleagues=(
            Colleague("hubei.operator", "HB-09", say("term.role.operator"), 2, confirmed=True),
            Colleague("hubei.witness", "HB-10", say("term.role.witness"), 0, confirmed=False),
        ),
    )

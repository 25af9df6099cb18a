"""Through a provider on another site and back, in a real browser with its rules for cookies."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import uvicorn

from hub.accounts import Accounts
from hub.accounts.provider import Provider
from hub.accounts.provider_config import ProviderConfig
from hub.accounts.vouching import Vouching
from hub.web.app import create_app
from tests.hub.accounts import open_provider
from tests.hub.accounts.open_provider import CLIENT, SECRET
from tests.hub.booking.town import Town
from tests.hub.web.test_browser import ARGS, CHROMIUM, SIZES, STARTS_S

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM, reason="no chromium on this machine: apt-get install chromium"
    ),
]
LOGIN = "hubei.operator"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where a browser is

    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield made
        made.close()


@contextmanager
def serving(town: Town, far: open_provider.Provider) -> Iterator[str]:
    """The hub at 127.0.0.1; the provider is at localhost, which to a browser is another site."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    provider = Provider(
        ProviderConfig(far.issuer, CLIENT, SECRET, "省统一身份认证", frozenset()),
        secret=b"s" * 32,
        back=f"{url}/sign-in/provider/return",
        wall=lambda: datetime.now(UTC),
        mono_s=lambda: 1_000.0,
    )
    town.accounts = Accounts(
        store=town.store,
        facts=town.facts,
        clock=town.clock,  # type: ignore[arg-type]
        secure=False,
        provider=provider,
    )
    whom = town.accounts.register.actor_by_login(LOGIN)
    assert whom is not None
    with town.store.write() as conn:
        Vouching(store=town.store, facts=town.facts, accounts=town.accounts).bind(
            conn, whom, issuer=far.issuer, subject=far.subject, by=whom
        )
    app = create_app(town)  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join(STARTS_S)


@pytest.mark.parametrize("size", SIZES)
def test_the_button_leads_through_the_other_site_to_the_page_that_was_asked_for(
    browser: Any, town: Town, size: tuple[int, int]
) -> None:
    with open_provider.serving("localhost") as far, serving(town, far) as url:
        far.asks = True
        context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        page = context.new_page()
        wrong: list[str] = []
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.goto(f"{url}/bookings?lang=zh")
        assert page.locator("form[action='/api/v1/sign-in']").count() == 1
        wide = page.evaluate("document.documentElement.scrollWidth")
        page.click("text=用省统一身份认证登录")
        # From here on it is the other site that sends the browser on.
        page.click("text=yes")
        page.wait_for_url(f"{url}/bookings*")
        page.wait_for_selector("main h1")
        kept = {one["name"]: one["sameSite"] for one in context.cookies()}
        context.close()
    assert "/yes" in far.asked
    assert kept["er_session"] == "Strict"
    assert "er_attempt" not in kept
    assert wide <= size[0]
    assert wrong == []

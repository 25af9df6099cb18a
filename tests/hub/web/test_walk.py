"""People's ways through the console in a real browser, over the real services of a town.

Signing in and giving an order by keyboard alone, a wrong PIN on the way; accepting a booking and
entering members on a phone. Rooms are played by their own signed records.
"""

from __future__ import annotations

import base64
import shutil
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hub.accounts import second_factor
from hub.accounts.hashing import hash_password
from hub.accounts.service import HOST_COOKIE, Accounts
from hub.web.app import create_app
from tests.hub.booking.roomscript import Room, rooms_of
from tests.hub.booking.town import PASSWORD, PIN, Town, build_town, published, request_body
from tests.hub.web.test_browser import ARGS, CHROMIUM, STARTS_S

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,  # a town's keys are opened on the way, half a second each
    pytest.mark.skipif(
        not CHROMIUM, reason="no chromium on this machine: apt-get install chromium"
    ),
]
DESK, PHONE = (1366, 768), (390, 844)
WAIT_MS = 20_000
"""Three PIN derivations on a busy machine; a healthy one needs two seconds."""
WRONG_PIN = "11112222"


class Served:
    """One town behind a real server; `tls`: certificate and key."""

    def __init__(self, town: Town, tls: tuple[Path, Path] | None = None) -> None:
        self.town = town
        for login in ("hubei.home_manager", "changsha.guest_coordinator"):
            with town.store.write() as conn:
                who = town.who(login).person
                town.accounts.set_password(conn, who, hash_password(PASSWORD))
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        app = create_app(town)  # type: ignore[arg-type]
        config = uvicorn.Config(
            app,
            log_level="error",
            timeout_graceful_shutdown=1,
            ssl_certfile=tls and tls[0],
            ssl_keyfile=tls and str(tls[1]),
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [listening]}, daemon=True
        )
        self.thread.start()
        waited = threading.Event()
        for _ in range(STARTS_S * 20):
            if self.server.started:
                break
            waited.wait(0.05)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"

    def close(self) -> None:
        """Stops the server, then closes the town."""
        self.server.should_exit = True
        self.thread.join(STARTS_S)
        self.town.store.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for all walks."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where a browser is

    assert shutil.which(CHROMIUM)
    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield made
        made.close()


@pytest.fixture
def served(tmp_path: Any) -> Iterator[Served]:
    made = Served(build_town(tmp_path))
    yield made
    made.close()


def page_of(browser: Any, size: tuple[int, int]) -> Any:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.set_default_timeout(WAIT_MS)
    return page


def sign_in(page: Any, url: str, path: str, login: str) -> None:
    """By keyboard: the fields and the button follow each other."""
    page.goto(f"{url}{path}?lang=zh")
    page.focus("[name=login]")
    page.keyboard.type(login)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{path}*")
    page.wait_for_selector("er-live")


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate a machine makes for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
    return cert, private


def test_over_tls_the_browser_keeps_a_cookie_no_page_can_read(browser: Any, tmp_path: Path) -> None:
    town = build_town(tmp_path)
    town.accounts = Accounts(store=town.store, facts=town.facts, clock=town.clock, secure=True)
    served = Served(town, certificate(tmp_path))
    try:
        context = browser.new_context(ignore_https_errors=True)
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        sign_in(page, served.url, "/board", "hubei.home_manager")
        (kept,) = (one for one in context.cookies() if one["name"] == HOST_COOKIE)
        assert (kept["name"], kept["secure"], kept["httpOnly"]) == (HOST_COOKIE, True, True)
        assert (kept["sameSite"], kept["path"]) == ("Strict", "/")
        assert page.evaluate("document.cookie") == ""
        context.close()
    finally:
        served.close()


def test_a_second_factor_is_set_up_and_asked_for(browser: Any, served: Served) -> None:
    page, complaints = page_of(browser, DESK), list[str]()
    page.on("console", lambda one: complaints.append(one.text) if one.type == "warning" else None)
    sign_in(page, served.url, "/board", "hubei.home_manager")
    page.click('a.who[href="/account"]')
    page.fill('[action$="/second-factor"] [name=password]', PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("#a-secret", state="visible")
    shown = page.inner_text("[data-answer=secret]").replace(" ", "")
    secret = base64.b32decode(shown)
    step = second_factor.step_of(served.town.clock.now.timestamp())
    page.fill("[name=code]", second_factor.code_of(secret, step))
    page.keyboard.press("Enter")
    page.wait_for_selector("#a-codes", state="visible")
    assert len(page.inner_text("[data-answer=recovery_codes]").split()) == 10
    served.town.clock.pass_s(30)
    page.context.clear_cookies()
    page.goto(f"{served.url}/sign-in?next=/board")
    assert not page.is_visible("[name=code]")
    page.fill("[name=login]", "hubei.home_manager")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("[name=code]", state="visible")
    page.keyboard.type(second_factor.code_of(secret, step + 1))
    page.keyboard.press("Enter")
    page.wait_for_url("**/board")
    assert complaints == []
    page.close()


def tab_to(page: Any, selector: str, steps_max: int = 80) -> int:
    """Presses Tab until the element has the focus; how often, for nobody may be trapped."""
    for step in range(1, steps_max + 1):
        page.keyboard.press("Tab")
        if page.evaluate("(s) => document.activeElement.matches(s)", selector):
            return step
    raise AssertionError(f"{selector} is not reached within {steps_max} steps")


def outline(page: Any) -> str:
    return str(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"))


def accepted(rooms: dict[str, Room], ident: str) -> None:
    """Both rooms record the order and act."""
    for room in rooms.values():
        data = {"id": ident, "n": 1, "order": "open", "members": [], "by": [], "via": "hub"}
        room.mine("order.accepted", {**data, "committee": "", "raw": ""})
        room.phase("check_in", before="prepared", order=ident)


def test_an_order_is_given_by_keyboard_a_wrong_pin_on_the_way(browser: Any, served: Served) -> None:
    town = served.town
    session = published(town)["session"]
    town.clock.now = town.clock.now.replace(day=24, hour=0, minute=30)
    rooms = rooms_of(town)
    page = page_of(browser, DESK)
    sign_in(page, served.url, f"/sessions/{session}", "hubei.home_manager")

    tab_to(page, '[data-open="order-open"]')
    assert outline(page) != "none"
    page.keyboard.press("Enter")
    page.wait_for_selector("#order-open[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#order-open", state="hidden")
    assert page.evaluate("document.activeElement.dataset.open") == "order-open"

    page.keyboard.press("Enter")
    tab_to(page, "#order-open [name=pin]", 8)
    page.keyboard.type(WRONG_PIN)
    page.keyboard.press("Enter")
    page.wait_for_selector("#order-open .problem")
    told = page.inner_text("#order-open .problem")
    assert "还可再试 4 次" in told
    assert WRONG_PIN not in page.content()
    assert page.input_value("#order-open [name=pin]") == ""
    assert page.evaluate("document.activeElement.name") == "pin"

    page.keyboard.type(PIN)
    page.keyboard.press("Enter")
    page.wait_for_selector("#er-said")
    assert "等待现场确认" in page.inner_text("#er-said")
    row = page.locator(".ord li", has_text="开始签到").first
    row.wait_for()
    assert row.locator(".four .on").count() == 1  # sent, and no more than that is known

    (given,) = town.sessions.view(session)["orders"]
    accepted(rooms, str(given["id"]))
    page.evaluate("document.dispatchEvent(new Event('er-refresh'))")
    page.locator(".ord .four .on").nth(3).wait_for()
    page.close()


def test_a_guest_accepts_and_enters_members_on_a_phone(browser: Any, served: Served) -> None:
    town = served.town
    number = town.booking.request(town.who("hubei.operator"), request_body())["number"]
    page = page_of(browser, PHONE)
    sign_in(page, served.url, f"/bookings/{number}", "changsha.guest_coordinator")
    page.click('[data-open="accept"]')
    page.fill("#accept [name=meal_fen]", "30.50")
    page.click("#accept button[type=submit]")
    page.wait_for_selector("#er-said")
    page.wait_for_selector('[data-open="members"]')
    venue = next(
        v
        for v in town.booking.get(town.who("changsha.home_manager"), number)["venues"]
        if v["org"] == "changsha"
    )
    assert (venue["state"], venue["meal_fen"]) == ("accepted", 3050)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]

    page.click('.heavy [data-open="members"]')
    page.click("#members button[type=submit]")
    first = "document.querySelector('#members input[required]').validationMessage"
    assert page.evaluate(first) == "请填写此项。"
    page.close()

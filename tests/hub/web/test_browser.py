"""The pages in a real browser: nothing overflows, nothing fails, old is shown as old."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from hub.bus import Bus
from hub.web.app import console
from tests.hub.web.sample_source import SampleAccess, SampleSource
from tests.hub.web.sample_views import CASE, NOW, SESSION

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    "",
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM, reason="no chromium on this machine: apt-get install chromium"
    ),
]
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = ((1366, 768), (390, 844))
PAGES = (
    "/board",
    "/sessions",
    "/cases",
    f"/sessions/{SESSION}",
    f"/cases/{CASE}",
    "/bookings",
    "/bookings/2026-1124-03",
    "/archive",
    "/packages/pk-0123456789ab",
    "/devices",
    "/alarms",
    "/account",
    "/sign-in",
)
STARTS_S = 10


@contextmanager
def serving() -> Iterator[str]:
    """The console over one invented day, on a free port, until left."""
    app = console(
        SampleSource(), SampleAccess(), bus=Bus(), now_ms=lambda: int(NOW.timestamp() * 1000)
    )
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    waited = threading.Event()
    for _ in range(STARTS_S * 20):
        if server.started:
            break
        waited.wait(0.05)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(STARTS_S)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """One console for all that only look at it."""
    with serving() as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for all."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where a browser is

    with sync_playwright() as driver:
        made = driver.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield made
        made.close()


def opened(browser: Any, url: str, size: tuple[int, int]) -> tuple[Any, list[str]]:
    """A page and what its console complained about; other hosts are complaints too."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    wrong: list[str] = []
    host = url.split("/")[2]
    page.on("console", lambda m: wrong.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: None if r.url.split("/")[2] == host else wrong.append(r.url))
    page.goto(url, wait_until="load")
    return page, wrong


BROKEN = """() => {
  const kept = /20[0-9]{2}-[0-9]{2}-[0-9]{2}|20[0-9]{2}-[0-9]{4}-[0-9]{2}|中心/g;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node = walk.nextNode(); node; node = walk.nextNode())
    for (const hit of node.data.matchAll(kept)) {
      const part = document.createRange();
      part.setStart(node, hit.index);
      part.setEnd(node, hit.index + hit[0].length);
      const boxes = [...part.getClientRects()].filter((box) => box.width > 1);
      const lines = new Set(boxes.map((box) => box.top));
      if (lines.size > 1) found.push(node.data);
    }
  return found;
}"""
"""Texts whose date, booking number or 中心 stands on two lines."""
HEAD_LINES = """() => new Set(["header .brand", "header .end"].map((one) => {
  const box = document.querySelector(one).getBoundingClientRect();
  return Math.round((box.top + box.bottom) / 20);
})).size"""


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_breaks_no_date_and_nothing_fails(
    browser: Any, address: str, path: str, size: tuple[int, int], lang: str
) -> None:
    page, wrong = opened(browser, f"{address}{path}?lang={lang}", size)
    wide = page.evaluate("document.documentElement.scrollWidth")
    broken, lines = page.evaluate(BROKEN), page.evaluate(HEAD_LINES)
    page.close()
    assert wide <= size[0]
    assert broken == []
    assert lines == 1
    assert wrong == []


def test_a_frozen_board_does_not_look_healthy(browser: Any) -> None:
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.clock.install()
    with serving() as url:
        page.goto(f"{url}/board?lang=zh", wait_until="load")
        assert "实时" in page.locator("er-asof").inner_text()
    # The hub is gone. Once the browser failed to reach it again, no beat is on its way any more.
    page.wait_for_event("requestfailed", lambda one: one.url.endswith("/api/v1/stream"))
    page.clock.fast_forward(20_000)
    assert "old" not in (page.locator("er-asof").get_attribute("class") or "")
    page.clock.fast_forward(17_000)
    assert "old" in page.locator("er-asof").get_attribute("class")
    assert "已旧" in page.locator("er-asof").inner_text()
    context.close()


def test_typed_text_outlives_a_refresh(browser: Any, address: str) -> None:
    page, _ = opened(browser, f"{address}/cases/{CASE}?lang=zh", SIZES[0])
    page.fill("textarea[name=reason]", "物业答复约 15 分钟恢复")
    with page.expect_response(lambda r: "x-live" in r.request.headers) as fetched:
        page.evaluate("document.dispatchEvent(new Event('er-refresh'))")
    fetched.value.finished()
    page.evaluate("new Promise((done) => requestAnimationFrame(done))")
    assert page.input_value("textarea[name=reason]") == "物业答复约 15 分钟恢复"
    page.close()


def test_a_form_half_filled_stays_when_somebody_else_decides(browser: Any, address: str) -> None:
    page, _ = opened(browser, f"{address}/cases/{CASE}", SIZES[0])
    page.fill(".dec [name=reason]", "物业答复约 15 分钟恢复")
    page.evaluate("document.activeElement.blur()")
    # The next page has one decision more above the form: a block where none was.
    text = page.evaluate("fetch(location.href).then((r) => r.text())")
    taken = '<div class="taken"><p>another</p></div>'
    more = text.replace("<er-form><form action=", f"{taken}<er-form><form action=", 1)
    assert more != text
    page.route("**/cases/*", lambda route: route.fulfill(body=more, content_type="text/html"))
    page.evaluate("document.dispatchEvent(new Event('er-refresh'))")
    page.wait_for_selector(".dec .taken >> text=another")
    kept = page.input_value(".dec [name=reason]")
    page.close()
    assert kept == "物业答复约 15 分钟恢复"


def test_a_form_shows_the_answer_in_words(browser: Any, address: str) -> None:
    page, _ = opened(browser, f"{address}/sign-in?lang=zh", SIZES[0])
    page.fill("[name=login]", "hubei.operator")
    page.fill("[name=password]", "not the password")
    page.click("button.go")
    page.wait_for_selector(".problem")
    shown = page.inner_text(".problem")
    told = page.inner_text(".problem dl")
    kept = page.input_value("[name=login]")
    page.close()
    assert "核对" in shown
    assert "位置" in told
    assert "应为" in told
    assert kept == "hubei.operator"


def test_a_missing_field_is_said_in_the_page_language(browser: Any, address: str) -> None:
    page, _ = opened(browser, f"{address}/sign-in?lang=zh", SIZES[0])
    page.click("button.go")
    said = page.evaluate("document.querySelector('[name=login]').validationMessage")
    page.fill("[name=login]", "hubei.operator")
    left = page.evaluate("document.querySelector('[name=login]').validationMessage")
    page.close()
    assert said == "请填写此项。"
    assert left == ""


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
def test_a_moment_is_typed_and_shown_in_the_pages_own_form(
    browser: Any, address: str, locale: str
) -> None:
    context = browser.new_context(locale=locale)
    page = context.new_page()
    page.goto(f"{address}/bookings?lang=zh&day=2026-11-24")
    field = page.locator("[name=start_at]")
    sample = field.get_attribute("placeholder")
    assert f"写作 {sample}" in page.inner_text("label:has([name=start_at])")
    for typed, good in ((sample, True), ("12/07/2026 09:00", False), ("2026-13-01 09:00", False)):
        field.fill(typed)
        assert page.evaluate("document.querySelector('[name=start_at]').validity.valid") is good
    field.fill("2026-12-07 09:00")
    sent = page.evaluate("cast.venue_time(document.querySelector('[name=start_at]').value)")
    assert sent == "2026-12-07T09:00:00.000+08:00"
    day = page.locator("input.day")
    assert day.input_value() == "2026-11-24"
    day.fill("2026-12-07")
    day.press("Enter")
    page.wait_for_url("**/bookings?day=2026-12-07")
    context.close()


def test_a_dialog_opens_and_escape_keeps_what_was_typed(browser: Any, address: str) -> None:
    page, _ = opened(browser, f"{address}/sessions/{SESSION}?lang=zh", SIZES[0])
    page.click('[data-open="order-break"]')
    page.fill("#order-break [name=reason]", "午餐")
    page.keyboard.press("Escape")
    assert not page.is_visible("#order-break")
    page.click('[data-open="order-break"]')
    assert page.input_value("#order-break [name=reason]") == "午餐"
    page.close()


def test_a_devices_words_stay_inside_its_row_on_a_phone(browser: Any, address: str) -> None:
    page, _ = opened(browser, f"{address}/devices?lang=zh", SIZES[1])
    over = page.evaluate(
        "[...document.querySelectorAll('.fleet tbody td')]"
        ".filter(one => one.scrollHeight > one.clientHeight + 1).length"
    )
    page.close()
    assert over == 0


def test_a_wall_of_four_venues_has_no_scroll(browser: Any, address: str) -> None:
    page, _ = opened(browser, f"{address}/board?theme=wall&lang=zh", (1920, 1080))
    # The sample's venues have many rooms; four venues of one room each are made of them.
    page.evaluate("""() => {
      const rooms = document.querySelector(".rooms");
      rooms.classList.add("few");
      const today = rooms.querySelector(".today");
      [...rooms.querySelectorAll(".venue")].forEach((venue) => {
        venue.querySelector(".tiles").classList.add("few");
        [...venue.querySelectorAll(".tiles > li")].slice(1).forEach((tile) => tile.remove());
        rooms.insertBefore(venue.cloneNode(true), today);
      });
    }""")
    venues = page.locator(".venue").count()
    high = page.evaluate("document.documentElement.scrollHeight")
    page.close()
    assert (venues, high) == (4, 1080)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_own_account_is_one_touch_away_on_a_phone(
    browser: Any, address: str, lang: str
) -> None:
    page, _ = opened(browser, f"{address}/board?lang={lang}", SIZES[1])
    page.locator("nav a[href='/account']").click()
    page.wait_for_url("**/account")
    current = page.inner_text("nav a[aria-current=page]")
    page.close()
    assert current == {"zh": "账号", "en": "Account"}[lang]


@pytest.mark.parametrize("size", SIZES)
def test_an_account_has_one_primary_button_and_the_next_step_takes_it(
    browser: Any, address: str, size: tuple[int, int]
) -> None:
    page, _ = opened(browser, f"{address}/account?lang=en", size)
    shown: list[list[str]] = []

    def look() -> None:
        buttons = page.locator("main .btn.go").all()
        shown.append([one.inner_text() for one in buttons if one.is_visible()])

    def answer(body: str) -> None:
        page.route(
            "**/api/v1/account/**",
            lambda route: route.fulfill(body=body, content_type="application/json"),
        )

    look()
    answer('{"secret": "ABCD EFGH", "uri": "otpauth://totp/x"}')
    page.fill("#a-factor >> xpath=../.. >> [name=password]", "a password")
    page.click("text=Begin")
    page.wait_for_selector("#a-secret:not([hidden])")
    look()
    answer('{"recovery_codes": ["one", "two"]}')
    page.fill("[name=code]", "123456")
    page.click("text=Put to use")
    page.wait_for_selector("#a-codes:not([hidden])")
    look()
    page.close()
    assert shown == [["Begin"], ["Put to use"], ["Go on"]]

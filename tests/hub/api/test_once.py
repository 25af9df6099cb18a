"""One act per idempotency key: side by side, after a refusal, after a crash, and a week later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Request
from sqlalchemy import func, select

from hub.accounts import Actor
from hub.ports import refuse
from hub.problems import Problem
from hub.store.engine import Store
from hub.store.migrate import upgrade
from hub.store.tables_business import idempotent_reply
from hub.web.api_once import KEPT, once
from tests.hub.booking.town import StandingClock

WHO = Actor("p-000000000001", "hubei.operator", "HB-03", "hubei", ("operator",))
WAIT_S = 20


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Any]:
    store = Store(f"sqlite:///{tmp_path}/hub.sqlite")
    upgrade(store)
    yield SimpleNamespace(store=store, clock=StandingClock())
    store.close()


def asked(key: str = "k-1", path: str = "/api/v1/bookings") -> Request:
    headers = [(b"idempotency-key", key.encode())] if key else []
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    return Request({**scope, "query_string": b"", "server": ("hub", 80), "scheme": "http"})


class Act:
    """Counts how often it was done; may wait, be refused or break off."""

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        self.done = 0
        self.before = before

    def __call__(self) -> dict[str, Any]:
        self.before()
        self.done += 1
        return {"n": self.done}


def code(parts: Any, act: Act, **more: Any) -> str:
    with pytest.raises(Problem) as caught:
        once(parts, WHO, asked(**more), {"a": 1}, act)
    assert caught.value.do
    return caught.value.code


def test_a_repeat_gets_the_first_answer_and_acts_no_more(parts: Any) -> None:
    act = Act()
    assert [once(parts, WHO, asked(), {"a": 1}, act) for _ in range(3)] == [{"n": 1}] * 3
    other = Actor("p-000000000002", "o", "HB-04", "hubei", ("operator",))
    assert once(parts, other, asked(), {"a": 1}, act) == {"n": 2}
    assert once(parts, WHO, asked("k-2"), {"a": 1}, act) == {"n": 3}
    assert once(parts, WHO, asked(""), {"a": 1}, act) == {"n": 4}


def test_of_equal_requests_side_by_side_one_acts(parts: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go_on.wait(WAIT_S)

    act = Act(wait)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(once, parts, WHO, asked(), {"a": 1}, act)
        assert begun.wait(WAIT_S)
        assert code(parts, act) == "idempotency_running"
        go_on.set()
        assert first.result() == {"n": 1}
    assert once(parts, WHO, asked(), {"a": 1}, act) == {"n": 1}


def test_of_twenty_at_once_exactly_one_acts(parts: Any) -> None:
    ready, act, outcomes = threading.Barrier(20), Act(), []

    def run() -> None:
        ready.wait()
        try:
            outcomes.append(once(parts, WHO, asked(), {"a": 1}, act))
        except Problem as problem:
            outcomes.append(problem.code)

    crowd = [threading.Thread(target=run) for _ in range(20)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert act.done == 1
    assert all(one in ({"n": 1}, "idempotency_running") for one in outcomes)
    assert {"n": 1} in outcomes


@pytest.mark.parametrize("error", [SystemExit("killed"), OSError("disk")])
def test_what_broke_off_is_not_done_again_unseen(parts: Any, error: BaseException) -> None:
    def crash() -> None:
        raise error

    act = Act(crash)
    with pytest.raises(type(error)):
        once(parts, WHO, asked(), {"a": 1}, act)
    act.before = lambda: None
    assert code(parts, act) == "idempotency_unfinished"
    assert act.done == 0
    # Another process, after a restart: only the row speaks.
    url = parts.store.engine.url.render_as_string()
    again = SimpleNamespace(store=Store(url), clock=parts.clock)
    assert code(again, act) == "idempotency_unfinished"
    assert once(again, WHO, asked("k-2"), {"a": 1}, act) == {"n": 1}
    again.store.close()


def test_a_refusal_leaves_the_key_free(parts: Any) -> None:
    def refused() -> None:
        raise refuse(409, "held", zh="占用", en="held", where="w", expected="e", got="g", do="d")

    act = Act(refused)
    assert code(parts, act) == "held"
    act.before = lambda: None
    assert once(parts, WHO, asked(), {"a": 1}, act) == {"n": 1}


def test_a_key_belongs_to_one_request(parts: Any) -> None:
    act = Act()
    once(parts, WHO, asked(), {"a": 1}, act)
    with pytest.raises(Problem) as caught:
        once(parts, WHO, asked(), {"a": 2}, act)
    assert caught.value.code == "idempotency_reused"
    assert code(parts, act, path="/api/v1/bookings/1/confirm") == "idempotency_reused"
    assert code(parts, act, key="k" * 81) == "idempotency_key"
    assert act.done == 1


def test_answers_are_kept_for_a_week(parts: Any) -> None:
    act = Act()
    once(parts, WHO, asked(), {"a": 1}, act)
    parts.clock.pass_s(KEPT.total_seconds() - 1)
    assert once(parts, WHO, asked(), {"a": 1}, act) == {"n": 1}
    parts.clock.pass_s(timedelta(seconds=2).total_seconds())
    once(parts, WHO, asked("k-2"), {"a": 1}, act)
    with parts.store.read() as conn:
        kept = select(func.count()).select_from(idempotent_reply)
        assert conn.execute(kept).scalar_one() == 1

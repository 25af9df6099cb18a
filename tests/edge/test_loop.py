"""The loop and its hands: what will not fit, what fails aside, what happens when the loop ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge import duty
from edge.clock import Clock
from edge.crypto import CryptoError
from edge.devices import DeviceError
from edge.duty import DutyError, DutyPerson, DutyRoster
from edge.effects import Effects
from edge.inbox import Inbox, Observed
from edge.journal import Journal
from edge.room import Effect, Pulse, Record, SelfTest
from edge.runtime import Runtime
from edge.screen_port import Bell
from edge.turn import Turn
from tests.edge.room_bench import SESSION, config, demo_pack, session_plan


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    clock = Clock()
    draws = iter(range(1, 1000))
    journal = Journal.open(
        tmp_path / "journal.sqlite",
        ctl="c-0123456789ab",
        boot="boot",
        clock=clock,
        entropy=lambda count: next(draws).to_bytes(count, "big"),
    )
    done: list[Effect] = []
    yield Runtime(
        config=config(),
        pack=demo_pack(),
        journal=journal,
        clock=clock,
        inbox=Inbox(),
        run_effect=done.append,
        on_change=lambda: None,
        heartbeat=lambda: None,
        software="test",
        config_hash="",
    )
    journal.close()


def plan() -> Turn:
    about = {"generation": 1, "n": 1, "hash": "0" * 64, "pack_hash": "ab"}
    return Turn("plan", {**about, "sessions": [session_plan()]})


def test_an_input_whose_record_would_be_too_large_does_not_happen(runtime: Runtime) -> None:
    runtime.feed([plan()])
    order = {"id": "a" * 32, "session": SESSION, "n": 1, "order": "open", "raw": "x" * 20_000}
    fed = runtime.feed([Turn("order", order)])
    assert [answer.result["reason"] for answer in fed.answers] == ["too_large"]
    assert runtime.state.sessions[SESSION].phase.value == "prepared"
    last = list(runtime.journal.replay())[-1]
    assert (last.type, last.data["input"]) == ("input.refused", "order")


def test_a_restart_folds_to_the_same_state(runtime: Runtime) -> None:
    runtime.open()
    runtime.feed([plan(), Turn("mains", {"present": True}), Turn("mains", {"present": False})])
    again = Runtime(
        config=runtime.config,
        pack=runtime.pack,
        journal=runtime.journal,
        clock=runtime.clock,
        inbox=Inbox(),
        run_effect=lambda _effect: None,
        on_change=lambda: None,
        heartbeat=lambda: None,
        software="test",
        config_hash="",
    )
    assert again.state.sessions == runtime.state.sessions
    assert again.state.seq == runtime.state.seq


class HandClock:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.mono, self.at, self.trusted = 1_000, datetime(2026, 11, 24, tzinfo=UTC), "none"

    def mono_ms(self) -> int:
        return self.mono

    def wall(self) -> datetime:
        return self.at

    def trust(self) -> str:
        return self.trusted

    def go(self, *, ms: int, step_ms: int = 0) -> None:
        """Time goes by; somebody may have set the wall clock meanwhile."""
        self.mono += ms
        self.at += timedelta(milliseconds=ms + step_ms)


def test_a_wall_clock_that_is_set_is_on_the_record_with_its_step(runtime: Runtime) -> None:
    clock = HandClock()
    runtime.clock = clock

    def fixes() -> list[tuple[int, str]]:
        runtime.tick()
        found = [one.data for one in runtime.journal.replay() if one.type == "clock.fix"]
        return [(one["step_ms"], one["source"]) for one in found]

    assert fixes() == [], "the first look compares with nothing"
    clock.go(ms=1_000, step_ms=1_000)
    assert fixes() == [], "a second may be slewed"
    clock.go(ms=1_000, step_ms=-90_000)
    assert fixes() == [(-90_000, "none")]
    clock.go(ms=60_000)
    assert len(fixes()) == 1
    clock.trusted = "ntp"
    clock.go(ms=1_000, step_ms=3)
    assert fixes()[1:] == [(3, "ntp")], "now the times before it can be judged"
    clock.go(ms=1_000)
    assert len(fixes()) == 2
    assert runtime.state.clock_step_ms == 3


class Broken:
    """A device, recorder and spool in one that can do nothing."""

    device = "locker"

    def open(self, lock: int) -> None:
        raise DeviceError(f"locker: expected 1..4, got {lock}")

    def start(self, *_: Any) -> None:
        raise RuntimeError("no picture")

    def stop(self, *_: Any) -> None:
        return

    def selftest(self) -> dict[str, object]:
        raise RuntimeError("no answer")


def test_what_fails_in_the_slow_thread_is_on_the_record() -> None:
    inbox, broken = Inbox(), Broken()
    effects = Effects(
        board=broken,  # type: ignore[arg-type]
        devices=[broken],  # type: ignore[list-item]
        recorder=broken,  # type: ignore[arg-type]
        spool=broken,  # type: ignore[arg-type]
        inbox=inbox,
        wall=Clock().wall,
    )
    for effect in (Record(on=True, session="s-1"), SelfTest(), Pulse(9, "i-1")):
        effects.run(effect)
    told = [inbox.get(5.0) for _ in range(3)]
    effects.close()
    failed = [one.data["data"]["what"] for one in told[:2] if isinstance(one, Observed)]
    assert failed == ["recording on", "selftest"]
    assert told[2] == Observed("pulse", {"lock": 9, "outcome": "no_answer"})


def test_a_loop_that_ends_lets_askers_and_screens_go() -> None:
    inbox, bell = Inbox(), Bell()
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            inbox.ask(lambda: 1, 30.0)
        except TimeoutError as error:
            errors.append(error)

    asker = threading.Thread(target=ask)
    seen: list[int | None] = []
    watcher = threading.Thread(target=lambda: seen.append(bell.wait(0, 30.0)))
    asker.start()
    watcher.start()
    for _ in range(500):
        if inbox.waiting():
            break
        threading.Event().wait(0.01)
    inbox.close()
    bell.close()
    asker.join(5)
    watcher.join(5)
    assert (len(errors), seen) == (1, [None])
    with pytest.raises(TimeoutError):
        inbox.ask(lambda: 1, 30.0)


def test_guesses_side_by_side_get_no_more_than_five_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []

    def wrong(_wrapped: Any, pin: str, _n: int) -> bytes:
        tried.append(pin)
        raise CryptoError("PIN")

    monkeypatch.setattr(duty, "unwrap_key", wrong)
    roster = DutyRoster(lambda: 0)
    roster.learn("s-1", [DutyPerson("s-1", "p-1", "CS-1", "room_staff", "x", "k", {})])

    def guess(number: int) -> None:
        with pytest.raises(DutyError):
            roster.unlock("s-1", "p-1", f"{number:08d}")

    threads = [threading.Thread(target=guess, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(tried) == 5

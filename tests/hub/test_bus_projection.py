"""The bus never waits; a projection goes on where it was and is blocked by nothing."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from hub.app import Hub
from hub.bus import LISTENERS_MAX, WAITING_MAX, Bus, BusFullError
from hub.projection import StoredEvent
from hub.store.tables_core import organisations


def test_a_slow_listener_loses_the_oldest_words() -> None:
    bus = Bus()
    with bus.subscribe() as one:
        for n in range(WAITING_MAX + 10):
            bus.publish("board", str(n))
        first = one.get(0)
        assert first is not None
        assert (first.ref, one.lost) == ("10", 10)


def test_listeners_are_bounded_and_leave() -> None:
    bus = Bus()
    opened = [bus.subscribe() for _ in range(LISTENERS_MAX)]
    for one in opened:
        one.__enter__()
    with pytest.raises(BusFullError), bus.subscribe():
        pass
    for one in opened:
        one.__exit__(None, None, None)
    with bus.subscribe() as fresh:
        assert fresh.get(0) is None


def test_a_stream_gets_words_of_another_thread_and_beats() -> None:
    bus = Bus()

    async def listen() -> list[Any]:
        found: list[Any] = []
        stream = bus.stream(0.01)
        found.append(await anext(stream))
        thread = threading.Thread(target=bus.publish, args=("board",))
        thread.start()
        thread.join()
        while (word := await anext(stream)) is None:
            pass
        found.append(word.topic)
        await stream.aclose()  # type: ignore[attr-defined]
        return found

    assert asyncio.run(listen()) == [None, "board"]
    assert bus._waiters == []


def _fact(hub: Hub, n: int) -> None:
    with hub.store.write() as conn:
        hub.facts.append(conn, type="alarm.acked", session="", data={"n": n})


def test_a_handler_goes_on_behind_its_cursor(hub: Hub) -> None:
    seen: list[int] = []
    hub.projector.register(
        "test.seen", lambda _c, row: seen.append(row.event.data["n"]), ("alarm.acked",)
    )
    for n in range(3):
        _fact(hub, n)
    assert hub.projector.run_pending() >= 3
    _fact(hub, 3)
    hub.projector.run_pending()
    hub.projector.run_pending()
    assert seen == [0, 1, 2, 3]


def test_a_stop_does_not_wait_for_all_that_is_stored(hub: Hub) -> None:
    seen: list[int] = []
    hub.projector.register(
        "test.seen", lambda _c, row: seen.append(row.event.data["n"]), ("alarm.acked",)
    )
    _fact(hub, 0)
    assert hub.projector.run_pending(lambda: True) == 0
    assert seen == []
    hub.projector.run_pending()
    assert seen == [0]


def test_a_turn_that_is_not_committed_comes_again(hub: Hub) -> None:
    """The row behind which the database went away is handled when it is back."""
    seen: list[int] = []

    def handle(_: Connection, stored: StoredEvent) -> None:
        seen.append(stored.event.data["n"])
        if len(seen) == 1:
            raise OperationalError("INSERT", {}, OSError("the disk went away"))

    hub.projector.register("test.busy", handle, ("alarm.acked",))
    _fact(hub, 7)
    with suppress(OperationalError):
        hub.projector.run_pending()
    hub.projector.run_pending()
    assert seen == [7, 7]


def test_a_failing_handler_undoes_its_own_row_alone(hub: Hub) -> None:
    def handle(conn: Connection, stored: StoredEvent) -> None:
        n = stored.event.data["n"]
        conn.execute(
            organisations.insert().values(
                id=f"o{n}", name="", name_en="", level="city", kind="assisting"
            )
        )
        if n == 1:
            raise KeyError("missing")

    hub.projector.register("test.fails", handle, ("alarm.acked",))
    for n in range(3):
        _fact(hub, n)
    hub.projector.run_pending()
    with hub.store.read() as conn:
        made = conn.exec_driver_sql("SELECT id FROM organisations WHERE id LIKE 'o_'").scalars()
        marked = conn.exec_driver_sql("SELECT handler, reason FROM unreadable").all()
        assert sorted(made) == ["o0", "o2"]
        assert [row[0] for row in marked] == ["test.fails"]


def test_a_newer_program_reads_what_an_older_one_could_not(hub: Hub) -> None:
    able, seen = [False], list[tuple[int, bool]]()

    def handle(_conn: Connection, stored: StoredEvent) -> None:
        if not able[0] and stored.event.data["n"] == 1:
            raise KeyError("missing")
        seen.append((stored.event.data["n"], stored.late))

    hub.projector.register("test.learns", handle, ("alarm.acked",))
    for n in range(3):
        _fact(hub, n)
    hub.projector.run_pending()
    assert hub.projector.reread() == 0
    able[0] = True
    assert [hub.projector.reread() for _ in range(2)] == [1, 0]
    assert seen == [(0, False), (2, False), (1, True)]


def test_a_name_is_registered_once(hub: Hub) -> None:
    with pytest.raises(ValueError, match="new handler name"):
        hub.projector.register("media.refs", lambda _c, _r: None)


def test_a_backlog_waits_for_its_meaning_and_not_for_ever(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr("hub.projection.ROWS_BEHIND_MAX", 0)
    monkeypatch.setattr("hub.projection.CATCH_UP_S", 0.05)
    hub.projector.register("test.slow", lambda *_: gate.wait() and None, ("alarm.acked",))
    _fact(hub, 0)
    hub.projector.start()
    assert not hub.projector.let_catch_up(), "what stands still does not stop the record"
    monkeypatch.setattr("hub.projection.CATCH_UP_S", 20)
    gate.set()
    assert hub.projector.let_catch_up()
    hub.projector.stop()

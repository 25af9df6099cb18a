"""What runs at the edge of a loop: failures are named, and broad catching stands nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import func, select

from hub.app import Hub
from hub.guard import Guard
from hub.store.tables_core import events, quarantine
from protocols.messages.topics import UP_EV
from tests.hub import scripted_room as scripted

HUB = Path(__file__).resolve().parents[2] / "hub"
# Where everything is caught, and what becomes of it there.
EDGES = {
    ("cli/verify.py", "verify_folder"): "exit code 70 says that it is our fault",
    ("recording/ingest.py", "take"): "counted, shown at /readyz; the bytes are kept in quarantine",
    ("projection.py", "_handle"): "the row is written down as unreadable",
    ("guard.py", "run"): "named at /readyz until the timer works again",
    ("archive/service.py", "build_package"): "the package is written down as failed, then raised",
    ("demo/day.py", "run"): "raised again in the thread that waits",
}


@cache
def trees() -> dict[Path, ast.Module]:
    """Every module of the hub, parsed once."""
    return {path: ast.parse(path.read_text("utf-8")) for path in sorted(HUB.rglob("*.py"))}


@cache
def broad() -> tuple[tuple[str, str, ast.ExceptHandler], ...]:
    """Every handler of everything: file, function, handler."""
    return tuple(_broad())


def _broad() -> Iterator[tuple[str, str, ast.ExceptHandler]]:
    for path, tree in trees().items():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef):
                continue
            for one in ast.walk(function):
                if isinstance(one, ast.ExceptHandler) and (
                    one.type is None or ast.unparse(one.type) in {"Exception", "BaseException"}
                ):
                    yield path.relative_to(HUB).as_posix(), function.name, one


def test_everything_is_caught_only_where_it_is_recorded() -> None:
    found: dict[int, set[tuple[str, str]]] = {}
    for file, function, handler in broad():
        found.setdefault(id(handler), set()).add((file, function))  # nested functions count once
    strange = [names for names in found.values() if not names & set(EDGES)]
    assert strange == []
    assert set(EDGES) <= set().union(*found.values())


@pytest.mark.parametrize(("file", "function"), sorted(EDGES))
def test_a_broad_handler_says_why_it_stands_there(file: str, function: str) -> None:
    lines = (HUB / file).read_text("utf-8").splitlines()
    for where, name, handler in broad():
        if (where, name) == (file, function):
            around = lines[handler.lineno - 1 : handler.body[0].lineno]
            assert any("#" in line for line in around), f"{file}:{handler.lineno}"
            assert handler.body


def test_a_message_this_program_fails_on_is_kept_and_stops_no_other(
    hub: Hub, room_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fleet.transport = scripted.Wire()
    room = scripted.ScriptedRoom(room_folder)
    raw = room.batch(room.open())

    def broken(*_: object) -> None:
        raise KeyError("a fault of ours")

    with monkeypatch.context() as patch:
        patch.setattr(hub.ingest.recorder, "batch", broken)
        hub.ingest.take(room.topic(UP_EV), raw)
    assert hub.ingest.counted().failed == 1
    with hub.store.read() as conn:
        (kept,) = conn.execute(select(quarantine)).all()
    assert (bytes(kept.raw), "KeyError" in kept.reason) == (raw, True)
    hub.ingest.take(room.topic(UP_EV), raw)
    with hub.store.read() as conn:
        own = events.c.ctl == room.ctl
        assert conn.execute(select(func.count()).where(own)).scalar_one() == 1


def test_a_timer_that_fails_is_named_until_it_works_again() -> None:
    guard, broken = Guard(), [True]

    def tick() -> None:
        if broken:
            raise KeyError("x")

    guard.run(tick)
    (name,) = guard.failing()
    assert name.endswith("tick")
    assert guard.failing()[name] == "KeyError"
    broken.clear()
    guard.run(tick)
    assert guard.failing() == {}

"""Guided wiring test: what a cabinet's doors tell, over a real pty."""

from __future__ import annotations

import queue
from pathlib import Path
from types import MappingProxyType

import pytest

from edge.app import build_board
from edge.commission import Bench, _steps, learned, mono_ms
from edge.config import Credentials, RoomFile
from edge.devices import Reading
from edge.simulators.bench import RunningBoard
from edge.simulators.lockboard import SimulatedLockBoard
from protocols.wire.lockboard import BitOrder, Feedback

WAIT_S = 15.0
LOCKS = 24


def room_at(pty: object, **more: object) -> RoomFile:
    locker = {"board": "8a80", "port": str(pty), "baud": 0, "address": 0, "count": LOCKS}
    locker |= {"feedback": "closed_short", "bit_order": "low_last", "item_sensor": True, **more}
    options = {"locker": MappingProxyType(locker), "power": {"mains_pin": 5}}
    nobody = Credentials.__new__(Credentials)
    return RoomFile(Path("room.toml"), options, (), (), nobody)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("feedback", "bit_order", "closed", "said"),
    [
        (Feedback.CLOSED_SHORT, BitOrder.LOW_LAST, True, ""),
        (Feedback.OPEN_SHORT, BitOrder.LOW_LAST, False, 'feedback = "open_short"'),
        (Feedback.CLOSED_SHORT, BitOrder.LOW_FIRST, True, 'bit_order = "low_first"'),
    ],
)
def test_the_wiring_of_a_board_is_learned_from_its_doors(
    tmp_path: Path, *, feedback: Feedback, bit_order: BitOrder, closed: bool, said: str
) -> None:
    made = SimulatedLockBoard(count=LOCKS, feedback=feedback, bit_order=bit_order)
    with RunningBoard(made, tmp_path) as running:
        room = room_at(running.pty)
        readings: queue.Queue[Reading] = queue.Queue()
        board = build_board(room, readings.put, mono_ms)
        bench = Bench(board, [], readings)
        with board:
            assert bench.seen(lambda r: r.kind == "lockers", WAIT_S)
            assert bench.closed() is closed
            if closed:
                bench.drain()
                board.open(1)
                assert bench.seen(lambda _: bool(bench.moved), WAIT_S)
                assert said in learned(room, bench, 1)
                assert bool(said) is bool(learned(room, bench, 1))
            else:
                assert said in learned(room, bench, 0)


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ({"board": "cu16"}, True),
        ({"board": "cu16", "item_sensor": False}, False),
        ({"board": "8a80"}, False),
    ],
)
def test_an_item_is_asked_for_where_there_are_beams(
    *, more: dict[str, object], asked: bool
) -> None:
    room = room_at("/dev/null", count=12, **more)
    bench = Bench(build_board(room, lambda _: None, mono_ms), [])
    steps = [step.ask for step in _steps(room, bench)]
    assert any("Put something into locker 1" in one for one in steps) is asked
    assert any("Close every locker" in one for one in steps)

"""The card reader's driver against a simulated reader on a real pty."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.devices import DeviceError
from edge.drivers.idcard import READ_MS, CardReader
from edge.simulators.bench import RunningBoard
from edge.simulators.idcard import SimulatedIdReader
from protocols.wire.idcard import Answer, Command
from protocols.wire.idcard_text import check_character

pytestmark = pytest.mark.slow
READ_BYTES_MIN = 1_000
NUMBER = "11010519491231002X"
PERMIT = "81000019800101001" + check_character("81000019800101001")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[RunningBoard]:
    with RunningBoard(SimulatedIdReader(seed=3), tmp_path) as running:
        yield running


@pytest.fixture
def reader(board: RunningBoard, readings: Any, mono: Any) -> Iterator[CardReader]:
    driver = CardReader(device="reader", port=str(board.pty), sink=readings, mono=mono)
    with driver:
        yield driver


@pytest.mark.usefixtures("reader")
def test_a_presented_card_is_told_once_and_again_after_it_was_lifted(
    board: RunningBoard, readings: Any
) -> None:
    board.order("insert", name="张三", number=NUMBER)

    card = readings.wait("card")

    assert card == {
        "layout": "resident", "name": "张三", "number": NUMBER, "sex": "2", "nation": "01",
        "birth": "19491231", "valid_to": "20400101",
    }  # fmt: skip
    readings.wait("card_removed")
    board.order("remove")
    board.order("insert", name="李四", number=NUMBER)
    assert readings.wait("card")["name"] == "李四"
    assert len(readings.of("card")) == 2


@pytest.mark.parametrize(
    ("layout", "number", "sex"),
    [("J", PERMIT, "1"), ("I", "USA110074010101", "1"), ("Y", NUMBER, "2")],
)
@pytest.mark.usefixtures("reader")
def test_cards_of_the_other_layouts_are_read(
    board: RunningBoard, readings: Any, layout: str, number: str, sex: str
) -> None:
    board.order("insert", layout=layout, name="DOE", number=number)

    card = readings.wait("card")

    assert (card["layout"], card["name"], card["number"]) == (layout, "DOE", number)
    assert (card["sex"], card["nation"]) == (sex, "")


@pytest.mark.parametrize(
    ("fault", "count"),
    [
        ("byte_by_byte", 20),
        ("garbage_prefix", 20),
        ("damage", 2),
        ("drop", 2),
        ("no_answer", 2),
        ("stall", 2),
        ("sam_41", 2),
        ("sam_31", 2),
    ],
)
@pytest.mark.usefixtures("reader")
def test_a_bad_line_delays_a_card_and_does_not_lose_it(
    board: RunningBoard, readings: Any, fault: str, count: int
) -> None:
    board.order("fault", kind=fault, count=count)
    board.order("insert", name="张三", number=NUMBER)

    assert readings.wait("card")["number"] == NUMBER
    assert readings.of("card_error") == []
    assert readings.of("device") == []


@pytest.mark.usefixtures("reader")
def test_a_card_that_cannot_be_read_is_told_once_with_its_reason(
    board: RunningBoard, readings: Any
) -> None:
    board.order("fault", kind="sam_31", count=1000)
    board.order("insert", name="张三", number=NUMBER)

    assert readings.wait("card_error") == {"reason": "card_rejects_sam"}

    board.order("remove")
    readings.wait("card_removed")
    board.order("fault", kind="none")
    board.order("insert", name="张三", number=NUMBER)
    assert readings.wait("card")["number"] == NUMBER
    assert len(readings.of("card_error")) == 1


@pytest.mark.usefixtures("reader")
def test_a_card_is_tried_as_long_as_it_lies_there(board: RunningBoard, readings: Any) -> None:
    board.order("fault", kind="sam_41", count=7)
    board.order("insert", name="张三", number=NUMBER)

    assert readings.wait("card")["number"] == NUMBER
    assert readings.of("card_error") == [{"reason": "read_failed"}]


class SpoiltReads(SimulatedIdReader):
    """The first two answers to read are damaged on the line."""

    spoilt = 2

    def _give(self, command: Command) -> Answer:
        found = super()._give(command)
        self._read = self._read and not self.spoilt
        return found

    def heard(self, data: bytes) -> list[bytes]:
        answers = super().heard(data)
        for at, answer in enumerate(answers):
            if len(answer) > READ_BYTES_MIN and self.spoilt:
                self.spoilt -= 1
                answers[at] = answer[:99] + bytes((answer[99] ^ 1,)) + answer[100:]
        return answers


def test_a_damaged_answer_costs_no_more_than_a_moment(
    tmp_path: Path, readings: Any, mono: Any
) -> None:
    board = SpoiltReads(seed=3)
    with (
        RunningBoard(board, tmp_path) as running,
        CardReader(device="reader", port=str(running.pty), sink=readings, mono=mono),
    ):
        begun = mono()
        running.order("insert", name="张三", number=NUMBER)
        assert readings.wait("card")["number"] == NUMBER
        assert board.spoilt == 0
        assert mono() - begun < 2 * READ_MS


@pytest.mark.usefixtures("reader")
def test_a_number_that_does_not_check_is_no_card(board: RunningBoard, readings: Any) -> None:
    board.order("insert", name="张三", number="110105194912310021")

    assert readings.wait("card_error") == {"reason": "number_check"}
    assert readings.of("card") == []


def test_a_module_out_of_order_is_lost_once_and_back_once(
    board: RunningBoard, reader: CardReader, readings: Any
) -> None:
    board.order("fault", kind="sam_66", count=8)

    lost = readings.wait("device")
    assert lost == {"state": "lost", "reason": "not_authorised"}
    assert reader.selftest() == {"ok": False, "detail": "lost: not_authorised"}
    assert readings.wait("device") == {"state": "back", "reason": "answers"}
    assert reader.selftest()["ok"] is True
    assert len(readings.of("device")) == 2
    assert [test["ok"] for test in readings.of("selftest")] == [False, True]


@pytest.mark.usefixtures("reader")
def test_a_silent_module_is_lost_and_found_again(board: RunningBoard, readings: Any) -> None:
    board.order("fault", kind="no_answer", count=4)

    assert readings.wait("device") == {"state": "lost", "reason": "no_answer"}
    assert readings.wait("device")["state"] == "back"


def test_a_port_that_is_not_there_is_lost_once_and_found_when_it_comes(
    tmp_path: Path, readings: Any, mono: Any
) -> None:
    with CardReader(
        device="reader", port=str(tmp_path / "idcard"), sink=readings, mono=mono
    ) as reader:
        assert readings.wait("device") == {"state": "lost", "reason": "port"}
        assert "lost: port" in repr(reader)
        with RunningBoard(SimulatedIdReader(), tmp_path):
            assert readings.wait("device")["state"] == "back"
        assert readings.wait("device")["state"] == "lost"
        assert len(readings.of("device")) == 3
    reader.close()
    assert "closed" in repr(reader)


class StickyReader(SimulatedIdReader):
    """A module that finds a card it has read again and again."""

    def _give(self, command: Command) -> Answer:
        answer = super()._give(command)
        self._read = False
        return answer


def test_a_card_left_lying_on_a_module_that_finds_it_again_is_told_once(
    tmp_path: Path, readings: Any, mono: Any
) -> None:
    with (
        RunningBoard(StickyReader(), tmp_path) as board,
        CardReader(device="reader", port=str(board.pty), sink=readings, mono=mono) as reader,
    ):
        board.order("insert", name="张三", number=NUMBER)
        readings.wait("card")
        board.order("fault", kind="no_answer", count=1)
        before = reader._answered_ms
        board.order("fault", kind="sam_66", count=4)
        readings.wait("device", lambda data: data["state"] == "back")
        assert reader._answered_ms != before
        assert readings.of("card_removed") == []
        board.order("remove")
        readings.wait("card_removed")
        assert len(readings.of("card")) == 1


def test_a_speed_the_reader_does_not_have_is_refused(readings: Any, mono: Any) -> None:
    with pytest.raises(DeviceError, match=r"reader on x: baud: expected one of .*got 1920"):
        CardReader(device="reader", port="x", sink=readings, mono=mono, baud=1920)

"""SAM_V frames: published vectors, damage, both sides joined."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.wire import idcard
from protocols.wire.idcard import (
    Answer,
    BoardDecoder,
    Command,
    DamagedCommand,
    HostDecoder,
    Sw,
    encode,
    encode_answer,
    read_answer,
    set_baud,
    split_read,
)

COMMANDS = {
    "AA AA AA 96 69 00 03 10 FF EC": idcard.RESET,
    "AA AA AA 96 69 00 03 11 FF ED": idcard.STATUS,
    "AA AA AA 96 69 00 03 12 FF EE": idcard.SAM_ID,
    "AA AA AA 96 69 00 03 20 01 22": idcard.FIND,
    "AA AA AA 96 69 00 03 20 02 21": idcard.SELECT,
    "AA AA AA 96 69 00 03 30 01 32": idcard.READ,
    "AA AA AA 96 69 00 03 30 10 23": idcard.READ_WITH_FINGER,
    "AA AA AA 96 69 00 03 30 03 30": idcard.READ_NEW_ADDRESS,
    "AA AA AA 96 69 00 03 60 00 63": set_baud(115200),
    "AA AA AA 96 69 00 03 60 04 67": set_baud(9600),
    "AA AA AA 96 69 00 04 61 FF 50 CA": idcard.SET_RF_FRAME_80,
}
ANSWERS = {
    "AA AA AA 96 69 00 08 00 00 9F 00 00 00 00 97": (Answer(Sw.CARD_FOUND, bytes(4)), "card_found"),
    "AA AA AA 96 69 00 0C 00 00 90 00 00 00 00 00 00 00 00 9C": (Answer(Sw.OK, bytes(8)), "ok"),
    "AA AA AA 96 69 00 04 00 00 90 94": (Answer(Sw.OK), "ok"),
    "AA AA AA 96 69 00 04 00 00 80 84": (Answer(Sw.NO_CARD), "no_card"),
    "AA AA AA 96 69 00 04 00 00 81 85": (Answer(Sw.SELECT_FAILED), "select_failed"),
    "AA AA AA 96 69 00 04 00 00 10 14": (Answer(Sw.CHECKSUM_ERROR), "checksum_error"),
    "AA AA AA 96 69 00 04 00 00 31 35": (Answer(Sw.CARD_REJECTS_SAM), "card_rejects_sam"),
    "AA AA AA 96 69 00 04 00 00 41 45": (Answer(Sw.READ_FAILED), "read_failed"),
    "AA AA AA 96 69 00 04 00 00 66 62": (Answer(Sw.NOT_AUTHORISED), "not_authorised"),
    "AA AA AA 96 69 00 04 00 00 91 95": (Answer(Sw.NO_SUCH_ITEM), "no_such_item"),
}
FOUND = bytes.fromhex("AA AA AA 96 69 00 08 00 00 9F 00 00 00 00 97")
EMPTY = bytes.fromhex("AA AA AA 96 69 00 04 00 00 80 84")
FIND = encode(idcard.FIND)


@pytest.mark.parametrize(("line", "command"), list(COMMANDS.items()))
def test_commands_are_the_published_bytes_and_read_back(line: str, command: Command) -> None:
    assert encode(command) == bytes.fromhex(line)
    assert BoardDecoder().receive_data(bytes.fromhex(line)) == [command]


@pytest.mark.parametrize(("line", "known"), list(ANSWERS.items()))
def test_answers_are_the_published_bytes_and_read_back(
    line: str, known: tuple[Answer, str]
) -> None:
    answer, name = known

    assert encode_answer(answer) == bytes.fromhex(line)
    assert HostDecoder().receive_data(bytes.fromhex(line)) == [answer]
    assert answer.name == name


def test_a_read_answer_is_1295_bytes_with_the_published_head() -> None:
    name = "测试".encode("utf-16-le")
    text = name + " ".encode("utf-16-le") * 126
    line = encode_answer(read_answer(text, bytes(1024)))

    assert len(line) == 1295
    assert line.startswith(bytes.fromhex("AA AA AA 96 69 05 08 00 00 90 01 00 04 00 4B 6D D5 8B"))
    assert idcard.xor_of(line[5:]) == 0
    [answer] = HostDecoder().receive_data(line)
    assert split_read(answer) == (text, bytes(1024))


def test_an_answer_that_is_no_read_has_no_parts() -> None:
    good = read_answer(bytes(256), bytes(1024))

    assert split_read(Answer(Sw.OK)) is None
    assert split_read(Answer(Sw.READ_FAILED, good.data)) is None
    assert split_read(Answer(Sw.OK, good.data + b"\0")) is None
    assert split_read(Answer(Sw.OK, b"\x01\x00\x04\x01" + good.data[4:])) is None


def test_a_status_without_a_name_is_shown_as_its_bytes() -> None:
    assert Answer(0x7F).name == "sw_7f"
    assert Answer(0x90, sw1=1).name == "sw_010090"
    assert Answer(0x90, sw2=2).name == "sw_0290"


def test_every_status_has_its_published_code() -> None:
    published = {
        0x90: "ok", 0x9F: "card_found", 0x10: "checksum_error", 0x11: "length_error",
        0x21: "bad_command", 0x24: "unknown_error", 0x31: "card_rejects_sam",
        0x32: "sam_rejects_card", 0x33: "info_check_failed", 0x40: "wrong_card_type",
        0x41: "read_failed", 0x47: "random_failed", 0x60: "self_test_failed",
        0x66: "not_authorised", 0x80: "no_card", 0x81: "select_failed", 0x91: "no_such_item",
    }  # fmt: skip

    assert {code: Answer(code).name for code in published} == published
    assert len(Sw) == len(published)


def test_every_speed_has_its_published_index() -> None:
    assert [set_baud(baud).para for baud in (115200, 57600, 38400, 19200, 9600)] == [0, 1, 2, 3, 4]


def test_a_speed_the_module_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected one of 115200.*got 1920"):
        set_baud(1920)


def test_the_longest_answer_passes_and_a_longer_one_is_damage() -> None:
    longest = Answer(Sw.OK, bytes(2321 - 7 - 4))
    host = HostDecoder()

    assert host.receive_data(encode_answer(longest)) == [longest]
    assert host.receive_data(encode_answer(Answer(Sw.OK, bytes(2311))) + EMPTY) == [
        Answer(Sw.NO_CARD)
    ]
    assert host.dropped_bytes == 2322


def test_a_damaged_answer_then_a_good_one_in_one_read() -> None:
    for at in range(5, len(FOUND)):
        damaged = bytearray(FOUND)
        damaged[at] ^= 0x01
        host = HostDecoder()

        assert (host.receive_data(bytes(damaged) + EMPTY) + host.flush())[-1] == Answer(Sw.NO_CARD)
        assert host.dropped_bytes >= len(FOUND) - 1


def test_a_damaged_header_costs_its_own_frame_only() -> None:
    for at in range(5):
        damaged = bytearray(FOUND)
        damaged[at] ^= 0x40
        host = HostDecoder()

        assert host.receive_data(bytes(damaged) + EMPTY) == [Answer(Sw.NO_CARD)]
        assert host.dropped_bytes == len(FOUND)


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_an_answer_too_short_for_a_status_is_dropped(length: int) -> None:
    body = bytes((0, length)) + bytes(max(length - 1, 0))
    short = idcard.PREAMBLE + body + bytes((idcard.xor_of(body),))
    host = HostDecoder()

    assert host.receive_data(short + EMPTY) == [Answer(Sw.NO_CARD)]


def test_an_impossible_length_is_given_up_as_soon_as_it_is_read() -> None:
    host = HostDecoder()

    assert host.receive_data(idcard.PREAMBLE + b"\xff\xff") == []
    assert (host.pending, host.dropped_bytes) == (0, 7)


def test_the_board_names_what_was_damaged() -> None:
    board = BoardDecoder()

    # Public code carries this wrong check byte.
    assert board.receive_data(bytes.fromhex("AA AA AA 96 69 00 03 20 01 21")) == [
        DamagedCommand(Sw.CHECKSUM_ERROR)
    ]
    assert board.receive_data(bytes.fromhex("AA AA AA 96 69 00 02 20 22")) == [
        DamagedCommand(Sw.LENGTH_ERROR)
    ]
    assert board.receive_data(bytes.fromhex("AA AA AA 96 69 01 00 20 01")) == [
        DamagedCommand(Sw.LENGTH_ERROR)
    ]
    assert board.receive_data(FIND[:-1]) == []
    assert board.flush() == []
    assert board.receive_data(FIND) == [idcard.FIND]
    assert board.dropped_bytes == 10 + 9 + 9 + 9


def test_an_unfinished_answer_is_given_up_when_the_line_is_quiet() -> None:
    host = HostDecoder()

    assert host.receive_data(FOUND[:-1]) == []
    assert host.pending == len(FOUND) - 1
    assert host.flush() == []
    assert host.receive_data(FOUND) == [Answer(Sw.CARD_FOUND, bytes(4))]


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_noise_never_raises_and_never_grows(noise: list[bytes]) -> None:
    host, board = HostDecoder(), BoardDecoder()
    for data in noise:
        host.receive_data(data)
        board.receive_data(data)
    host.flush()
    board.flush()
    assert host.pending == 0
    assert host.receive_data(FOUND) == [Answer(Sw.CARD_FOUND, bytes(4))]
    assert board.receive_data(FIND) == [idcard.FIND]


@given(
    data=st.binary(max_size=300),
    sw=st.tuples(*[st.integers(0, 255)] * 3),
    noise=st.binary(max_size=20),
    size=st.integers(1, 50),
)
def test_any_answer_behind_any_noise_in_any_split_is_read(
    data: bytes, sw: tuple[int, int, int], noise: bytes, size: int
) -> None:
    answer = Answer(sw[2], data, sw[0], sw[1])
    stream = noise.replace(idcard.PREAMBLE, b"") + encode_answer(answer)
    host = HostDecoder()

    got = [
        event
        for at in range(0, len(stream), size)
        for event in host.receive_data(stream[at : at + size])
    ]

    assert got == [answer]


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=50))
def test_any_command_is_read_back_by_the_board(cmd: int, para: int, data: bytes) -> None:
    command = Command(cmd, para, data)

    assert BoardDecoder().receive_data(encode(command)) == [command]

"""Events of WIRE §4: the same bytes for ever."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.messages.errors import LocalError, RemoteError
from protocols.messages.event import (
    GENESIS,
    Envelope,
    decode_event,
    encode_chain,
    encode_event,
    envelope_of,
    event_hash,
    first_prev,
)
from tests.protocols.messages.wire_keys import AT, CTL, EPOCH, event

LINE = (
    '{"v":1,"ctl":"c-0123456789ab","epoch":"' + EPOCH + '","seq":1,"prev":"' + GENESIS + '",'
    '"session":"","boot":"b0","mono_ms":1001,"at":"' + AT + '","at_trust":"ntp",'
    '"type":"member.late","data":{"no":"3","文":"评标"}}'
)

json_leaf = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text()
json_data = st.dictionaries(
    st.text(max_size=8),
    st.recursive(json_leaf, lambda inner: st.lists(inner, max_size=3), max_leaves=8),
    max_size=5,
)


def test_golden_bytes():
    one = event(type="member.late", data={"no": "3", "文": "评标"})

    assert encode_event(one) == LINE.encode()
    assert event_hash(LINE.encode()) == GOLDEN_HASH


GOLDEN_HASH = "363ca8733ee5440bacff5774f5a84458a7496c4bc4469f0479c877a11e9f742d"


@given(json_data)
def test_any_data_without_floats_comes_back(data):
    one = event(data=data)

    assert decode_event(encode_event(one)) == one


@pytest.mark.parametrize(
    "data",
    [
        {"x": 1.0},
        {"x": [{"y": float("nan")}]},
        {"x": 2**53},
        {"x": "\ud800"},
        {"\ud800": 1},
        {1: "x"},
        {"x": b"bytes"},
        {"x": {"y": ()}, "z": {1}},
        {"x": "a" * 16384},
    ],
)
def test_what_cannot_be_an_event_is_our_bug(data):
    with pytest.raises(LocalError):
        encode_event(event(data=data))


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 2**53 - 1, "mono_ms": 2**53 - 1},
        {"type": "a" * 64},
        {"session": "s" * 64, "boot": "b" * 64},
        {"mono_ms": 0},
    ],
)
def test_the_widest_legal_event_is_written_and_read(changes):
    one = event(**changes)

    assert decode_event(encode_event(one)) == one


def test_deep_nesting_is_refused():
    data: dict[str, object] = {}
    for _ in range(30):
        data = {"x": data}

    with pytest.raises(LocalError, match="nested"):
        encode_event(event(data=data))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("v", 2),
        ("ctl", "p-0123456789ab"),
        ("epoch", "e" * 31),
        ("seq", 0),
        ("seq", True),
        ("prev", "0" * 63),
        ("session", "a b"),
        ("boot", ""),
        ("mono_ms", -1),
        ("session", "s" * 65),
        ("ctl", 'c-0123456789ab","epoch":"'),
        ("at", "2026-05-07T01:02:03Z"),
        ("at", "2026-13-07T01:02:03.004Z"),
        ("at", "2026-02-29T01:02:03.004Z"),
        ("at", "2026-04-31T01:02:03.004Z"),
        ("at", "2100-02-29T01:02:03.004Z"),
        ("at", "0000-01-01T01:02:03.004Z"),
        ("at", "２０２６-05-07T01:02:03.004Z"),
        ("at_trust", "gps"),
        ("type", "Power"),
        ("type", "a.b.c.d.e"),
        ("type", "a" * 65),
        ("data", []),
    ],
)
def test_the_envelope_is_strict_both_ways(field, value):
    bad = json.loads(LINE)
    bad[field] = value
    line = json.dumps(bad, separators=(",", ":")).encode()

    with pytest.raises(RemoteError, match=field):
        decode_event(line)
    with pytest.raises(LocalError):
        encode_event(replace(event(), **{field: value}))


@pytest.mark.parametrize(
    "line",
    [
        LINE.replace('"no":"3"', '"no":"3","no":"4"'),
        LINE.replace('"seq":1,', '"seq":1,"seq":1,'),
        LINE.replace('"no":"3"', '"no":3.0'),
        LINE.replace('"no":"3"', '"no":NaN'),
        LINE.replace('"no":"3"', '"no":1e3'),
        LINE.replace('"no":"3"', '"no":' + "9" * 5000),
        LINE.replace('"no":"3"', '"no":"\\ud800"'),
        LINE.replace('"v":1,', ""),
        LINE.replace('{"v":1,', '{"w":1,"v":1,'),
        LINE.replace('"session":"","boot":"b0"', '"boot":"b0","session":""'),
        LINE.replace('{"no":"3","文":"评标"}', "[]"),
        "[1]",
        "nothing",
        "[" * 4000,
        LINE + " " * 16384,
    ],
)
def test_decode_refuses(line):
    with pytest.raises(RemoteError):
        decode_event(line.encode())


def test_decode_refuses_what_is_not_utf8():
    with pytest.raises(RemoteError):
        decode_event(LINE.encode("gbk"))


def test_the_envelope_alone_is_what_recording_sees():
    line = encode_event(event(seq=7, prev="a" * 64))

    assert envelope_of(line) == Envelope(CTL, EPOCH, 7, "a" * 64, len(line))


def test_the_envelope_does_not_look_behind_itself():
    line = encode_event(event()).replace(b'"type":', b'"type":nonsense \xff')

    assert envelope_of(line).seq == 1


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        LINE.replace('"v":1', '"v": 1').encode(),
        LINE.replace('"seq":1', '"seq":01').encode(),
        LINE.replace('"seq":1', '"seq":0').encode(),
        LINE.replace('"seq":1', '"seq":9999999999999999').encode(),
        LINE.encode() + b" " * 16384,
    ],
)
def test_no_envelope(line):
    with pytest.raises(RemoteError):
        envelope_of(line)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_or_refused(line):
    for read in (decode_event, envelope_of):
        try:
            read(line)
        except RemoteError:
            continue


def outcome(line: bytes) -> object:
    try:
        return decode_event(line)
    except RemoteError as error:
        return error.where, error.expected


@given(
    at=st.integers(0, len(LINE.encode())),
    new=st.sampled_from(
        [b"", b"0", b"9", b'"', b"}", b",", b" ", b"1.5", b'"v":1,', b"\xff", b"[]"]
    ),
    cut=st.integers(0, 3),
)
@example(at=len(LINE.encode()) - 1, new=b',"type":"x"', cut=0)
@example(at=len(LINE.encode()) - 1, new=b',"more":1', cut=0)
def test_an_event_written_as_ours_is_read_as_any_other(at: int, new: bytes, cut: int) -> None:
    """A space before it makes it one that is not written as ours and says the same."""
    line = LINE.encode()
    changed = line[:at] + new + line[at + cut :]
    assert outcome(changed) == outcome(b" " + changed)


ODD = [
    *("[" * deep + "9" + "]" * deep for deep in range(20, 27)),
    *("1.5", "1e5", "-0", "NaN", "01", "1 ", "1}", "null", '"a'),
    *("9007199254740991", "9007199254740992", "-9007199254740992", "1" * 5000),
    *(r'"\ud800"', r'"\ud83d\ude00"', r'"\u0041"', '"中"', '{"a":1,"a":2}', '1,"data":{}'),
]


@pytest.mark.parametrize("value", ODD)
def test_odd_data_is_judged_alike_whoever_wrote_it(value: str) -> None:
    line = encode_event(event(data={"odd": "here"})).replace(b'"here"', value.encode())
    assert outcome(line) == outcome(b" " + line)


def test_the_first_event_ever_follows_zeros():
    assert first_prev() == "0" * 64
    assert first_prev("a" * 64) == "a" * 64


@dataclass(frozen=True)
class Said:
    type: str
    session: str
    data: Any


@given(
    st.lists(
        st.builds(
            Said,
            type=st.sampled_from(["power.state", "seat.state"]),
            session=st.sampled_from(["", "s-00000000abcd"]),
            data=st.dictionaries(st.text(max_size=4), st.integers(-9, 9), max_size=3),
        ),
        max_size=6,
    )
)
def test_a_chain_is_its_events_one_by_one(records: list[Said]) -> None:
    first = event(seq=9, prev="a" * 64)
    expected, prev = [], first.prev
    for seq, one in enumerate(records, start=9):
        line = encode_event(replace(first, seq=seq, prev=prev, **vars(one)))
        prev = event_hash(line)
        expected.append((line, prev))
    assert encode_chain(first, records) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"session": 's","boot":"other'},
        {"type": "Power"},
        {"data": [1]},
        {"data": {"deep": 1.5}},
        {"data": {"\ud800": 1}},
        {"data": {"text": "x" * 20_000}},
    ],
)
def test_a_record_that_breaks_the_contract_breaks_the_chain(change: dict[str, Any]) -> None:
    sound = Said("power.state", "s-00000000abcd", {"mains": "on"})
    with pytest.raises(LocalError):
        encode_chain(event(), [sound, sound, replace(sound, **change)])


def test_a_type_longer_than_ours_is_taken_apart_and_judged() -> None:
    long = Said("a_word_longer_than_most_types", "", {})
    (line, hashed), second = encode_chain(event(seq=1, prev=GENESIS), [long, long])
    assert decode_event(line).type == long.type
    assert decode_event(second[0]).prev == hashed


def test_numbers_and_texts_of_other_types_are_refused() -> None:
    for change in ({"seq": True}, {"mono_ms": "5"}, {"session": 5}, {"v": 1.0}):
        with pytest.raises(LocalError):
            encode_event(replace(event(), **change))


@pytest.mark.parametrize("day", ["2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"])
def test_every_day_of_the_calendar_is_there(day: str) -> None:
    line = encode_event(event(at=f"{day}T23:59:59.999Z"))

    assert datetime.fromisoformat(decode_event(line).at).tzinfo is not None

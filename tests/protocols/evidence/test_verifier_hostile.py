"""What a package may hold that is meant to stop its reader, or to fool him."""

from __future__ import annotations

import json
from contextlib import suppress
from time import thread_time
from typing import Any

import pytest

from protocols.evidence import verifier as v
from protocols.messages.event import encode_event
from tests.protocols.evidence import sample_package as sample
from tests.protocols.messages.wire_keys import CTL, SESSION, event, trust_file

AT = "2026-05-07T01:00:0{}.000Z"


def seconds(act: Any) -> float:
    """What it costs this thread."""
    begun = thread_time()
    act()
    return thread_time() - begun


def checked(events: list[dict[str, Any]], gaps: Any = ()) -> v._Check:
    """What is found in these events of a room, each with its seq."""
    check = v._Check(v.MemoryFiles({}), None, {})
    check.session, check.gaps = SESSION, set(gaps)
    stream = check.streams[CTL, "1" * 32] = v.Stream(CTL, "1" * 32)
    for seq, one in enumerate(events, start=1):
        stream.events[seq], stream.hashes[seq] = {"session": SESSION, **one}, "0" * 64
    return check


def day(*between: dict[str, Any], begin: str = AT.format(0), end: str = AT.format(9)) -> list[Any]:
    """An evaluation with these events in it."""
    return [
        {"type": "phase.changed", "at": begin, "data": {"to": "evaluating"}},
        *between,
        {"type": "phase.changed", "at": end, "data": {"to": "ended"}},
    ]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":' + b"9" * 400 + b"}",
        b'{"a":-9007199254740992}',
        b'{"a":1e999}',
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":[{"b":"\\udc00"}]}',
        b'{"a":' + b"[" * 24 + b"]" * 24 + b"}",
        b'{"a":' * 300 + b"1" + b"}" * 300,
    ],
)
def test_an_object_nobody_can_count_or_print_or_walk_is_refused(raw: bytes) -> None:
    with pytest.raises(v.FormError):
        v.load_object(raw)


def test_an_object_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert v.load_object(b'{"a":["\xe4\xb8\xad",1.5,null,true,-9007199254740991]}')["a"]
    monkeypatch.setattr(v, "OBJECT_BYTES_MAX", 9)
    with pytest.raises(v.FormError):
        v.load_object(b'{"abc":123}')


def test_what_an_event_says_of_its_time_never_stops_the_reader() -> None:
    """The last hour of year 9999 in a zone behind is a moment no calendar has."""
    stream = {"type": "recording.state", "at": AT.format(1), "data": {"stream": "a", "state": "on"}}
    late = "9999-12-31T23:59:59-23:59"
    check = checked(day(stream, begin="9999-12-31T22:00:00Z", end=late))

    check.check_recorders()

    assert v._at({"at": late}, "at") == -1
    assert v._at({"at": "0001-01-01T00:00:00+23:00"}, "at") == -1


def test_a_moment_without_a_zone_is_none_on_any_machine() -> None:
    assert v._at({"at": "2026-05-07T01:00:00"}, "at") == -1


def test_nothing_in_a_report_moves_a_terminal_or_fills_the_screen() -> None:
    check = v._Check(v.MemoryFiles({}), None, {})
    check.say(v.ALTERED, "data/\x9bx", "signature", "a\x1b[2J\n完好\u202e" + "x" * 9_000)

    lines = v.Report(v.ALTERED, tuple(check.items), "zh", {}).lines()

    assert all(line.isprintable() and len(line) < 500 for line in lines)
    assert "data/\\x9bx" in lines[0]
    assert "a\\x1b[2J\\n完好\\u202ex" in lines[2]


def test_a_package_that_asks_to_fetch_is_altered() -> None:
    files = sample.bag(sample.payload())
    for name in ("fetch.txt", "FETCH.txt"):
        report = v.verify_package(v.MemoryFiles({**files, name: b""}), None, "en")
        assert (v.ALTERED, "fetch", name) in sample.found(report)


@pytest.mark.parametrize(
    "last", ["x.", "x ", "con", "NUL.json", "lpt1", "x\u202e", "x\u200b", "x\x9b", "x\u3000"]
)
def test_a_name_that_some_system_takes_for_another_is_altered_even_if_signed(last: str) -> None:
    report = sample.verdict_on({f"data/{last}": b"x"})

    assert (report.code, report.items[0].key) == (v.ALTERED, "bad_name")


@pytest.mark.parametrize("last", ["context.json", "视频.txt", "common", "a b.txt", "x.con"])
def test_an_ordinary_name_is_sound(last: str) -> None:
    assert sample.verdict_on({f"data/{last}": b"x"}).code == v.SOUND


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'{"sigs":', b'{"sigs": '), (b'"kid":', b'"k\\u0069d":'), (b"}]}\n", b"}] }\n")],
)
def test_the_venues_signature_has_one_form(old: bytes, new: bytes) -> None:
    files = sample.bag(sample.payload())
    files[v.SIGNATURE] = files[v.SIGNATURE].replace(old, new)

    report = v.verify_package(v.MemoryFiles(files), trust_file().encode(), "en")

    assert (report.code, report.items[0].key) == (v.ALTERED, "signature_form")


@pytest.mark.parametrize("text", ["QR==", "QQ==\n", "QQ", "Q Q==", "QQ===", "-_8="])
def test_base64_has_one_form(text: str) -> None:
    assert v.unbase64("QQ==") == b"A"
    with pytest.raises(v.FormError):
        v.unbase64(text)


def test_a_file_of_line_feeds_is_read_line_by_line() -> None:
    lines = v.each_line(b"\n" * 3)

    assert iter(lines) is lines
    assert list(lines) == [b"", b"", b""]
    with pytest.raises(v.FormError):
        list(v.each_line(b"a\nb"))


def test_a_seal_over_more_lines_than_a_message_has_is_altered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(v, "SEAL_LINES_MAX", 2)

    assert sample.verdict_on({}).items[0].key == "seal_hashes"


def test_more_streams_or_files_than_any_day_has_are_altered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(v, "STREAMS_MAX", 2)
        assert ("data/streams", "too_many") in [
            (one.name, one.key) for one in sample.verdict_on({}).items
        ]
    monkeypatch.setattr(v, "FILES_MAX", 9)
    check = v._Check(v.MemoryFiles({v.PAYLOAD: sample.bag(sample.payload())[v.PAYLOAD]}), None, {})
    with suppress(v._Stop):
        check.manifest(v.PAYLOAD, payload=True)
    assert check.items[0].key == "manifest"


def test_many_streams_of_one_room_are_altered_before_they_cost_time() -> None:
    many = [
        {"type": "media.lost", "at": AT.format(1), "data": {"stream": f"cam{n}", "seconds": 1}}
        for n in range(20_000)
    ]
    check = checked(day(*many))

    assert seconds(check.check_recorders) < 5
    assert ("data/av", "too_many") in [(one.name, one.key) for one in check.items]


def test_many_losses_and_many_missing_segments_cost_no_more_than_each_once() -> None:
    lost = [
        {
            "type": "media.gap",
            "at": AT.format(1),
            "data": {"stream": "a", "from_at": "2", "to_at": f"3{n:05}"},
        }
        for n in range(20_000)
    ]
    segments = [
        {
            "type": "media.segment",
            "at": AT.format(2),
            "data": {"stream": "a", "sha256": f"{n}", "first_at": "2", "last_at": f"3{n:05}"},
        }
        for n in range(20_001)
    ]
    check = checked([*lost, *segments])

    assert seconds(check.check_media) < 10
    assert [one.name for one in check.items if one.key == "no_segment"] in ([], ["data/av/a/20000"])
    assert check.worst[v.INCOMPLETE].name == "data/av/a/20000"


def test_many_losses_without_a_time_and_many_holes_cost_no_more_than_each_once() -> None:
    events = [{"type": "media.lost", "at": "", "data": {"seconds": 1}} for _ in range(20_000)]
    events += [
        {
            "type": "media.gap",
            "at": "",
            "data": {
                "from_at": f"2026-05-07T{n // 1200:02}:{n // 20 % 60:02}:{n % 20 * 3:02}Z",
                "to_at": f"2026-05-07T{n // 1200:02}:{n // 20 % 60:02}:{n % 20 * 3:02}.5Z",
            },
        }
        for n in range(20_000)
    ]
    begin, end = (
        v._at({"at": "2026-05-07T00:00:00Z"}, "at"),
        v._at({"at": "2026-05-07T16:40:00Z"}, "at"),
    )

    assert seconds(lambda: v._holes(events, begin, end, 1.5)) < 10
    assert v._holes(events, begin, end, 1.5) == []
    assert len(v._holes(events[20_000:], begin, end, 1.5)) == 20_000


def test_many_declared_gaps_and_many_holes_cost_no_more_than_each_once() -> None:
    check = checked([])
    stream = check.streams[CTL, "1" * 32]
    stream.hashes = dict.fromkeys(range(1, 60_000, 3), "0" * 64)
    check.gaps = {(CTL, "1" * 32, n + 1, n + 2) for n in range(1, 60_000, 3) if n != 31}

    assert seconds(lambda: check.check_holes(stream)) < 5
    assert [one.name for one in check.items] == [f"{stream.folder}#32..33"]
    row = ("1" * 32, 1, 59_998, 60_000, "0" * 64)
    assert seconds(lambda: check.check_told(stream, row, ("",))) < 5


def test_a_gap_that_reaches_over_several_holes_covers_them_all() -> None:
    check = checked([], {(CTL, "1" * 32, 2, 20), (CTL, "1" * 32, 4, 5), (CTL, "1" * 32, 30, 40)})
    stream = check.streams[CTL, "1" * 32]
    stream.hashes = dict.fromkeys((1, 3, 6, 19, 25, 41), "0" * 64)

    check.check_holes(stream)

    assert [one.name.partition("#")[2] for one in check.items] == ["21..24", "26..40"]


def test_an_event_with_a_number_beyond_what_is_counted_is_kept_and_unreadable() -> None:
    good = encode_event(event(data={"step_ms": 1}))
    line = good.replace(b'"step_ms":1', b'"step_ms":' + b"9" * 400)

    with pytest.raises(v.FormError):
        v.load_object(line)
    assert json.loads(line)["data"]["step_ms"] > 10**399

"""Every row of the session that its recorder counted is shown, and no picture is missing unsaid."""

from __future__ import annotations

import hashlib
import json

import pytest

from protocols.evidence.tally import EPOCHS_TOLD_MAX, HUB_TYPE, ROOM_TYPE, tally
from protocols.evidence.verifier import TALLIES
from tests.protocols.evidence.sample_package import (
    CTL,
    EPOCH1,
    EPOCH2,
    HUB,
    HUB_EPOCH,
    HUB_KEY,
    ROOM,
    SESSION,
    Recorder,
    found,
    hub_stream,
    media_files,
    room,
    verdict_on,
)

ROOM_FOLDER, HUB_FOLDER = f"data/streams/{CTL}", f"data/streams/{HUB}/{HUB_EPOCH}"
ONE, TWO = f"{ROOM_FOLDER}/{EPOCH1}", f"{ROOM_FOLDER}/{EPOCH2}"


def said(report, verdict=3):
    """(key, name, detail) of the findings of one verdict."""
    return [(one.key, one.name, one.detail) for one in report.items if one.verdict == verdict]


# rows


def test_both_sides_use_the_same_words():
    assert TALLIES == {"c-": ROOM_TYPE, "h-": HUB_TYPE}


def test_a_row_of_another_session_may_be_hidden():
    assert verdict_on({}).code == 0


@pytest.mark.parametrize("seq", [2, 3, 5])
def test_a_hidden_row_of_this_session_or_of_the_room_is_missing(seq):
    one, _ = room()
    report = verdict_on(one.files(shown=set(one.lines) - {4, seq}))

    assert report.code == 3
    assert ("untold", ONE, "1 of 4") in said(report)


def test_a_hidden_row_of_the_hub_is_missing():
    report = verdict_on(hub_stream().files(shown={1, 3, 4}))

    assert said(report) == [("untold", HUB_FOLDER, "1 of 2")]


def test_another_row_in_place_of_the_hidden_one_is_seen():
    """The number of rows fits; they are others."""
    one, two = room()
    two.lines.clear()
    again = Recorder(CTL, EPOCH2, ROOM)
    again.open(one)
    rows = [(EPOCH1, seq) for seq in (2, 3, 4, 6)]
    again.write("phase.changed", {"to": "ended"}, SESSION)
    again.write(ROOM_TYPE, tally(rows), SESSION)
    again.seal(1, again.seq)
    report = verdict_on(again.files())

    assert ("untold", ONE, "0 of 4") in said(report)


@pytest.mark.parametrize("hide", ["session.sealed", "record.closed"])
def test_a_hidden_count_leaves_the_record_uncounted(hide):
    recorder = room()[1] if hide == "session.sealed" else hub_stream()
    last = max(recorder.lines)
    report = verdict_on(recorder.files(shown=set(recorder.lines) - {last}))

    assert said(report) == [("no_tally", f"data/streams/{recorder.ctl}", "")]


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"epochs": 5},
        {"epochs": [5]},
        {"epochs": [{"epoch": EPOCH1, "first": 1, "last": 2, "rows": "2", "digest": "a" * 64}]},
        {"epochs": [{"epoch": EPOCH1, "first": 1, "last": 2, "rows": 2, "digest": "?"}]},
    ],
)
def test_a_count_that_cannot_be_read_is_none(data):
    report = counted_as(data)

    assert ("no_tally", ROOM_FOLDER, "") in said(report)


def counted_as(data):
    """The verdict on the sample whose room wrote this as its count."""
    one, _ = room()
    two = Recorder(CTL, EPOCH2, ROOM)
    two.open(one)
    two.write("phase.changed", {"to": "ended"}, SESSION)
    two.write(ROOM_TYPE, data, SESSION)
    two.seal(1, two.seq)
    return verdict_on(two.files())


def test_more_starts_than_a_count_can_name_leave_rows_uncounted():
    data = tally([(f"{n:032x}", 1) for n in range(EPOCHS_TOLD_MAX + 2)])
    report = counted_as(data)

    assert ("untold", ROOM_FOLDER, "2 epochs") in said(report)


def test_rows_the_room_had_lost_when_it_counted_are_no_fault():
    rows = [(EPOCH1, seq) for seq in (2, 3, 6)] + [(EPOCH2, 1), (EPOCH2, 2)]
    report = counted_as(tally(rows))

    assert report.code == 0
    assert ("tally_more", ONE, "4 of 3") in said(report, 0)


def test_the_hubs_count_for_another_venue_does_not_serve():
    hub = Recorder(HUB, HUB_EPOCH, HUB_KEY, "hub", closing={"org": "hubei"})
    hub.open()
    hub.write("booking.accepted", {}, SESSION)
    hub.counted()
    hub.seal(1, hub.seq)
    report = verdict_on(hub.files())

    assert said(report) == [("no_tally", f"data/streams/{HUB}", "")]


def test_the_last_count_holds():
    hub = hub_stream()
    hub.write("appraisal.entered", {}, SESSION)
    hub.counted()
    hub.seal(5, hub.seq)

    assert verdict_on(hub.files()).code == 0
    hidden = set(hub.lines) - {5}
    assert said(verdict_on(hub.files(shown=hidden))) == [("untold", HUB_FOLDER, "1 of 4")]


def test_a_room_that_lost_its_end_and_says_so_needs_no_count():
    """The room's disk went with its last rows; the next start declares them."""
    one, two = room()
    two.lines.clear()
    again = Recorder(CTL, EPOCH2, ROOM)
    again.open(one)
    again.write("record.gap", {"epoch": EPOCH1, "from": 7, "to": 9, "cause": "lost"})
    again.seal(1, 2)

    report = verdict_on(again.files())
    assert ("no_tally", ROOM_FOLDER, "") in said(report, 0)
    assert report.code == 0


def test_a_gap_elsewhere_excuses_no_missing_count():
    one, _ = room()
    again = Recorder(CTL, EPOCH2, ROOM)
    again.open(one)
    again.write("record.gap", {"epoch": EPOCH1, "from": 1, "to": 1, "cause": "lost"})
    again.seal(1, 2)

    assert ("no_tally", ROOM_FOLDER, "") in said(verdict_on(again.files()))


# picture


START = "2026-05-07T01:00:"


def at(second: float) -> str:
    """A moment of the recorded minute."""
    return f"{START}{second:06.3f}Z"


def part(first: float, last: float, stream: str = "cam1"):
    """A segment event, and its file."""
    content = f"{stream} {first} {last}".encode()
    digest = hashlib.sha256(content).hexdigest()
    data = {
        "stream": stream,
        "first_at": at(first),
        "last_at": at(last),
        "sha256": digest,
        "bytes": len(content),
        "pts": [0, 1],
    }
    return (0, "media.segment", data), {f"data/av/{stream}/{digest}.mp4": content}


def gap(first: float, last: float, stream: str = "cam1"):
    data = {"stream": stream, "from_at": at(first), "to_at": at(last), "seconds": 1}
    return (0, "media.gap", data)


def recorded(*rows, begin=10.0, end=40.0, gaps=()):
    """The verdict on an evaluation from `begin` to `end` with these media rows."""
    one = Recorder(CTL, EPOCH1, ROOM, at=at(1))
    one.open()
    one.begin()
    files: dict[str, bytes] = {}
    events = [(begin, "phase.changed", {"to": "evaluating"})]
    for row in rows:
        event, more = row if isinstance(row[0], tuple) else (row, {})
        files.update(more)
        events.append(event)
    for when, kind, data in events:
        one.at = at(when)
        session = SESSION if kind == "phase.changed" else ""
        one.write(kind, data, session)
    one.at = at(end)
    one.end()
    for lost in gaps:
        one.write("record.gap", lost)
    one.seal(1, one.seq)
    gone = dict.fromkeys([*room()[1].files(), *media_files()])
    return verdict_on({**gone, **one.files(), **files})


def holes(report):
    """(stream, interval) of every undeclared hole."""
    return [
        (name.removeprefix("data/av/"), detail.removeprefix(f"{CTL} "))
        for key, name, detail in said(report)
        if key == "av_hole"
    ]


WHOLE = [part(5, 15), part(15, 25), part(25, 35), part(35, 45)]


def test_picture_from_the_start_to_the_end_is_whole():
    assert recorded(*WHOLE).code == 0


@pytest.mark.parametrize(
    ("rows", "hole"),
    [
        (WHOLE[1:], "2026-05-07T01:00:10Z..2026-05-07T01:00:15Z"),
        ([WHOLE[0], *WHOLE[2:]], "2026-05-07T01:00:15Z..2026-05-07T01:00:25Z"),
        (WHOLE[:3], "2026-05-07T01:00:35Z..2026-05-07T01:00:40Z"),
    ],
)
def test_a_hole_at_the_start_in_between_or_at_the_end_is_named(rows, hole):
    report = recorded(*rows)

    assert report.code == 3
    assert holes(report) == [("cam1", hole)]


def test_each_stream_of_a_room_is_asked_for():
    report = recorded(*WHOLE, part(5, 25, "cam2"))

    assert holes(report) == [("cam2", "2026-05-07T01:00:25Z..2026-05-07T01:00:40Z")]


def test_a_stream_that_was_on_without_a_segment_is_missing_whole():
    report = recorded(*WHOLE, (6, "recording.state", {"stream": "cam2", "state": "on"}))

    assert [name for name, _ in holes(report)] == ["cam2"]


def test_jitter_of_a_camera_is_no_hole():
    rows = [part(5, 15), part(16.4, 45)]

    assert recorded(*rows).code == 0
    assert recorded(part(5, 15), part(16.6, 45)).code == 3


@pytest.mark.parametrize(
    "word",
    [
        [gap(15, 25)],
        [(20, "media.lost", {"stream": "cam1", "from_at": at(15), "to_at": at(25)})],
        [(20, "media.lost", {"stream": "cam1", "seconds": 10})],
        [(20, "media.damaged", {"stream": "cam1", "name": "x", "bytes": 5})],
        [(20, "media.damaged", {"stream": "", "name": "x", "bytes": 5})],
        [
            (15, "recording.state", {"stream": "cam1", "state": "fault"}),
            (16, "recording.state", {"stream": "cam1", "state": "off"}),
            (25, "recording.state", {"stream": "cam1", "state": "on"}),
        ],
        [(20, "clock.fix", {"step_ms": -9000})],
    ],
)
def test_a_hole_the_room_spoke_of_is_none(word):
    rows = [WHOLE[0], *word, *WHOLE[2:]]

    assert holes(recorded(*rows)) == []


@pytest.mark.parametrize(
    "word",
    [
        [gap(15, 20)],
        [gap(15, 25, "cam2")],
        [(20, "media.lost", {"stream": "cam1", "seconds": 3})],
        [(15, "recording.state", {"stream": "cam1", "state": "on"})],
        [(20, "clock.fix", {"step_ms": 900})],
        [(50, "clock.fix", {"step_ms": 9000})],
        [(20, "clock.fix", {})],
    ],
)
def test_a_word_about_something_else_excuses_no_hole(word):
    rows = [WHOLE[0], *word, *WHOLE[2:]]

    assert "cam1" in [name for name, _ in holes(recorded(*rows))]


def test_a_lost_file_whose_segment_is_on_record_excuses_no_other_hole():
    event, _ = part(5, 15)
    lost = (20, "media.lost", {"stream": "cam1", "seconds": 10, "sha256": event[2]["sha256"]})

    assert holes(recorded(event, lost, *WHOLE[2:])) != []


def test_recording_that_never_came_back_is_declared():
    off = (35, "recording.state", {"stream": "cam1", "state": "fault"})

    assert recorded(*WHOLE[:3], off).code == 0


def test_one_loss_speaks_of_one_hole():
    lost = (20, "media.lost", {"stream": "cam1", "seconds": 10})
    rows = [part(5, 15), lost, part(25, 30)]

    assert holes(recorded(*rows)) == [("cam1", "2026-05-07T01:00:30Z..2026-05-07T01:00:40Z")]


def test_where_the_record_itself_has_a_declared_gap_picture_may_lie_in_it():
    lost = {"epoch": EPOCH1, "from": 90, "to": 99, "cause": "rotten"}

    assert holes(recorded(*WHOLE[:2], gaps=[lost])) == []


def test_before_the_start_and_without_an_end_nothing_is_asked_for():
    one = Recorder(CTL, EPOCH1, ROOM)
    one.open()
    one.begin()
    event, files = part(5, 15)
    one.write(event[1], event[2])
    one.end()
    one.seal(1, one.seq)
    gone = dict.fromkeys([*room()[1].files(), *media_files()])

    assert verdict_on({**gone, **one.files(), **files}).code == 0


def test_times_that_are_none_and_strange_media_rows_break_nothing():
    strange = [
        (0, "media.segment", {"stream": "cam1", "first_at": 5, "last_at": None, "sha256": "x"}),
        (0, "media.gap", {"stream": 5}),
    ]
    report = recorded(*WHOLE, *strange)

    assert holes(report) == []
    assert json.dumps([one.detail for one in report.items])
    assert "no_segment" in [key for _, key, _ in found(report)]

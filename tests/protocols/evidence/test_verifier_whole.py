"""A package shows every recorder's whole record: nothing is cut off, no epoch is passed over."""

from __future__ import annotations

import pytest

from tests.protocols.evidence.sample_package import (
    CTL,
    EPOCH1,
    EPOCH2,
    HUB,
    HUB_EPOCH,
    ROOM,
    SESSION,
    Recorder,
    compact,
    found,
    hub_stream,
    media_files,
    room,
    verdict_on,
)

ROOM_FOLDER = f"data/streams/{CTL}"
EPOCH3 = "5" * 32


def epochs(*recorders: Recorder, gone: int | None = None):
    """The verdict on a package with these epochs of the room, without audio and video."""
    old = dict.fromkeys([*room()[0].files(), *room()[1].files(), *media_files()])
    files = {**old}
    for number, recorder in enumerate(recorders):
        if number != gone:
            files.update(recorder.files())
    return verdict_on(files)


def three_epochs(*, declared: bool = False) -> list[Recorder]:
    """A day over three starts of the room."""
    one, two, three = (Recorder(CTL, epoch, ROOM) for epoch in (EPOCH1, EPOCH2, EPOCH3))
    one.open()
    one.begin()
    two.open(one)
    two.write("locker.unexplained", {"locker": 3}, SESSION)
    three.open(two)
    if declared:
        lost = {"epoch": EPOCH2, "from": 1, "to": 2, "cause": "rotten"}
        three.write("record.gap", lost)
    three.write("media.lost", {"stream": "cam1", "seconds": 5})
    three.end(one, two)
    for recorder in (one, two, three):
        recorder.seal(1, recorder.seq)
    return [one, two, three]


def test_a_day_over_several_starts_is_sound():
    assert epochs(*three_epochs()).code == 0


def test_an_epoch_left_out_in_between_is_missed():
    report = epochs(*three_epochs(), gone=1)

    assert (3, "epoch_missing", f"{ROOM_FOLDER}/{EPOCH3}") in found(report)
    assert report.code == 3


def test_an_epoch_that_was_declared_lost_is_not_missed():
    report = epochs(*three_epochs(declared=True), gone=1)

    assert report.code == 0
    assert "gap" in [item.key for item in report.items]


@pytest.mark.parametrize(("gone", "word"), [(0, "begin"), (2, "end")])
def test_a_record_cut_at_either_end_is_incomplete(gone, word):
    report = epochs(*three_epochs(), gone=gone)

    assert report.code == 3
    assert [item.detail for item in report.items if item.key == "cut"] == [word]


def test_a_stream_cut_by_whole_seals_is_incomplete():
    one = Recorder(CTL, EPOCH1, ROOM)
    one.open()
    one.write("media.lost", {"stream": "cam1", "seconds": 5})
    one.whole_session()
    one.seal(1, 3)
    whole = epochs(one)
    for seq in (4, 5):
        one.lines.pop(seq)

    assert whole.code == 2
    assert [item.key for item in epochs(one).items if item.verdict == 3] == ["cut", "no_tally"]


def test_the_hubs_record_belongs_to_every_package():
    report = verdict_on(dict.fromkeys(hub_stream().files()))

    assert (3, "no_hub", "data/streams") in found(report)


def test_a_rooms_record_belongs_to_every_package():
    report = epochs()

    assert (3, "no_room", "data/streams") in found(report)


def test_records_shown_by_their_hash_only_are_counted():
    assert (0, "hidden", ROOM_FOLDER) in found(verdict_on({}))
    assert (0, "hidden", f"data/streams/{HUB}") not in found(verdict_on({}))


def test_a_hidden_first_row_is_a_beginning_like_any_other():
    hub = hub_stream()
    files = hub.files(shown={2, 3, 4})

    assert HUB_EPOCH in next(iter(files))
    assert verdict_on(files).code == 0


@pytest.mark.parametrize("name", ["data/record/witness.json", "data/record/appraisal.json"])
@pytest.mark.parametrize("content", [{}, {"session": "s-another0000"}, {"session": 5}])
def test_a_record_of_another_session_is_altered(name, content):
    report = verdict_on({name: compact(content)})

    assert (report.code, report.first_bad) == (2, name)

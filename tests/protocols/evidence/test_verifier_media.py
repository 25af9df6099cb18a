"""Audio and video of a package: all that was recorded, nothing that was not."""

from __future__ import annotations

import pytest

from tests.protocols.evidence.sample_package import (
    CTL,
    EPOCH1,
    MANAGER_ID,
    ROOM,
    SEGMENTS,
    Recorder,
    found,
    hub_stream,
    media_files,
    order_raw,
    room,
    segment_data,
    verdict_on,
)
from tests.protocols.messages.wire_keys import (
    AT,
)

ONE = f"data/streams/{CTL}/{EPOCH1}"


# media


def with_media(*events, gone=()):
    """A first epoch with these media events; segments in `gone` are not in the package."""
    one = Recorder(CTL, EPOCH1, ROOM)
    one.open()
    for kind, data in events:
        one.write(kind, data)
    one.whole_session()
    one.seal(1, one.seq)
    _, two = room()
    dropped = dict.fromkeys([*two.files(), media_files()[1], *gone])
    return verdict_on({**dropped, **one.files()})


SEGMENT = segment_data(SEGMENTS[0])
NAME = media_files()[0]
LATER = AT.replace("03.004", "30.000")


@pytest.mark.parametrize(
    "lost",
    [
        ("media.lost", {"stream": "cam1", "seconds": 10, "sha256": SEGMENT["sha256"]}),
        ("media.damaged", {"sha256": SEGMENT["sha256"]}),
        ("media.gap", {"stream": "cam1", "from_at": AT, "to_at": LATER, "cause": "disk"}),
    ],
)
def test_a_segment_whose_loss_was_declared_changes_no_verdict_on(lost):
    report = with_media(("media.segment", SEGMENT), lost, gone=[NAME])

    assert report.code == 0
    assert (0, "av_gap", f"{ONE}/events.jsonl#3") in found(report)


@pytest.mark.parametrize(
    "lost",
    [
        ("media.lost", {"stream": "cam1", "seconds": 10}),
        ("media.lost", {"sha256": "f" * 64}),
        ("media.gap", {"stream": "cam2", "from_at": AT, "to_at": LATER}),
        ("media.gap", {"stream": "cam1", "from_at": LATER, "to_at": LATER}),
        ("media.gap", {"stream": "cam1", "from_at": AT, "to_at": AT}),
    ],
)
def test_a_loss_that_speaks_of_something_else_excuses_nothing(lost):
    report = with_media(("media.segment", SEGMENT), lost, gone=[NAME])

    assert (report.code, report.first_bad) == (3, NAME.removesuffix(".mp4"))


def test_a_segment_event_with_nonsense_is_missing_its_file():
    assert with_media(("media.segment", {"stream": 1, "sha256": ["x"]})).code == 3


def test_a_file_under_a_false_hash_is_altered():
    name = f"data/av/cam1/{'a' * 64}.mp4"

    assert verdict_on({name: b"not that"}).first_bad == name


def test_the_hub_stream_alone_has_no_audio_or_video():
    gone = dict.fromkeys([*room()[0].files(), *room()[1].files()])

    assert "no_av" in [item.key for item in verdict_on({**gone, **hub_stream().files()}).items]


def test_another_sessions_media_are_not_asked_for():
    one = Recorder(CTL, EPOCH1, ROOM)
    one.open()
    one.write("media.segment", segment_data(b"elsewhere"), "s-another0000")
    one.write("media.segment", SEGMENT)
    one.whole_session()
    one.seal(1, one.seq)

    gone = dict.fromkeys([*room()[1].files(), media_files()[1]])
    assert verdict_on({**gone, **one.files()}).code == 0


def test_the_manager_signs_as_himself():
    """The sample's acts stand; this guards the helpers of these tests."""
    report = verdict_on({})

    assert report.counts["acts"] == 4
    assert MANAGER_ID in order_raw().decode()

"""The recorder with a real ffmpeg: segments on the disk, gaps with a name, kills survived."""

from __future__ import annotations

import hashlib
import itertools
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge.clock import Clock
from edge.media import ffmpeg
from edge.media.recorder import Recorder, Source
from edge.media.spool import Spool

pytestmark = pytest.mark.system
WAIT_S = 30.0
SESSION = "s-0123456789ab"


class Told:
    """What the recorder told, in order, waited for by kind."""

    def __init__(self) -> None:
        self.items: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self.past: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, kind: str, data: dict[str, Any]) -> None:
        self.items.put((kind, data))

    def wait(self, kind: str) -> dict[str, Any]:
        while True:
            item = self.items.get(timeout=WAIT_S)
            self.past.append(item)
            if item[0] == kind:
                return item[1]

    def rest(self) -> list[tuple[str, dict[str, Any]]]:
        found = []
        while not self.items.empty():
            found.append(self.items.get_nowait())
        return found


@pytest.fixture
def told() -> Told:
    return Told()


Make = Callable[..., Recorder]


@pytest.fixture
def make(tmp_path: Path, told: Told) -> Iterator[Make]:
    made: list[Recorder] = []

    def recorder(*sources: Source, **changes: Any) -> Recorder:
        settings: dict[str, Any] = {
            "folder": tmp_path,
            "spool": Spool(tmp_path / "spool"),
            "sink": told,
            "clock": Clock(),
            "segment_s": 1,
            "mark": "c-0123456789ab",
        }
        made.append(Recorder(sources or (Source("table", "test:table"),), **(settings | changes)))
        return made[-1]

    yield recorder
    for one in made:
        one.stop()


def until(condition: Callable[[], bool]) -> None:
    """Waits for something outside this process, looking twenty times a second."""
    look = threading.Event()
    for _ in range(round(WAIT_S * 20)):
        if condition():
            return
        look.wait(0.05)
    raise AssertionError("the condition did not come true")


def at(data: dict[str, Any], name: str) -> datetime:
    return datetime.fromisoformat(data[name])


def ffmpeg_pid(tmp_path: Path, stream: str = "table") -> int:
    return int((tmp_path / "live" / stream / "pid").read_text())


def test_segments_follow_one_another_on_the_disk_under_their_hash(
    make: Make, told: Told, tmp_path: Path
) -> None:
    recorder = make()
    recorder.start(SESSION)
    segments = [told.wait("segment") for _ in range(3)]
    recorder.stop(SESSION)

    spool = Spool(tmp_path / "spool")
    for data in segments:
        content = spool.path(data["sha256"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == data["sha256"]
        assert len(content) == data["bytes"]
        kept = spool.get(data["sha256"])
        assert kept is not None
        assert kept.references == (SESSION,)
        assert ffmpeg.length_ms(spool.path(data["sha256"])) == data["pts"][1] - data["pts"][0]
    for before, after in itertools.pairwise(segments):
        assert before["pts"][1] == after["pts"][0]
        assert abs(at(after, "first_at") - at(before, "last_at")) < timedelta(milliseconds=50)
    assert ("recording", {"stream": "table", "state": "on", "reason": ""}) in told.past
    last = told.rest()
    assert last[0][0] == "segment", "the segment being written is closed, not thrown away"
    assert [kind for kind, _ in last].count("av_gap") == 0
    assert last[-1][1]["state"] == "off"


def test_two_streams_of_one_picture_are_two_contents(make: Make, told: Told) -> None:
    recorder = make(Source("table", "test:x"), Source("hall", "test:x"))
    recorder.start(SESSION)
    found: dict[str, str] = {}
    while len(found) < 2:
        data = told.wait("segment")
        found[data["stream"]] = data["sha256"]

    assert found["table"] != found["hall"]


def test_a_killed_ffmpeg_keeps_what_was_written_and_names_what_is_missing(
    make: Make, told: Told, tmp_path: Path
) -> None:
    recorder = make(segment_s=10)
    recorder.start(SESSION)
    told.wait("recording")
    live = tmp_path / "live" / "table"
    until(lambda: any(one.read_bytes().count(b"moof") >= 3 for one in live.glob("*.mp4")))

    os.kill(ffmpeg_pid(tmp_path), signal.SIGKILL)
    partial = told.wait("segment")
    recorder.stop(SESSION)
    told.wait("recording")

    assert partial["recovered"] is True
    assert partial["pts"][1] >= 2_000, "whole seconds up to the last key frame are there"


def test_a_source_that_stops_and_comes_back_leaves_a_gap_of_its_length(
    make: Make, told: Told, tmp_path: Path
) -> None:
    short = tmp_path / "short.mp4"
    picture = [*ffmpeg.input_of("test:door")[1:], "-t", "2", *ffmpeg.code_of("test:door")]
    subprocess.run([*ffmpeg.quiet(), *picture, str(short)], check=True)
    recorder = make(Source("door", str(short)))
    recorder.start(SESSION)

    first = told.wait("segment")
    while (data := told.wait("segment"))["pts"][0] != 0:
        first = data
    recorder.stop(SESSION)

    states = [data["state"] for kind, data in told.past if kind == "recording"]
    assert states[:2] == ["on", "fault"]
    gaps = [data for kind, data in told.past if kind == "av_gap"]
    missing = at(data, "first_at") - at(first, "last_at")
    assert sum(gap["seconds"] for gap in gaps) == pytest.approx(missing.total_seconds(), abs=1.0)


@pytest.mark.parametrize(
    ("codec", "magic", "export"),
    [("libx264", b"ftyp", None), ("mpeg4", b"\x1a\x45\xdf\xa3", True)],
)
def test_what_is_not_h264_stays_matroska_marked_for_export(
    make: Make, told: Told, tmp_path: Path, *, codec: str, magic: bytes, export: bool | None
) -> None:
    camera = tmp_path / "camera.mkv"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10", "-t", "8", "-g", "10"]
    subprocess.run([*ffmpeg.quiet(), *picture, "-c:v", codec, str(camera)], check=True)
    recorder = make(Source("door", str(camera)))
    recorder.start("s-1")
    segment = told.wait("segment")
    assert segment.get("export") is export
    content = recorder._spool.path(segment["sha256"]).read_bytes()
    assert magic in content[:8]
    recorder.stop("s-1")


def test_a_source_that_never_answers_is_a_fault_and_a_gap_from_the_first_try(
    make: Make, told: Told, tmp_path: Path
) -> None:
    recorder = make(Source("door", str(tmp_path / "nothing.mp4")))
    recorder.start(SESSION)
    assert told.wait("recording")["state"] == "fault"
    assert recorder.status()[0].state == "fault"
    began = Clock().mono_ms()
    until(lambda: Clock().mono_ms() > began + 1_200)
    recorder.stop(SESSION)

    gap = told.wait("av_gap")

    assert gap["seconds"] >= 1
    assert not list(tmp_path.glob("spool/*/*.mp4"))


def test_a_full_disk_stops_recording_and_does_not_spin(make: Make, told: Told) -> None:
    recorder = make(free_bytes_min=2**62)
    recorder.start(SESSION)

    said = told.wait("recording")

    assert (said["state"], said["reason"]) == ("fault", "disk_full")
    assert told.items.empty()


def test_a_disk_that_becomes_full_stops_a_recording_that_runs(
    make: Make, told: Told, tmp_path: Path
) -> None:
    """An evaluation lasts for hours, and what is left belongs to the journal."""

    class Filling(Spool):
        left = 2**62

        def free(self) -> int:
            return self.left

    spool = Filling(tmp_path / "spool")
    make(spool=spool, free_bytes_min=2**30).start(SESSION)
    told.wait("segment")

    spool.left = 2**30 - 1

    said = next(one for _ in range(20) if (one := told.wait("recording"))["state"] != "on")
    assert (said["state"], said["reason"]) == ("fault", "disk_full")
    assert [kind for kind, _ in told.past].count("segment") == len(spool.all())
    assert not list(tmp_path.glob("table/*.mp4")), "what was being written is kept too"


def test_a_folder_that_is_gone_is_a_fault_and_recorded_again_when_it_is_back(
    make: Make, told: Told, tmp_path: Path
) -> None:
    recorder = make()
    gone = (tmp_path / "spool").rename(tmp_path / "elsewhere")
    recorder.start(SESSION)
    said = told.wait("recording")
    assert said["state"] == "fault"
    assert said["reason"].startswith("disk: ")

    gone.rename(tmp_path / "spool")

    assert told.wait("recording")["state"] == "on"


def test_a_fault_of_ours_never_looks_like_a_camera_that_is_recorded(
    make: Make, told: Told, tmp_path: Path
) -> None:
    class Faulty(Spool):
        def free(self) -> int:
            raise ValueError("ours")

    recorder = make(spool=Faulty(tmp_path / "spool"))
    recorder.start(SESSION)
    said = told.wait("recording")
    assert (said["state"], said["reason"]) == ("fault", "ValueError: ours")


CONTROLLER = """
import sys, threading
from pathlib import Path
from edge.clock import Clock
from edge.media.recorder import Recorder, Source
from edge.media.spool import Spool
folder = Path(sys.argv[1])
recorder = Recorder([Source("table", "test:table")], folder=folder, spool=Spool(folder / "spool"),
                    sink=lambda kind, data: print(kind, data.get("sha256", ""), flush=True),
                    clock=Clock(), segment_s=2, mark="c")
recorder.start("s-0123456789ab")
threading.Event().wait()
"""


def test_after_the_controller_is_killed_everything_is_told_again_and_the_pause_is_a_gap(
    make: Make, told: Told, tmp_path: Path
) -> None:
    controller = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert controller.stdout is not None
    seen: list[str] = []
    while len(seen) < 2:
        kind, _, sha256 = controller.stdout.readline().strip().partition(" ")
        seen += [sha256] if kind == "segment" else []
    orphan = ffmpeg_pid(tmp_path)
    controller.kill()
    controller.wait(WAIT_S)
    controller.stdout.close()

    recorder = make(segment_s=2)
    recorded = {
        seen[0]: {
            "stream": "table",
            "first_at": "2026-11-24T00:00:00.000Z",
            "last_at": "2026-11-24T00:00:02.000Z",
        }
    }
    recorder.recover(recorded)
    recovered = [data for kind, data in told.rest() if kind == "segment"]
    recorder.start(SESSION)
    resumed = told.wait("segment")
    recorder.stop(SESSION)

    assert recovered[0]["sha256"] == seen[1], "in the spool, not in the journal"
    assert all(data["recovered"] for data in recovered)
    assert (
        not Path(f"/proc/{orphan}/cmdline").exists()
        or not Path(f"/proc/{orphan}/cmdline").read_bytes()
    ), "its ffmpeg ended with it"
    gaps = [data for kind, data in told.past if kind == "av_gap"]
    missing = at(resumed, "first_at") - at(recovered[-1], "last_at")
    if missing >= timedelta(seconds=1):
        assert gaps[0]["seconds"] == pytest.approx(missing.total_seconds(), abs=1.0)


def test_a_recorded_segment_that_is_gone_before_it_was_sent_is_named_once(
    make: Make, told: Told, tmp_path: Path
) -> None:
    recorder = make()
    recorder.start(SESSION)
    data = told.wait("segment")
    recorder.stop(SESSION)
    told.rest()
    spool = Spool(tmp_path / "spool")
    recorded = {kept.sha256: {**kept.about, "sha256": kept.sha256} for kept in spool.all()}
    spool.path(data["sha256"]).write_bytes(b"rotten")

    make().recover(recorded)
    lost = [item for kind, item in told.rest() if kind == "segment_lost"]
    make().recover(recorded)

    assert [(one["sha256"], one["seconds"]) for one in lost] == [(data["sha256"], 1)]
    assert told.rest() == []


def test_the_note_of_a_released_segment_goes_with_the_row_that_speaks_of_it(
    make: Make, told: Told, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool")
    (tmp_path / "one").write_bytes(b"one")
    about = {"stream": "table", "first_at": "2026-11-24T00:00:00.000Z"}
    kept = spool.take(tmp_path / "one", about | {"last_at": "2026-11-24T00:00:02.000Z"}, ["s-1"])
    spool.uploaded(kept.sha256)
    spool.release(kept.sha256, "pk-1")

    make().recover({kept.sha256: {**kept.about, "sha256": kept.sha256}})
    assert Spool(tmp_path / "spool").get(kept.sha256) is not None
    make().recover({})

    assert Spool(tmp_path / "spool").all() == []
    assert told.rest() == [], "neither lost nor recovered"


def test_a_leftover_without_a_picture_is_kept_and_named(
    make: Make, told: Told, tmp_path: Path
) -> None:
    recorder = make()
    leftover = tmp_path / "live" / "table" / "1-000000.mp4"
    leftover.write_bytes(b"\x00" * 500)

    recorder.recover({})

    assert told.rest() == [
        ("segment_damaged", {"stream": "table", "name": leftover.name, "bytes": 500})
    ]
    assert leftover.with_suffix(".damaged").stat().st_size == 500

"""The recorder: one ffmpeg per stream, watched; every second of picture kept or named as missing.

A segment counts when it is on the disk: file and folder synced, hashed by reading it back, moved
into the spool, and only then told. What is told goes through `sink(kind, data)`:

* `segment {stream, first_at, last_at, sha256, bytes, pts, recovered}`, `pts` = [first, last] in ms,
  and `export: true` where the picture is not H.264: Matroska, for somebody to export;
* `segment_damaged {stream, name, bytes}`: a file was there and no picture could be read of it;
* `segment_lost {stream, sha256, seconds}`: recorded, not sent, and gone from the disk;
* `av_gap {stream, from_at, to_at, seconds}`: no picture for that time, whatever the cause;
* `recording {stream, state}`: `on`, `off`, `fault`; a picture that is black or does not move is a
  fault too, and is recorded all the same; `on` with the reason `no_box` is recorded by tools that
  are not shut in (`edge.media.sandbox`).

Durations are measured on the monotonic clock; the wall clock only dates them.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.media import ffmpeg, picture, sandbox
from edge.media.spool import Kept, Spool, sync
from edge.media.timeline import GAP_MS, ClockPort, Growth, Timeline, age_s, whole_seconds

BACKOFF_S = (0.2, 1.0, 3.0, 10.0, 30.0)  # a camera being restarted is back soon, a broken one not
STALL_S = 6.0  # bytes stop for longer than any key-frame distance: the source is dead
LOOK_S = 0.5  # between two looks at the growing file
STOP_S = 5.0  # ffmpeg closes its last segment on SIGTERM within milliseconds
FREE_BYTES_MIN = 512 * 1024**2  # below this the journal's space would be next
NAME_MAX = 128  # of a leftover file, in an event
FULL = "disk_full"
NO_BOX = "no_box"
log = logging.getLogger("evalroom.edge.recorder")

Sink = Callable[[str, dict[str, Any]], None]


@dataclass(slots=True)
class Status:
    """Health of one stream, by what is on the disk.

    Args:
        stream: its id.
        state: `on`, `off` or `fault`.
        reason: why not `on`; empty when on.
        grown_ms: mono time when its file last grew, 0 for never.
        segments: closed since the start of the program.
        written: bytes in closed segments since then.
    """

    stream: str
    state: str = "off"
    reason: str = "not_started"
    grown_ms: int = 0
    segments: int = 0
    written: int = 0


class StreamRecorder:
    """One stream: its ffmpeg, its thread, its folder of segments being written."""

    def __init__(
        self,
        stream: str,
        source: str,
        *,
        folder: Path,
        spool: Spool,
        sink: Sink,
        clock: ClockPort,
        segment_s: int,
        mark: str,
        sessions: set[str],
        free_min: int,
        boxed: bool,
    ) -> None:
        self.status = Status(stream)
        self.source = source
        self.folder = folder / "live" / stream
        self.folder.mkdir(parents=True, exist_ok=True)
        self._spool, self._sink, self._clock = spool, sink, clock
        self._segment_s, self._mark, self._sessions = segment_s, mark, sessions
        self._free_min, self._boxed = free_min, boxed
        self._timeline = Timeline(clock)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._seen: bytes | None = None
        self._wrong = ""
        self._suffix = ""

    @property
    def stream(self) -> str:
        """The stream's id."""
        return self.status.stream

    def start(self, *, resumed: bool) -> None:
        """Begins recording in a thread of its own; twice is once.

        Args:
            resumed: the session was being recorded before, so the time between is missing picture.
        """
        if self._thread is not None:
            return
        self._stop.clear()
        self._timeline = Timeline(self._clock, end_ms=self._timeline.end_ms if resumed else None)
        self._thread = threading.Thread(target=self._run, name=f"record.{self.stream}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends recording; the last segment, or what is missing at the end, is told on return."""
        if self._thread is None:
            return
        # Nothing is missing of the time that the last frames take to close.
        asked = self._clock.mono_ms()
        self._stop.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
        self._thread.join(STOP_S * 2)
        self._thread = None
        end = self._timeline.end_ms
        if end is not None and asked - end > GAP_MS:
            self._tell_gap(end, asked)
        self._timeline.end_ms = None
        self._say("off", "stopped")

    def recover(self, last_at: datetime | None) -> None:
        """Takes in what a killed recorder left in the folder, readable or not.

        Args:
            last_at: end of the last recorded segment of this stream, None when there is none.
        """
        if last_at is not None:
            ago = self._clock.wall() - last_at
            self._timeline.end_ms = self._clock.mono_ms() - round(ago.total_seconds() * 1000)
        self._end_orphan()
        if self._may_run():
            self._take_leftovers()

    def _run(self) -> None:
        """The stream's loop: record, and after each death wait a little longer."""
        while not self._stop.is_set():
            began = self._clock.mono_ms()
            reason = self._try()
            full = reason == FULL  # as long as it is, no source is asked at all
            if self._timeline.end_ms is None and not full:
                # A source that gave nothing is missing from when it was first asked.
                self._timeline.end_ms = began
            if self._stop.is_set():
                return
            self._suffix = ""  # what comes back may be another camera
            self._say("fault", reason)
            last = len(BACKOFF_S) - 1
            self._stop.wait(BACKOFF_S[last if full else min(self._failures, last)])
            self._failures += not full

    def _try(self) -> str:
        """Records until it ends; returns why. Whatever fails is told and tried again."""
        try:
            return FULL if self._spool.free() < self._free_min else self._record_once()
        except OSError as error:
            # The disk, not the source: what was written stays where it is for the next try.
            return f"disk: {error}"[:NAME_MAX]
        except Exception as error:
            # The loop's edge: a fault of ours must not look like a camera that is being recorded.
            log.exception("the recording of %s failed", self.stream)
            return f"{type(error).__name__}: {error}"[:NAME_MAX]

    def _record_once(self) -> str:
        """Runs ffmpeg until it ends; returns why."""
        if not self._may_run():
            return f"{NO_BOX}: {sandbox.missing()}"[:NAME_MAX]
        self._take_leftovers()
        self._timeline.new_run()
        self._seen, self._wrong = None, ""
        run = f"{self._clock.mono_ms():x}"
        try:
            self._suffix = self._suffix or ffmpeg.suffix_of(self.source)
            command = ffmpeg.record(
                self.source,
                pattern=self.folder / f"{run}-%06d{self._suffix or '.mp4'}",
                segment_s=self._segment_s,
                mark=f"{self._mark}/{self.stream}/{run}",
            )
        except (ffmpeg.MediaError, OSError, subprocess.SubprocessError) as error:
            return f"no_source: {error}"[:NAME_MAX]
        with (self.folder / "ffmpeg.log").open("wb") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        self._process = process
        (self.folder / "pid").write_text(str(process.pid), encoding="ascii")
        if self._stop.is_set():
            process.terminate()
        try:
            reason = self._follow(process, run)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
            self._process = None
        self._take_leftovers()
        return reason

    def _may_run(self) -> bool:
        """Where the box is a must, no tool is started without one."""
        return not (self._boxed and sandbox.missing())

    def _follow(self, process: subprocess.Popen[bytes], run: str) -> str:
        """Takes segments as they are closed; ends a recorder whose file stops growing."""
        if process.stdout is None:
            return "no_output"
        looked = Growth(self.folder, run, self._clock)
        note = NO_BOX if sandbox.missing() else ""
        rest = b""
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while True:
                if ready.select(LOOK_S):
                    data = os.read(process.stdout.fileno(), 65_536)
                    if not data:
                        return "source_ended"
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        self._take(ffmpeg.parse_closed(line.decode(errors="replace")))
                if looked.grew():
                    self.status.grown_ms = self._clock.mono_ms()
                    self._say("fault" if self._wrong else "on", self._wrong or note)
                if looked.age_s() > STALL_S:
                    return "source_stalled"
                if self._spool.free() < self._free_min:
                    return FULL

    def _take(self, closed: ffmpeg.Closed | None) -> None:
        if closed is None or not (self.folder / closed.name).exists():
            return
        self._failures = 0
        self._keep(self.folder / closed.name, closed)

    def _keep(self, path: Path, closed: ffmpeg.Closed) -> None:
        first, last, missing = self._timeline.place(closed)
        if missing:
            self._tell_gap(first - missing, first)
        frames = picture.key_frames(path)
        self._wrong = picture.verdict(frames, self._seen)
        self._seen = frames[-1] if frames else None
        self._tell_segment(path, first, last, [closed.start_ms, closed.end_ms], recovered=False)

    def _tell_segment(
        self, path: Path, first_ms: int, last_ms: int, pts: list[int], *, recovered: bool
    ) -> None:
        about: dict[str, Any] = {
            "stream": self.stream,
            "first_at": self._timeline.at(first_ms),
            "last_at": self._timeline.at(last_ms),
            "pts": pts,
        }
        if path.suffix != ".mp4":
            about["export"] = True
        kept = self._spool.take(path, about, self._sessions)
        self.status.segments += 1
        self.status.written += kept.size
        # Of this recording, even where the same bytes lay in the spool before.
        data = segment_data(kept, recovered=recovered)
        self._sink("segment", {**data, **about})

    def _tell_gap(self, from_ms: int, to_ms: int) -> None:
        at = self._timeline.at
        span = {"from_at": at(from_ms), "to_at": at(to_ms)}
        missing = {"seconds": whole_seconds(to_ms - from_ms)}
        self._sink("av_gap", {"stream": self.stream, **span, **missing})

    def _take_leftovers(self) -> None:
        for path in sorted(self.folder.glob("*.m[pk][4v]")):
            self._take_leftover(path)

    def _take_leftover(self, path: Path) -> None:
        """A segment nobody closed: kept as far as it can be read, dated by when it last grew."""
        size = path.stat().st_size
        length = ffmpeg.length_ms(path) if size else 0
        if not length:
            # Kept beside the others for a person to look at; it has no picture we could promise.
            path.rename(path.with_suffix(".damaged"))
            name = path.name[:NAME_MAX]
            self._sink("segment_damaged", {"stream": self.stream, "name": name, "bytes": size})
            return
        last = self._clock.mono_ms() - round(max(0.0, age_s(path)) * 1000)
        end = self._timeline.end_ms
        if end is not None and last - length - end >= GAP_MS:
            self._tell_gap(end, last - length)
        self._timeline.end_ms = last
        self._tell_segment(path, last - length, last, [0, length], recovered=True)

    def _end_orphan(self) -> None:
        """Ends an ffmpeg of an earlier controller that still writes into this folder."""
        pid_file = self.folder / "pid"
        try:
            pid = int(pid_file.read_text(encoding="ascii"))
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if str(self.folder).encode() in command:
                handle = os.pidfd_open(pid)
                signal.pidfd_send_signal(handle, signal.SIGKILL)
                with selectors.DefaultSelector() as gone:
                    gone.register(handle, selectors.EVENT_READ)
                    gone.select(STOP_S)
                os.close(handle)
        except (OSError, ValueError):
            return

    def _say(self, state: str, reason: str) -> None:
        changed = state != self.status.state
        self.status.state, self.status.reason = state, reason
        if changed:
            self._sink("recording", {"stream": self.stream, "state": state, "reason": reason})


def segment_data(kept: Kept, *, recovered: bool) -> dict[str, Any]:
    """The data of `segment` for a content of the spool."""
    return {**kept.about, "sha256": kept.sha256, "bytes": kept.size, "recovered": recovered}


@dataclass(frozen=True, slots=True)
class Source:
    """A stream to record: its id in events and where it comes from."""

    stream: str
    source: str


class Recorder:
    """All streams of a room.

    Args:
        sources: what to record.
        folder: on the disk for video; `live/`, `spool/` and test pictures lie in it.
        spool: where finished segments go.
        sink: see the module's docstring; called from the streams' threads, may block.
        clock: monotonic and wall.
        segment_s: 2 to 10.
        mark: this controller's id, written into each file.
        free_bytes_min: recording stops, loudly, when less is free.
        boxed: where this machine cannot give the tools their box, nothing is recorded.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        *,
        folder: Path,
        spool: Spool,
        sink: Sink,
        clock: ClockPort,
        segment_s: int = 10,
        mark: str = "",
        free_bytes_min: int = FREE_BYTES_MIN,
        boxed: bool = False,
    ) -> None:
        if not 1 <= segment_s <= 10:  # noqa: PLR2004 - WIRE §8: at most 10 s
            raise ffmpeg.MediaError(f"segment_s: expected 1 to 10, got {segment_s}")
        self.sessions: set[str] = set()
        self._spool, self._sink = spool, sink
        self._resumed: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        self._sessions_file = folder / "sessions"
        self.streams = [
            StreamRecorder(
                one.stream,
                one.source,
                folder=folder,
                spool=spool,
                sink=sink,
                clock=clock,
                segment_s=segment_s,
                mark=mark,
                sessions=self.sessions,
                free_min=free_bytes_min,
                boxed=boxed,
            )
            for one in sources
        ]

    def recover(self, recorded: Mapping[str, Mapping[str, Any]]) -> None:
        """Squares the disk with the journal after a start; before `start`.

        Args:
            recorded: data of every `media.segment` in the journal, by sha256.
        """
        self._resumed = self._read_sessions()
        self.sessions |= self._resumed
        last_at = {str(data["stream"]): str(data["last_at"]) for data in recorded.values()}
        for kept in self._spool.all():
            if kept.sha256 in recorded:
                continue
            if kept.gone or not self._spool.path(kept.sha256).exists():
                self._spool.forget(kept.sha256)
            elif kept.about:
                last_at[kept.about["stream"]] = kept.about["last_at"]
                self._sink("segment", segment_data(kept, recovered=True))
            else:
                # Its note was lost: nobody can say whose picture it is, so a person must look.
                name = self._spool.path(kept.sha256).name
                self._sink("segment_damaged", {"stream": "", "name": name, "bytes": kept.size})
        for stream in self.streams:
            last = last_at.get(stream.stream)
            stream.recover(datetime.fromisoformat(last) if last else None)
        for sha256, data in recorded.items():
            self._tell_if_lost(sha256, data)
        self.sessions -= self._resumed

    def start(self, session: str = "") -> None:
        """Records all streams, for this session too; what runs goes on."""
        resumed = session in self._resumed
        if session:
            self.sessions.add(session)
            self._write_sessions()
        for stream in self.streams:
            stream.start(resumed=resumed)

    def stop(self, session: str = "") -> None:
        """A session needs no more picture; recording ends with the last one. `""` ends it all."""
        self.sessions.discard(session)
        if self.sessions and session:
            self._write_sessions()
            return
        for stream in self.streams:
            stream.stop()
        self.sessions.clear()
        self._write_sessions()

    def halt(self) -> None:
        """The program ends, the sessions do not: the next start measures what is missing."""
        for stream in self.streams:
            stream.stop()

    def status(self) -> list[Status]:
        """Health of every stream by bytes on the disk."""
        return [stream.status for stream in self.streams]

    def _tell_if_lost(self, sha256: str, data: Mapping[str, Any]) -> None:
        kept = self._spool.get(sha256)
        if kept is not None and (kept.gone or kept.uploaded or self._spool.sound(sha256)):
            return
        first, last = (datetime.fromisoformat(str(data[name])) for name in ("first_at", "last_at"))
        seconds = whole_seconds(round((last - first).total_seconds() * 1000))
        self._spool.account_for_loss(sha256)
        lost = {"stream": data["stream"], "sha256": sha256, "seconds": seconds}
        self._sink("segment_lost", lost)

    def _read_sessions(self) -> set[str]:
        try:
            return set(self._sessions_file.read_text(encoding="utf-8").split())
        except FileNotFoundError:
            return set()

    def _write_sessions(self) -> None:
        half = self._sessions_file.with_suffix(".new")
        half.write_text("\n".join(sorted(self.sessions)), encoding="utf-8")
        sync(half)
        half.replace(self._sessions_file)

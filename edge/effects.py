"""Carries out what the room decided; returns at once, the slow things in a thread of their own.

Nothing here decides. What could not be done comes back as a reading, so that it is on the record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from edge.clock import iso_ms
from edge.devices import Device, DeviceError, LockBoard
from edge.inbox import Inbox, Observed
from edge.media.recorder import Recorder
from edge.media.spool import Spool
from edge.room import (
    Clip,
    Effect,
    Pulse,
    Record,
    Remote,
    Reset,
    SelfTest,
    Sound,
    WipeSecrets,
)

log = logging.getLogger("evalroom.edge.effects")


@dataclass(slots=True)
class Effects:
    """The hands of the room.

    Args:
        wall: UTC now, the clock that segments are stamped with.
        forget: each wipes a closed session's secrets; set once the intake stands.
        remote: carries out what the hub asked of the controller itself (`edge.remote`).
    """

    board: LockBoard
    devices: Sequence[Device]
    recorder: Recorder
    spool: Spool
    inbox: Inbox
    wall: Callable[[], datetime]
    forget: Sequence[Callable[[str], None]] = ()
    remote: Callable[[Remote], None] = lambda _effect: None
    sound: str = ""
    _slow: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="slow")
    )

    def run(self, effect: Effect) -> None:
        """Starts one effect."""
        if isinstance(effect, Pulse):
            self._pulse(effect)
        elif isinstance(effect, Record):
            self.record(effect.session, on=effect.on)
        elif isinstance(effect, SelfTest):
            self.later("selftest", self._selftest)
        elif isinstance(effect, Reset):
            self.later(f"reset {effect.device}", lambda: self._reset(effect.device))
        elif isinstance(effect, Clip):
            self.later("clip", lambda: self._mark(effect, self.wall()))
        elif isinstance(effect, WipeSecrets):
            for forget in self.forget:
                forget(effect.session)
        elif isinstance(effect, Remote):
            self.remote(effect)
        elif isinstance(effect, Sound):
            self.sound = effect.name

    def record(self, session: str, *, on: bool) -> None:
        """Starts or stops recording for a session."""
        word, act = ("on", self.recorder.start) if on else ("off", self.recorder.stop)
        self.later(f"recording {word}", lambda: act(session))

    def close(self) -> None:
        """Waits for what is being done, takes nothing more."""
        self._slow.shutdown(wait=True, cancel_futures=True)

    def later(self, what: str, act: Callable[[], None]) -> None:
        """Does it in the slow thread; what fails there is on the record.

        Args:
            what: names it in the record.
            act: may take its time.
        """

        def work() -> None:
            try:
                act()
            except Exception as error:
                # The edge of the slow thread: whatever it is becomes an event, not a lost future.
                log.exception("%s failed", what)
                data = {"what": what, "reason": f"{type(error).__name__}: {error}"[:300]}
                about = {"type": "effect.failed", "session": "", "data": data}
                self.inbox.put(Observed("system", about))

        self._slow.submit(work)

    def _pulse(self, pulse: Pulse) -> None:
        try:
            self.board.open(pulse.lock)
        except DeviceError:
            # The loop itself runs this: were it to wait for room in its own queue, it would hang.
            told = Observed("pulse", {"lock": pulse.lock, "outcome": "no_answer"})
            self.later("pulse", lambda: self.inbox.put(told))

    def _selftest(self) -> None:
        results = []
        for device in self.devices:
            found = device.selftest()
            results.append(
                {
                    "device": device.device,
                    "ok": bool(found.get("ok")),
                    "detail": str(found.get("detail", "")),
                }
            )
        free = self.spool.free()
        results.append({"device": "disk", "ok": free > 0, "detail": f"{free} bytes free"})
        self.inbox.put(Observed("selftest", {"results": results}))

    def _reset(self, name: str) -> None:
        for device in self.devices:
            if device.device == name:
                device.close()
                device.start()

    def _mark(self, clip: Clip, at: datetime) -> None:
        """What is recorded around a mark goes first."""
        first, last = at - timedelta(seconds=clip.from_s), at + timedelta(seconds=clip.to_s)
        self.spool.mark(iso_ms(first), iso_ms(last))

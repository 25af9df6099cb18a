"""One room in virtual time: the real rules, fed what its rim would tell, when it would tell it.

The cadences are the drivers' own constants; where a driver's logic is separable (debouncing, the
ladder, the space, the picture) it is the driver's own code. Healthy stretches are skipped: a tick
of the loop is stepped only while something may become due. `full` steps every tick and every
single missed answer as well; the findings have to be the same.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml

from edge.clock import iso_ms
from edge.clock_probe import FIRST_S, TELL_MS, offset
from edge.clock_probe import FIRST_S as LOOK_CLOCK_S
from edge.drivers import gpio_inputs, idcard, ld2410, megatec, port
from edge.drivers.contact import Debounce
from edge.drivers.doors import ANSWER_MS, POLL_MS
from edge.media import picture
from edge.media.ffmpeg import TIMEOUT_US
from edge.media.recorder import BACKOFF_S, LOOK_S, STALL_S
from edge.network import CONNECT_S, ECHO_MS_MAX, FAILED_MIN, PROBE_S, Probe, Steadied
from edge.pipe import HURRY_S
from edge.room import Effect, Input, SelfTest, decide, sense
from edge.runtime import TICK_MS
from edge.space import LOOK_S as SPACE_S
from edge.space import LOW_BYTES, SpaceProbe, reading
from edge.system_probe import ANSWER_S
from edge.system_probe import PROBE_S as SYSTEM_S
from protocols.policy.faults import AGREE_S
from protocols.policy.pack import Pack
from protocols.policy.room_model import DeviceConfig, RoomConfig, RoomState
from protocols.policy.room_state import apply, initial
from tests.detect.labels import MINUTE, Label, S

START = datetime(2026, 3, 2, tzinfo=UTC)
PACKS = Path(__file__).parents[2] / "protocols" / "policy" / "packs"
LOSS = 0.02
JITTER_MS = 500
BOTH_WAYS = 1 - (1 - LOSS) ** 2
PING_MS = 5 * S
SEGMENT_MS, KEY_MS = 10 * S, 2 * S
SESSION = "s-0123456789ab"


@cache
def pack() -> Pack:
    return Pack.parse(yaml.safe_load((PACKS / "hubei-2020.yaml").read_text(encoding="utf-8")))


@cache
def held_times() -> tuple[int, ...]:
    """Every time for which something has to hold before a rule says so."""
    faults = pack().faults
    kinds = (faults.power, faults.network, faults.device, faults.station, faults.system, faults.av)
    rules = {held for one in kinds for held in (one.raise_s, one.clear_s)}
    return tuple(sorted({*rules, AGREE_S, pack().seat.clear_s, faults.unstable.window_s}))


def config(ctl: str) -> RoomConfig:
    """What `edge.app.room_config` makes of a room with one seat and one camera."""
    devices = [("idcard", "idcard"), ("locker", "lockboard"), ("ups", "ups"), ("gpio", "gpio")]
    return RoomConfig(
        ctl=ctl,
        place=f"place-{ctl}",
        stations=(1,),
        lockers=(1,),
        item_sensor=False,
        streams=("room",),
        devices=tuple(DeviceConfig(*one) for one in (*devices, ("radar1", "radar"))),
    )


def _looks(first: float, times: int) -> list[float]:
    """Moments of looks that fail one after the other."""
    return [first + n * (PROBE_S + CONNECT_S) * S for n in range(times)]


@dataclass(frozen=True, slots=True)
class Row:
    """One event the room wrote."""

    at_ms: int
    type: str
    session: str
    data: dict[str, Any]


@dataclass
class RoomLine:
    """A room over a run; `rows` is its journal."""

    ctl: str
    faults: Sequence[Label]
    seed: int
    end_ms: int
    session: str = SESSION
    full: bool = False
    state: RoomState = field(init=False)
    rows: list[Row] = field(default_factory=list)
    ticks: int = 0
    now_ms: int = 0

    def __post_init__(self) -> None:
        self.state = initial(config(self.ctl))
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._chance = random.Random(f"{self.seed}{self.ctl}")  # noqa: S311
        self._boot_ms, self._up = 0, True
        self._due: set[int] = set()
        self._mains = Debounce(on_ms=gpio_inputs.MAINS_BACK_MS, off_ms=gpio_inputs.MAINS_LOST_MS)
        self._steady, self._told_offset, self._free = Steadied(), 0, 10 * LOW_BYTES
        self._space = SpaceProbe(lambda: self._free, self._device_word)
        self._real: set[str] = set()

    # -- time ------------------------------------------------------------------------------------
    def at(self, at_ms: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (round(at_ms), next(self._count), act))

    def run(self) -> list[Row]:
        self._begin()
        for label in self.faults:
            self._plan(label)
        self._noise()
        if self.full:
            self._always()
        while self._heap and self._heap[0][0] <= self.end_ms:
            self.now_ms, _, act = heapq.heappop(self._heap)
            act()
        return self.rows

    def feed(self, kind: str, data: dict[str, Any] | None = None) -> tuple[Effect, ...]:
        if not self._up:
            return ()
        at = iso_ms(START + timedelta(milliseconds=self.now_ms))
        inp = Input(kind, data or {}, self.now_ms - self._boot_ms, at)
        self.state = sense(self.state, inp, pack=pack())
        drafts, effects = decide(self.state, inp, pack=pack())
        for one in drafts:
            self._fold(one.type, one.session, one.data, inp)
        if kind != "tick" or drafts:
            self._watch()
        return effects

    def _fold(self, kind: str, session: str, data: dict[str, Any], inp: Input) -> None:
        self.rows.append(Row(self.now_ms, kind, session, data))
        self.state = apply(
            self.state,
            kind,
            session,
            data,
            seq=self.state.seq + 1,
            mono_ms=inp.mono_ms,
            at=inp.at,
            epoch="e",
        )

    def _watch(self) -> None:
        """Ticks at which something that has just changed will have held for long enough."""
        for held_s in held_times():
            due = -(-(self.now_ms + held_s * S) // TICK_MS) * TICK_MS
            if due not in self._due and not self.full:
                self._due.add(due)
                self.at(due, self._tick)

    def _tick(self) -> None:
        self._due.discard(self.now_ms)
        self.ticks += 1
        self.feed("tick")
        if self.full:
            self.at(self.now_ms + TICK_MS, self._tick)

    # -- the room as it begins -------------------------------------------------------------------
    def _begin(self) -> None:
        prepared = {
            "booking": "2026-0302-01",
            "kind": "evaluation",
            "start_at": iso_ms(START),
            "org": "changsha",
            "role": "guest",
            "home_org": "hubei",
            "venues": [],
            "members": [],
            "pack_hash": pack().hash,
            "plan": {"generation": 1, "n": 1, "hash": "0" * 64},
        }
        inp = Input("tick", {}, 0, iso_ms(START))
        self._fold("session.prepared", self.session, prepared, inp)
        for before, to in (("prepared", "check_in"), ("check_in", "evaluating")):
            moved = {"from": before, "to": to, "by": "order", "order": ""}
            self._fold("phase.changed", self.session, moved, inp)
        self._start()

    def _start(self) -> None:
        """The program starts; every driver's first words."""
        begun = self.feed("started", {"software": "0.1.0", "config_hash": "00"})
        boards = ("idcard", "locker", "ups", "radar1")
        if any(isinstance(one, SelfTest) for one in begun):
            asked = [{"device": one, "ok": one not in self._real, "detail": ""} for one in boards]
            self.feed("selftest", {"results": asked})
        self._mains.state = None
        self._poll_mains()
        self._ups()
        self._steady = Steadied()
        self._probe(tcp=True, mqtt=True, echo_ms=0)
        self.feed("system_probe", {"ok": True})
        self.feed("recording", {"stream": "room", "state": "on"})
        self._space.look()

    # -- what is broken --------------------------------------------------------------------------
    def _plan(self, one: Label) -> None:
        plan = getattr(self, f"_break_{one.kind}", None)
        if plan is not None:
            plan(one.from_ms, one.to_ms)

    def _break_mains(self, begun: int, over: int) -> None:
        for at, present in ((begun, False), (over, True)):
            self.at(at, partial(self._turn_mains, present=present))

    def _turn_mains(self, *, present: bool) -> None:
        self._real.discard("mains") if present else self._real.add("mains")
        self._poll_mains()
        # The UPS is asked in turns and believed after two answers.
        asked = self.now_ms + self._chance.randrange(megatec.POLL_MS)
        again = megatec.AGAIN_MS + megatec.QUIET_MS
        while self._chance.random() < LOSS:
            asked += megatec.ANSWER_MS + megatec.AGAIN_MS
        self.at(asked + megatec.QUIET_MS + again, self._ups)

    def _ups(self) -> None:
        gone = "mains" in self._real
        self.feed("ups", {"utility_fail": gone, "battery_low": False, "charge_pct": 100})

    def _poll_mains(self) -> None:
        present = "mains" not in self._real
        if self._mains.poll(raw=present, mono_ms=self.now_ms):
            self.feed("mains", {"present": present, "device": "gpio"})
        if self._mains.state is not present:
            self.at(self.now_ms + gpio_inputs.POLL_MS, self._poll_mains)

    def _break_device(self, begun: int, over: int, *, name: str, ask_ms: int, wait_ms: int) -> None:
        """A board that is asked in turns: lost after `MISSES_MAX` questions without an answer."""
        asked = begun + self._chance.randrange(ask_ms + wait_ms)
        gone = asked + port.MISSES_MAX * wait_ms + (port.MISSES_MAX - 1) * ask_ms
        self.at(begun, partial(self._real.add, name))
        self.at(over, partial(self._real.discard, name))
        if gone < over:
            self.at(gone, partial(self._device, name, lost=True))
            self.at(
                over + self._chance.randrange(ask_ms + wait_ms),
                partial(self._device, name, lost=False),
            )

    def _break_reader(self, begun: int, over: int) -> None:
        self._break_device(
            begun, over, name="idcard", ask_ms=idcard.FIND_EVERY_MS, wait_ms=idcard.FIND_MS
        )

    def _break_lock_board(self, begun: int, over: int) -> None:
        self._break_device(begun, over, name="locker", ask_ms=POLL_MS, wait_ms=ANSWER_MS)

    def _break_radar(self, begun: int, over: int) -> None:
        listen = ld2410.SILENT_MS // port.MISSES_MAX
        self._break_device(begun, over, name="radar1", ask_ms=1, wait_ms=listen)

    def _device(self, name: str, *, lost: bool) -> None:
        self.feed(
            "device", {"device": name, "state": "lost" if lost else "back", "reason": "no_answer"}
        )

    def _break_camera_lost(self, begun: int, over: int) -> None:
        stalled = STALL_S * S + self._chance.randrange(round(LOOK_S * S))
        self.at(begun + stalled, partial(self._stream, "fault"))
        tries = begun + stalled + BACKOFF_S[0] * S
        for wait in itertools.chain(BACKOFF_S[1:], itertools.repeat(BACKOFF_S[-1])):
            if tries >= over:
                break
            tries += TIMEOUT_US / 1_000 + wait * S
        self.at(tries + 700, partial(self._stream, "on"))

    def _stream(self, state: str) -> None:
        self.feed("recording", {"stream": "room", "state": state})

    def _break_camera_frozen(self, begun: int, over: int) -> None:
        self._pictures(begun, over, self._frame(0))

    def _break_camera_black(self, begun: int, over: int) -> None:
        self._pictures(begun, over, bytes([16]) * picture.FRAME_BYTES)

    def _pictures(self, begun: int, over: int, wrong: bytes) -> None:
        """Segments with a key frame every two seconds, looked at when they are closed."""
        phase = self._chance.randrange(SEGMENT_MS)
        first = begun - (begun - phase) % SEGMENT_MS
        before: bytes | None = None
        for start in range(first, over + 3 * SEGMENT_MS, SEGMENT_MS):
            moments = range(start, start + SEGMENT_MS, KEY_MS)
            frames = [wrong if begun <= at < over else self._frame(at) for at in moments]
            word = "fault" if picture.verdict(frames, before) else "on"
            before = frames[-1]
            closed = start + SEGMENT_MS + self._chance.randrange(300, 300 + round(LOOK_S * S))
            self.at(closed, partial(self._stream, word))

    def _frame(self, at: int) -> bytes:
        """A still room with the noise of its camera."""
        return bytes(100 + one % 3 for one in random.Random(at).randbytes(picture.FRAME_BYTES))  # noqa: S311

    def _break_disk_low(self, begun: int, over: int) -> None:
        for at, free in ((begun, LOW_BYTES - 1), (over, 10 * LOW_BYTES)):
            self.at(at, partial(setattr, self, "_free", free))
            self.at(at + self._chance.randrange(round(SPACE_S * S)), self._space.look)

    def _device_word(self, enough: bool) -> None:
        self.feed("device", dict(reading(enough=enough)))

    def _break_clock_step(self, begun: int, over: int) -> None:
        step_ms = self._chance.choice((-1, 1)) * self._chance.randrange(5 * S, 3_600 * S)
        for at, ahead in ((begun, step_ms), (over, 0)):
            asked = at + self._chance.randrange(round(LOOK_CLOCK_S * S))
            while self._chance.random() < BOTH_WAYS:
                asked += round(FIRST_S * S)
            self.at(asked, partial(self._ask_time, ahead))

    def _ask_time(self, ahead_ms: int) -> None:
        theirs = round(START.timestamp() * S) + self.now_ms
        date = START + timedelta(milliseconds=self.now_ms - S)
        sent = theirs + ahead_ms
        found = offset(f"{date:%a, %d %b %Y %H:%M:%S} GMT", sent, sent + JITTER_MS)
        if found is not None and abs(found.offset_ms - self._told_offset) > TELL_MS:
            self._told_offset = found.offset_ms
            self.feed("clock_offset", {"offset_ms": found.offset_ms, "bound_ms": found.bound_ms})

    def _break_system(self, begun: int, over: int) -> None:
        asked = begun + self._chance.randrange(round(SYSTEM_S * S)) + ANSWER_S * S
        self.at(asked, partial(self.feed, "system_probe", {"ok": False}))
        heard = over + self._chance.randrange(round((SYSTEM_S + ANSWER_S) * S))
        self.at(heard, partial(self.feed, "system_probe", {"ok": True}))

    # -- the ladder ------------------------------------------------------------------------------
    def _probe_at(self, at: float, *, tcp: bool, mqtt: bool, echo_ms: int | None) -> None:
        self.at(at, partial(self._probe, tcp=tcp, mqtt=mqtt, echo_ms=echo_ms))

    def _probe(self, *, tcp: bool, mqtt: bool, echo_ms: int | None) -> None:
        """A look at the line; what of it is told is the prober's own rule."""
        probe = Probe(*[True] * 4, tcp=tcp, mqtt=mqtt, echo_age_ms=echo_ms)
        if self._up and self._steady.take(probe):
            self.feed("network", {"rung": self._steady.told, "detail": ""})

    def _probed(self, after: float, wait_s: float = 0.0) -> float:
        return after + self._chance.randrange(round(PROBE_S * S)) + wait_s * S

    def _break_wan(self, begun: int, over: int) -> None:
        # Packets vanish: the connection seems to stand until the line has been missed twice.
        seen = self._probed(begun, CONNECT_S)
        for at in _looks(seen, FAILED_MIN):
            self._probe_at(at, tcp=False, mqtt=True, echo_ms=0)
        self._return(over)

    _break_broker = _break_wan
    """A broker that is gone refuses at once; the time-outs are the slower of the two."""

    def _break_hub_line(self, begun: int, over: int) -> None:
        # Connected, and nobody asks.
        silent = begun - self._chance.randrange(PING_MS) + ECHO_MS_MAX + 1
        if silent < over:
            self._probe_at(self._probed(silent), tcp=True, mqtt=True, echo_ms=ECHO_MS_MAX + 1)
        self._probe_at(self._probed(over + PING_MS), tcp=True, mqtt=True, echo_ms=0)

    _break_hub_stopped = _break_hub_line

    def _return(self, over: int) -> None:
        seen = self._probed(over)
        self._probe_at(seen, tcp=True, mqtt=False, echo_ms=None)
        up = seen + self._chance.random() * HURRY_S * S
        self._probe_at(self._probed(up + PING_MS), tcp=True, mqtt=True, echo_ms=0)

    # -- the controller itself -------------------------------------------------------------------
    def _break_controller(self, begun: int, over: int) -> None:
        self.at(begun, partial(setattr, self, "_up", False))
        self.at(over, self._boot)

    def _boot(self) -> None:
        self._up, self._boot_ms = True, self.now_ms - 5 * S
        self._start()

    # -- what is not broken ----------------------------------------------------------------------
    def _noise(self) -> None:
        """Serial answers that are missing by chance: three in a row are a loss of a moment."""
        boards = {
            "idcard": idcard.FIND_EVERY_MS + 50,
            "locker": POLL_MS + 40,
            "ups": megatec.POLL_MS + megatec.QUIET_MS,
        }
        for name, every_ms in boards.items():
            mean_ms = every_ms / LOSS**port.MISSES_MAX
            at = self._chance.expovariate(1 / mean_ms)
            while at < self.end_ms:
                self.at(at, partial(self._blink, name, every_ms))
                at += self._chance.expovariate(1 / mean_ms)
        # Probes that fail by chance (a connection has two tries) mean nothing once; twice is rare.
        for turn in (self._rung_blink, self._system_blink):
            at = self._chance.expovariate(BOTH_WAYS**4 / (PROBE_S * S))
            while at < self.end_ms:
                times = 2
                while self._chance.random() < BOTH_WAYS**2:
                    times += 1
                self.at(at, partial(turn, times))
                at += self._chance.expovariate(BOTH_WAYS**4 / (PROBE_S * S))

    def _blink(self, name: str, every_ms: int) -> None:
        if name not in self._real:
            self._device(name, lost=True)
            self.at(self.now_ms + every_ms, partial(self._unblink, name))

    def _unblink(self, name: str) -> None:
        if name not in self._real:
            self._device(name, lost=False)
        if name == "ups":
            self._ups()

    def _rung_blink(self, times: int) -> None:
        """Looks that fail by chance; beside a fault of the line the fault's own looks count."""
        looks = _looks(self.now_ms, times)
        back = round(looks[-1] + PROBE_S * S)
        if not self._broken("wan", back):
            for at in looks:
                self._probe_at(at, tcp=False, mqtt=True, echo_ms=0)
            self._probe_at(back, tcp=True, mqtt=True, echo_ms=0)

    def _system_blink(self, times: int) -> None:
        if not self._broken("system"):
            self.feed("system_probe", {"ok": False})
            held_s = (times - 1) * (SYSTEM_S + ANSWER_S) + SYSTEM_S
            self.at(self.now_ms + held_s * S, self._system_back)

    def _system_back(self) -> None:
        if not self._broken("system"):
            self.feed("system_probe", {"ok": True})

    def _broken(self, kind: str, until_ms: int = 0) -> bool:
        """Whether something of a kind is broken, just was, or will be until then."""
        every = {kind} if kind != "wan" else {"wan", "broker", "hub_line", "hub_stopped"}
        until = max(self.now_ms, until_ms)
        return any(
            one.kind in every and one.from_ms <= until and self.now_ms <= one.to_ms + 30 * S
            for one in self.faults
        )

    def _always(self) -> None:
        """Every tick, and everything that says the same again."""
        self.at(TICK_MS, self._tick)
        chance = random.Random(f"always{self.ctl}")  # noqa: S311
        for turn in (self._rung_blink, self._system_blink):
            at = chance.expovariate(BOTH_WAYS**2 / (PROBE_S * S))
            while at < self.end_ms:
                self.at(at, partial(turn, 1))
                at += chance.expovariate(BOTH_WAYS**2 / (PROBE_S * S))
        self.at(MINUTE, self._again)

    def _again(self) -> None:
        if "radar1" not in self._real:
            self.feed("radar", {"station": 1, "target": "none", "device": "radar1"})
        off = "mains" in self._real
        if self._mains.state is (not off):
            self.feed("mains", {"present": not off, "device": "gpio"})
        self.at(self.now_ms + MINUTE, self._again)

"""`evalroom demo`: the evaluation day on this machine, watched or headless."""

from __future__ import annotations

import argparse
import json
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import Any

from hub.demo.booking_act import play_booking
from hub.demo.clients import RefusedError
from hub.demo.day import Day
from hub.demo.evaluation_act import play_evaluation
from hub.demo.handover_act import play_handover, wait_uploads
from hub.demo.judge import Outcome, journal_rows, judge
from hub.demo.opening_act import open_town
from hub.demo.people import committee
from hub.demo.town import Town, plan_town

EX_OK, EX_FAILED, EX_USAGE = 0, 1, 64
HOME = "hubei"
GUESTS_MAX = 8  # the home venue is paired with eight units
SPEED_MAX = 100.0
EXAMPLE = """examples:
  evalroom demo
  evalroom demo --headless --seed 7 --out out/day
  evalroom demo --headless --rooms 3 --speed 2 --out out/day

exit: 0 the day went as it must, 1 something did not, 64 wrong usage
"""


def add_parser(commands: Any) -> None:
    """Adds the word `demo`."""
    parser = commands.add_parser(
        "demo",
        help="a whole evaluation day on this machine",
        description="A whole evaluation day on this machine: hub, broker, a home room and guest "
        "rooms with simulated boards on real serial ports, each a process of its own.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--headless", action="store_true", help="end when the day is over")
    parser.add_argument("--seed", type=int, default=1, help="script and data; timing is real (1)")
    parser.add_argument("--out", type=Path, help="folder for everything (a temporary one)")
    parser.add_argument("--rooms", type=int, default=1, help="guest rooms, 1 to 8 (1)")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="divides the script's pauses, above 0 to 100 (1)"
    )
    parser.set_defaults(run=main)


def main(args: argparse.Namespace) -> int:
    """Plays the day. Returns 0 only if it ended as it must."""
    wrong = _wrong(args)
    if wrong:
        sys.stderr.write(f"evalroom demo: {wrong}\n")
        return EX_USAGE
    out = args.out.absolute() if args.out else Path(tempfile.mkdtemp(prefix="evalroom-day-"))
    guests = paired_guests(args.seed, args.rooms)
    town = plan_town(out, guests, _timed())
    _stop_on_signal(town)
    try:
        opened = (lambda: None) if args.headless else (lambda: _say_doors(town))
        outcome = _play(town, guests, seed=args.seed, pace=args.speed, opened=opened)
        if not args.headless:
            _stay(town, outcome)
        sys.stdout.write(outcome.line() + "\n")
        sys.stdout.flush()
        return EX_OK if outcome.ok else EX_FAILED
    finally:
        town.close()


def _wrong(args: argparse.Namespace) -> str:
    if not 1 <= args.rooms <= GUESTS_MAX:
        return f"--rooms: expected 1 to {GUESTS_MAX}, got {args.rooms}"
    if not 0 < args.speed <= SPEED_MAX:
        return f"--speed: expected above 0 and up to {SPEED_MAX:.0f}, got {args.speed}"
    if args.out and (args.out / "hub" / "hub.toml").exists():
        return f"--out {args.out}: expected a new folder, got one with a day in it; choose another"
    return ""


def paired_guests(seed: int, count: int) -> list[str]:
    """Guests of the home venue's pairing; which ones depends on the seed."""
    file = resources.files("protocols.policy.data").joinpath("units.json")
    units = json.loads(file.read_text("utf-8"))
    return random.Random(seed).sample(units["pairings"][HOME], count)  # noqa: S311 - a script


def _play(
    town: Town, guests: list[str], *, seed: int, pace: float, opened: Callable[[], None]
) -> Outcome:
    """Plays every act; `opened` is called as soon as somebody could look at the hub."""
    rng = random.Random(seed)  # noqa: S311 - invents people, no secret
    day = Day(town=town, rng=rng, members=committee(rng, HOME, guests), pace=pace, say=town.say)
    acts: list[Callable[[Day], None]] = [play_booking, play_evaluation, wait_uploads]
    try:
        open_town(town)
        opened()
        for act in acts:
            act(day)
        for site in town.rooms:
            day.written[site.ctl] = journal_rows(site.folder / "state" / "journal.sqlite")
        play_handover(day)
        return judge(day, seed)
    except (RefusedError, RuntimeError, OSError, sqlite3.Error) as error:
        town.say(f"这一天没有按要求结束：{error}")
        return Outcome(ok=False, seed=seed, why=[str(error)])


def _stay(town: Town, outcome: Outcome) -> None:
    """Leaves the console open until somebody stops it."""
    _say("")
    _say_doors(town)
    if outcome.package:
        _say(f"移交包 / package:   {outcome.package}")
        _say(f"校验 / verify:      evalroom verify {outcome.package} --trust {outcome.trust}")
    _say("按 Ctrl-C 结束 / Ctrl-C ends it")
    town.supervisor.wait()


def _say_doors(town: Town) -> None:
    """Where to look and how to sign in: the day can be followed live, and afterwards."""
    _say(f"控制台 / console:   {town.url}")
    for site in town.rooms:
        _say(f"现场屏 / room screen {site.place}: http://127.0.0.1:{site.screen_port}")
    _say("登录 / sign-in (login  password  PIN):")
    shown = (HOME, *(site.org for site in town.guests))
    for login, about in town.accounts.items():
        if about["org"] in shown:
            _say(f"  {login:<28} {about['password']:<22} {about['pin']}")


def _stop_on_signal(town: Town) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        town.supervisor.ask_stop()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)


def _timed() -> Callable[[str], None]:
    """A voice that says how long the demonstration has been running."""
    began = time.monotonic()

    def say(line: str) -> None:
        gone = int(time.monotonic() - began)
        _say(f"{gone // 60:02d}:{gone % 60:02d} {line}")

    return say


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()

"""The `evalroom` command: finds the side a word belongs to and hands the rest of the line over.

Composition only. `edge` and `hub` may not import each other, so the one place that knows both is
this file, and it imports a side only when its word is used: a room needs nothing of the hub
installed, and the other way round.
"""

from __future__ import annotations

import ctypes
import importlib
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass

EX_USAGE = 64  # sysexits.h: the command line was wrong
EX_UNAVAILABLE = 69  # sysexits.h: a part this command needs is not installed
PR_SET_DUMPABLE = 4


@dataclass(frozen=True, slots=True)
class Command:
    """One first word: the module that answers it, what it is for, an example."""

    word: str
    module: str
    extra: str
    purpose: str
    example: str


COMMANDS = (
    Command(
        "demo",
        "hub.__main__",
        "hub",
        "a whole evaluation day on this machine: hub, broker, two rooms, simulated boards",
        "evalroom demo --headless --seed 7 --out out/day",
    ),
    Command(
        "hub",
        "hub.__main__",
        "hub",
        "the hub: init, serve, backup, restore, user, enroll, release, erase",
        "evalroom hub serve /var/lib/evalroom-hub",
    ),
    Command(
        "edge",
        "edge.__main__",
        "edge",
        "the room controller: run, check, commission, selftest, capacity",
        "evalroom edge check /etc/evalroom/room.toml",
    ),
    Command(
        "sim",
        "edge.__main__",
        "edge",
        "one simulated board on a serial port any program can open",
        "evalroom sim idcard --pty out/idcard",
    ),
    Command(
        "verify",
        "hub.__main__",
        "hub",
        "check a hand-over package offline",
        "evalroom verify out/day/package --trust out/day/trust.json",
    ),
)


def usage() -> str:
    """Every command with one example, as `evalroom --help` prints it."""
    lines = ["usage: evalroom COMMAND [options]", "", "commands:"]
    for command in COMMANDS:
        lines += [f"  {command.word:<8}{command.purpose}", f"          example: {command.example}"]
    lines += ["", "`evalroom COMMAND --help` says more about one of them."]
    return "\n".join(lines)


def find(word: str) -> Command | None:
    """Returns the command of this first word, or None."""
    return next((command for command in COMMANDS if command.word == word), None)


def refuse_unknown(word: str) -> int:
    """Says what was expected and what came; returns the exit code for wrong usage."""
    expected = ", ".join(command.word for command in COMMANDS)
    print(
        f"evalroom: unknown command\n  where: the first word\n  expected: one of {expected}\n"
        f"  got: {word}\n  do: see `evalroom --help`",
        file=sys.stderr,
    )
    return EX_USAGE


def leave_no_core() -> None:
    """A crash writes no memory to any disk: in it stand opened names and numbers, PINs and keys.

    The limit is for files and goes on to every program that is started from here; a handler the
    kernel pipes a core to need not heed it, so there is to be none at all. That also shuts this
    program's memory to others of its user.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def run(command: Command, argv: Sequence[str]) -> int:
    """Imports the side that owns the command and gives it the whole line, first word included."""
    try:
        side = importlib.import_module(command.module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] in {"edge", "hub", "protocols"}:
            raise
        print(
            f"evalroom {command.word}: a part is not installed\n  where: this installation\n"
            f"  expected: the extra `{command.extra}`\n  got: no module {error.name}\n"
            f"  do: pip install 'evalroom[{command.extra}]'",
            file=sys.stderr,
        )
        return EX_UNAVAILABLE
    return int(side.main(list(argv)))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the console script; `argv` without the program's name.

    Returns:
        The exit code: that of the side's command, 64 for wrong usage, 69 for a missing extra.
    """
    leave_no_core()
    words = list(sys.argv[1:] if argv is None else argv)
    if not words:
        print(usage(), file=sys.stderr)
        return EX_USAGE
    if words[0] in {"-h", "--help", "help"}:
        print(usage())
        return 0
    command = find(words[0])
    if command is None:
        return refuse_unknown(words[0])
    return run(command, words)


if __name__ == "__main__":
    sys.exit(main())

"""`evalroom edge …` and `evalroom sim …`: the room's side of the command line."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from edge.arguments import EX_USAGE, Parser, refuse
from edge.config import ConfigError, read_room_file
from edge.simulators.cli import board_command
from edge.simulators.link import Link, Route
from edge.simulators.link_faults import Fault, Way, Weather
from edge.simulators.system import EvaluationSystem

EX_OK = 0
EX_FAILED = 1
EX_SOFTWARE = 70
EX_TEMPFAIL = 75  # sysexits.h: something is in the way now; a later start may go well

COMMANDS: dict[str, tuple[str, str]] = {
    "run": (
        "run the controller until it is told to stop",
        "evalroom edge run /etc/evalroom/room.toml",
    ),
    "check": (
        "read a room file strictly and say what is wrong",
        "evalroom edge check firmware-config/rooms/example.toml",
    ),
    "selftest": (
        "ask every device whether it answers; exit 1 if one does not",
        "evalroom edge selftest /etc/evalroom/room.toml",
    ),
    "commission": (
        "guided wiring test: a person opens, sits, presents; the board must see it",
        "evalroom edge commission /etc/evalroom/room.toml",
    ),
    "capacity": (
        "how long this room can stay offline: bytes free and used per hour",
        "evalroom edge capacity /etc/evalroom/room.toml",
    ),
}
"""Words after `evalroom edge`: what each does, and an example."""
ENROLL = (
    "make this controller's keys and ask the hub to be let in by a one-time code",
    "evalroom edge enroll /etc/evalroom/credentials --url https://hub.example.cn",
)


def main(argv: Sequence[str]) -> int:
    """Runs one command; `argv` begins with `edge` or `sim`.

    Returns:
        0 done, 1 something was found wrong, 64 wrong words or file, 70 our own fault, 75 something
        is in the way now.
    """
    try:
        return _main(list(argv))
    except Exception:  # noqa: BLE001
        # The program's own edge: what nobody foresaw is said in full, under its own exit code.
        traceback.print_exc()
        return EX_SOFTWARE


def _main(words: list[str]) -> int:
    if words[:1] == ["sim"]:
        kinds = {"link": _link, "system": _system}
        own = kinds.get(words[1] if len(words) > 1 else "")
        return own(words[2:]) if own is not None else board_command(words[1:])
    return _edge(words[1:])


def _route(text: str) -> Route:
    try:
        listen, host, port = text.rsplit(":", 2)
        return Route(listen=int(listen), host=host, port=int(port))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected PORT:HOST:PORT such as 19001:127.0.0.1:1883, got {text!r}"
        ) from error


def _link(words: list[str]) -> int:
    parser = Parser(
        "evalroom sim link",
        description="A simulated uplink: forwards ports until its cable is pulled.",
        more=f"control, one JSON object per line:\n"
        f"""  {{"do":"cut"}}  {{"do":"restore"}}  {{"do":"state"}}\n"""
        f"""  {{"do":"fault","kind":"{"|".join(Fault)}","way":"{"|".join(Way)}"}}""",
        example=(
            "evalroom sim link --route 19001:127.0.0.1:1883 --control link.sock --state link.txt",
            """echo '{"do":"cut"}' | nc -U link.sock""",
        ),
    )
    parser.add_argument(
        "--route",
        type=_route,
        action="append",
        required=True,
        metavar="PORT:HOST:PORT",
        help="loopback port that is forwarded, and where to; may be given several times",
    )
    parser.add_argument("--control", type=Path, required=True, help="unix socket for commands")
    parser.add_argument("--state", type=Path, required=True, help="file that keeps cut or up")
    parser.add_argument("--seed", type=int, default=0, help="of where a line cuts a stream (0)")
    try:
        args = parser.parse_args(words)
    except SystemExit as stop:
        return EX_USAGE if stop.code else EX_OK
    link = Link(
        routes=tuple(args.route),
        control=args.control,
        state_file=args.state,
        weather=Weather(args.seed),
    )
    _on_signal(link.stop)
    link.run()
    return EX_OK


def _system(words: list[str]) -> int:
    parser = Parser(
        "evalroom sim system",
        description="A simulated evaluation system: answers HTTP until it is told to be down.",
        example=("evalroom sim system --listen 19010 --control s.sock --state s.txt",),
    )
    parser.add_argument("--listen", type=int, required=True, help="loopback port")
    parser.add_argument("--control", type=Path, required=True, help="unix socket for commands")
    parser.add_argument("--state", type=Path, required=True, help="file that keeps up or down")
    try:
        args = parser.parse_args(words)
    except SystemExit as stop:
        return EX_USAGE if stop.code else EX_OK
    system = EvaluationSystem(listen=args.listen, control=args.control, state_file=args.state)
    _on_signal(system.stop)
    system.run()
    return EX_OK


def _on_signal(stop: object) -> None:
    def handle(_signal: int, _frame: FrameType | None) -> None:
        stop()  # type: ignore[operator]

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


def _edge(words: list[str]) -> int:
    word = words[0] if words else ""
    if word in {"-h", "--help"}:
        _overview().print_help()
        return EX_OK
    if word == "enroll":
        return _enroll(words[1:])
    if word not in COMMANDS:
        expected = f"one of {', '.join(COMMANDS)}"
        return refuse("evalroom edge", "unknown command", expected=expected, got=word or "none")
    purpose, example = COMMANDS[word]
    parser = Parser(f"evalroom edge {word}", description=purpose, example=(example,))
    parser.add_argument("config", type=Path, help="the room's TOML file")
    try:
        args = parser.parse_args(words[1:])
    except SystemExit as stop:
        return EX_USAGE if stop.code else EX_OK
    return _clean(f"evalroom edge {word}", lambda: _do(word, args.config))


def _enroll(words: list[str]) -> int:
    from edge.enroll import enroll  # noqa: PLC0415 - only this command needs it

    parser = Parser("evalroom edge enroll", description=ENROLL[0], example=(ENROLL[1],))
    parser.add_argument("folder", type=Path, help="gets the controller's keys and identity")
    parser.add_argument("--url", required=True, help="the hub's, https:// or http:// on loopback")
    parser.add_argument("--code-file", type=Path, help="first line: the code (asked for)")
    try:
        args = parser.parse_args(words)
    except SystemExit as stop:
        return EX_USAGE if stop.code else EX_OK

    def work() -> int:
        if args.code_file is None:
            code = input("登记码 / code: ")
        else:
            code = args.code_file.read_text(encoding="ascii").strip()
        return enroll(args.folder, args.url, code, threading.Event().wait)

    return _clean("evalroom edge enroll", work)


def _overview() -> Parser:
    known = {**COMMANDS, "enroll": ENROLL}
    words = "\n".join(f"  {word:<11}{purpose}" for word, (purpose, _) in known.items())
    parser = Parser(
        "evalroom edge",
        description=f"The room controller.\n\n{words}\n\n`evalroom edge WORD --help` says more.",
        example=(COMMANDS["check"][1],),
    )
    parser.usage = "evalroom edge WORD CONFIG"
    return parser


def _clean(name: str, work: Callable[[], int]) -> int:
    """Runs a command; what is wrong outside this program is said in words, without a traceback."""
    from edge.crypto import CryptoError  # noqa: PLC0415 - a simulated board starts without all this
    from edge.devices import DeviceError  # noqa: PLC0415 - as above
    from edge.journal import JournalError  # noqa: PLC0415 - as above
    from edge.service import StartError  # noqa: PLC0415 - as above

    try:
        return work()
    except (ConfigError, CryptoError, DeviceError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return EX_USAGE
    except (JournalError, StartError) as error:
        sys.stderr.write(f"{name}: {error}\n")
        return EX_TEMPFAIL
    except OSError as error:
        if error.filename is None:
            raise
        sys.stderr.write(
            f"{name}: {error.filename}: expected a path this program may use, "
            f"got {error.strerror}\n  do: check the path and who owns it\n"
        )
        return EX_USAGE


def _do(command: str, path: Path) -> int:
    from edge.app import build  # noqa: PLC0415 - a simulated board needs none
    from edge.credentials import check_credentials  # noqa: PLC0415

    room = read_room_file(path)
    if command == "check":
        check_credentials(room)
        sys.stdout.write(
            f"{path}: good; room {room.credentials.place}, controller {room.credentials.ctl}, "
            f"{len(room.seats)} seats, {room.get('locker', 'count')} lockers, "
            f"{len(room.cameras)} cameras\n"
        )
        return EX_OK
    if command == "capacity":
        from edge.capacity import capacity  # noqa: PLC0415 - only this command needs it

        sys.stdout.write(json.dumps(capacity(room), ensure_ascii=False, indent=1) + "\n")
        return EX_OK
    if command in {"selftest", "commission"}:
        from edge.commission import commission, selftest  # noqa: PLC0415

        return (selftest if command == "selftest" else commission)(room)
    app = build(room)
    _on_signal(app.stop)
    return app.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`evalroom sim KIND --pty PATH`: one simulated board on a serial port of its own."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.arguments import Parser, refuse
from edge.simulators.board import Board, ControlError
from edge.simulators.cu16 import SimulatedCu16
from edge.simulators.idcard import SimulatedIdReader
from edge.simulators.ld2410 import SimulatedRadar
from edge.simulators.lockboard import SimulatedLockBoard
from edge.simulators.megatec import SimulatedUps
from edge.simulators.server import SimulatedPort
from protocols.wire import cu16, lockboard
from protocols.wire.lockboard import BitOrder, Feedback

EX_OK, EX_USAGE, EX_CANTCREAT = 0, 64, 73
PURPOSES = {
    "idcard": "ID card reader (SAM_V frames, 115200 baud)",
    "lockboard": "lock board of the 8A/80 family (9600 baud)",
    "cu16": "Kerong CU16 lock board with item beams (19200 baud)",
    "ld2410": "LD2410 presence radar of one station (256000 baud)",
    "megatec": "UPS with the Megatec protocol, Q1 (2400 baud)",
}
EXAMPLES: dict[str, tuple[str, ...]] = {
    "idcard": (
        "evalroom sim idcard --pty out/idcard --control out/idcard.sock",
        """echo '{"do":"insert","name":"张三","number":"11010519491231002X"}' """
        "| nc -U out/idcard.sock",
    ),
    "lockboard": (
        "evalroom sim lockboard --pty out/locks --control out/locks.sock --count 12",
        """echo '{"do":"put","lock":3}' | nc -U out/locks.sock""",
    ),
    "cu16": (
        "evalroom sim cu16 --pty out/locks --control out/locks.sock --state out/locks.json",
        """echo '{"do":"key_open","lock":3}' | nc -U out/locks.sock""",
    ),
    "ld2410": (
        "evalroom sim ld2410 --pty out/radar1 --control out/radar1.sock",
        """echo '{"do":"target","value":"both"}' | nc -U out/radar1.sock""",
    ),
    "megatec": (
        "evalroom sim megatec --pty out/ups --control out/ups.sock",
        """echo '{"do":"mains","on":false}' | nc -U out/ups.sock""",
    ),
}
SYSTEM = "an evaluation system that can be told to be down"
_LOCKS = """  {"do":"key_open|put|take|close|jam","lock":N}"""
CONTROLS: dict[str, str] = {
    "idcard": """  {"do":"insert","layout":"resident|J|I|Y","name":..,"number":..}  {"do":"remove"}
  more kinds of fault: sam_66 sam_31 sam_41""",
    "lockboard": _LOCKS,
    "cu16": _LOCKS,
    "ld2410": """  {"do":"target","value":"none|moving|still|both"}
  {"do":"silent|freeze","on":true}""",
    "megatec": """  {"do":"mains","on":false}  {"do":"battery","charge_pct":40}
  {"do":"load","load_pct":50}""",
}
EVERY_CONTROL = """  {"do":"state"}  {"do":"fault","kind":KIND,"count":N}
  KIND: no_answer damage garbage_prefix byte_by_byte drop stall none"""
EXIT_CODES = """exit codes:
  0   after SIGTERM or SIGINT
  64  a wrong option, or a state file that cannot be read
  73  a path that cannot be used
"""


def _idcard(args: argparse.Namespace) -> Board:
    return SimulatedIdReader(seed=args.seed)


def _lockboard(args: argparse.Namespace) -> Board:
    return SimulatedLockBoard(
        address=_in_range("--address", args.address, low=1, high=lockboard.ADDRESS_MAX, default=1),
        count=_in_range("--count", args.count, low=1, high=lockboard.LOCK_MAX, default=8),
        feedback=Feedback(args.feedback),
        bit_order=BitOrder(args.bit_order),
        seed=args.seed,
    )


def _cu16(args: argparse.Namespace) -> Board:
    return SimulatedCu16(
        board=_in_range("--address", args.address, low=0, high=cu16.BOARD_MAX, default=0),
        count=_in_range("--count", args.count, low=1, high=cu16.LOCKS, default=cu16.LOCKS),
        seed=args.seed,
    )


def _ld2410(args: argparse.Namespace) -> Board:
    return SimulatedRadar(seed=args.seed)


def _megatec(args: argparse.Namespace) -> Board:
    return SimulatedUps(seed=args.seed)


BOARDS: dict[str, Callable[[argparse.Namespace], Board]] = {
    "idcard": _idcard,
    "lockboard": _lockboard,
    "cu16": _cu16,
    "ld2410": _ld2410,
    "megatec": _megatec,
}


def _in_range(option: str, value: int | None, *, low: int, high: int, default: int) -> int:
    if value is None:
        return default
    if not low <= value <= high:
        raise ControlError(what=option, where="sim", expected=f"{low}..{high}", got=value)
    return value


def sim_parser(kind: str) -> Parser:
    """The parser of one kind of board; its words are those behind the kind."""
    parser = Parser(
        f"evalroom sim {kind}",
        description=f"Simulated {PURPOSES[kind]} on a pty that any program can open.",
        example=EXAMPLES[kind],
        more=f"control, one JSON object per line:\n{EVERY_CONTROL}\n{CONTROLS[kind]}\n\n"
        f"{EXIT_CODES}",
    )
    parser.set_defaults(kind=kind, address=None, count=None)
    parser.add_argument("--pty", type=Path, required=True, help="where the port appears (a link)")
    parser.add_argument("--control", type=Path, help="unix socket for control commands")
    parser.add_argument("--state", type=Path, help="file that keeps the board's state over a kill")
    parser.add_argument("--seed", type=int, default=0, help="of misbehaviour and noise (0)")
    if kind == "cu16":
        parser.add_argument("--address", type=int, help="of the board, 0..9 (0)")
        parser.add_argument("--count", type=int, help="lockers, 1..16 (16)")
    if kind == "lockboard":
        parser.add_argument("--address", type=int, help="of the board, 1..31 (1)")
        parser.add_argument("--count", type=int, help="lockers, 1..56 (8)")
        parser.add_argument(
            "--feedback",
            choices=[value.value for value in Feedback],
            default="closed_short",
            help="what a closed door does to its contact (closed_short)",
        )
        parser.add_argument(
            "--bit-order",
            choices=[value.value for value in BitOrder],
            default="low_last",
            help="whether the last or the first byte has locks 1 to 8 (low_last)",
        )
    return parser


def overview() -> Parser:
    """The parser behind `evalroom sim --help`: all kinds of boards."""
    kinds = {**PURPOSES, "link": "an uplink whose cable can be pulled", "system": SYSTEM}
    rows = "\n".join(f"  {name:<11}{purpose}" for name, purpose in kinds.items())
    parser = Parser(
        "evalroom sim",
        description=f"One simulated board on a pty that any program can open.\n\n{rows}\n\n"
        "`evalroom sim KIND --help` says what can be done to each.",
        example=EXAMPLES["idcard"][:1],
        more=EXIT_CODES,
    )
    parser.usage = "evalroom sim KIND [options]"
    return parser


def board_command(words: Sequence[str]) -> int:
    """Runs `evalroom sim` with the words behind it.

    Returns:
        0 done or helped, 64 for wrong words or a bad state file, 73 when a path cannot be used.
    """
    kind = words[0] if words else ""
    if kind in {"-h", "--help"}:
        overview().print_help()
        return EX_OK
    if kind not in BOARDS:
        kinds = ", ".join(sorted([*BOARDS, "link", "system"]))
        return refuse(
            "evalroom sim", "unknown kind", expected=f"one of {kinds}", got=kind or "none"
        )
    try:
        args = sim_parser(kind).parse_args(list(words[1:]))
    except SystemExit as stop:
        return EX_USAGE if stop.code else EX_OK
    return main_sim(args)


def main_sim(args: argparse.Namespace) -> int:
    """Runs one board until SIGTERM or SIGINT.

    Returns:
        0 after a signal, 64 for a bad option or state file, 73 when a path cannot be used.
    """
    stop, wake = socket.socketpair()
    os.set_blocking(wake.fileno(), False)
    old_fd = signal.set_wakeup_fd(wake.fileno())
    old = {sign: signal.signal(sign, lambda *_: None) for sign in (signal.SIGTERM, signal.SIGINT)}
    try:
        run(BOARDS[args.kind](args), args=args, stop=stop.fileno())
    except ControlError as error:
        sys.stderr.write(f"evalroom sim {args.kind}: {error}\n")
        return EX_USAGE
    except OSError as error:
        where = error.filename or args.control or args.pty
        sys.stderr.write(
            f"evalroom sim {args.kind}: {where}\n  expected: a path that can be written\n"
            f"  got: {error.strerror or error}\n  do: choose another, shorter or writable path\n"
        )
        return EX_CANTCREAT
    finally:
        signal.set_wakeup_fd(old_fd)
        for sign, handler in old.items():
            signal.signal(sign, handler)
        stop.close()
        wake.close()
    return EX_OK


def run(board: Board, *, args: argparse.Namespace, stop: int) -> None:
    """Serves a board at the paths of `args` until `stop` is readable; says when it is ready."""
    with SimulatedPort(board, args.pty, args.control, args.state) as port:
        ready = {"ok": True, "kind": board.kind, "pty": str(args.pty), "pid": os.getpid()}
        sys.stdout.write(json.dumps(ready, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        port.serve(stop)

"""`evalroom sim KIND --pty PATH`: one simulated board on a serial port of its own."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge.simulators.board import Board, ControlError
from edge.simulators.cu16 import SimulatedCu16
from edge.simulators.idcard import SimulatedIdReader
from edge.simulators.ld2410 import SimulatedRadar
from edge.simulators.lockboard import SimulatedLockBoard
from edge.simulators.megatec import SimulatedUps
from edge.simulators.server import SimulatedPort
from protocols.wire import cu16, lockboard
from protocols.wire.lockboard import BitOrder, Feedback

if TYPE_CHECKING:
    # argparse gives the type of `add_subparsers()` no public name.
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - see above

EX_OK, EX_USAGE, EX_CANTCREAT = 0, 64, 73
PURPOSES = {
    "idcard": "ID card reader (SAM_V frames, 115200 baud)",
    "lockboard": "lock board of the 8A/80 family (9600 baud)",
    "cu16": "Kerong CU16 lock board with item beams (19200 baud)",
    "ld2410": "LD2410 presence radar of one station (256000 baud)",
    "megatec": "UPS with the Megatec protocol, Q1 (2400 baud)",
}
EXAMPLES = """examples:
  evalroom sim idcard --pty out/idcard --control out/idcard.sock
  echo '{"do":"insert","name":"张三","number":"11010519491231002X"}' | nc -U out/idcard.sock
  evalroom sim cu16 --pty out/lockers --control out/lockers.sock --state out/lockers.json
  echo '{"do":"key_open","lock":3}' | nc -U out/lockers.sock
  echo '{"do":"fault","kind":"damage","count":2}' | nc -U out/lockers.sock

control commands, one JSON object per line, every one answered by one line:
  all        {"do":"state"}  {"do":"fault","kind":KIND,"count":N}
             KIND: no_answer damage garbage_prefix byte_by_byte drop stall none
  idcard     {"do":"insert","layout":"resident|J|I|Y","name":..,"number":..}  {"do":"remove"}
             more kinds of fault: sam_66 sam_31 sam_41
  lockboard, cu16   {"do":"key_open|put|take|close|jam","lock":N}
  ld2410     {"do":"target","value":"none|moving|still|both"}  {"do":"silent|freeze","on":true}
  megatec    {"do":"mains","on":false}  {"do":"battery","charge_pct":40}
             {"do":"load","load_pct":50}
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


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the kind of board and its options to a parser."""
    kinds = "\n".join(f"  {kind:<11}{purpose}" for kind, purpose in PURPOSES.items())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = f"One simulated board on a pty that any program can open.\n\n{kinds}"
    parser.epilog = EXAMPLES
    parser.add_argument("kind", choices=sorted(BOARDS), help="which board", metavar="KIND")
    parser.add_argument("--pty", type=Path, required=True, help="where the port appears (a link)")
    parser.add_argument("--control", type=Path, help="unix socket for control commands")
    parser.add_argument("--state", type=Path, help="file that keeps the board's state over a kill")
    parser.add_argument("--seed", type=int, default=0, help="of misbehaviour and noise (0)")
    parser.add_argument("--address", type=int, help="lockboard 1..31 (1), cu16 0..9 (0)")
    parser.add_argument("--count", type=int, help="lockers: lockboard 1..56 (8), cu16 1..16 (16)")
    parser.add_argument(
        "--feedback", choices=[value.value for value in Feedback], default="closed_short"
    )
    parser.add_argument(
        "--bit-order", choices=[value.value for value in BitOrder], default="low_last"
    )


def add_sim_parser(subparsers: Subparsers) -> None:
    """Adds the word `sim` to the command line; its arguments go to `main_sim`."""
    parser = subparsers.add_parser("sim", help="one simulated board on a serial port of its own")
    add_options(parser)
    parser.set_defaults(run=main_sim)


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

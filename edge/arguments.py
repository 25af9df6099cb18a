"""What every command line of the room's side shares: help with one's own example, plain errors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

EX_USAGE = 64  # sysexits.h: wrong words, or a file that cannot be used
EXIT_CODES = """exit codes:
  0   done
  1   a check or a self-test found something wrong
  64  wrong words, or a file that cannot be used (the text says which and why)
  70  our own fault, with a traceback
  75  something is in the way now, such as a port in use; a later start may go well
"""


class Parser(argparse.ArgumentParser):
    """A parser whose help shows its own example and whose errors say what, where and what to do.

    Args:
        prog: the words before the options, such as `evalroom edge run`.
        description: what it does, one sentence.
        example: lines a person can type.
        more: text behind the example.
    """

    def __init__(
        self, prog: str, *, description: str, example: Sequence[str], more: str = EXIT_CODES
    ) -> None:
        word = "example" if len(example) == 1 else "examples"
        lines = "\n".join(f"  {line}" for line in example)
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"{word}:\n{lines}\n\n{more}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Says what is wrong with the words and ends with 64."""
        expected = " ".join(self.format_usage().removeprefix("usage: ").split())
        refuse(self.prog, "the words do not fit", expected=expected, got=message)
        raise SystemExit(EX_USAGE)


def refuse(prog: str, what: str, *, expected: str, got: str) -> int:
    """Writes an error of the command line; returns 64."""
    sys.stderr.write(
        f"{prog}: {what}\n  expected: {expected}\n  got: {got}\n  do: see `{prog} --help`\n"
    )
    return EX_USAGE

"""`python -m edge.simulators KIND --pty PATH`: the same as `evalroom sim`."""

from __future__ import annotations

import sys

from edge.simulators.cli import board_command

if __name__ == "__main__":
    sys.exit(board_command(sys.argv[1:]))

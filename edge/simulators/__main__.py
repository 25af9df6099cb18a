"""`python -m edge.simulators KIND --pty PATH`: the same as `evalroom sim`."""

from __future__ import annotations

import argparse
import sys

from edge.simulators.cli import add_options, main_sim


def main() -> int:
    """Reads the command line and runs the board."""
    parser = argparse.ArgumentParser(prog="evalroom sim")
    add_options(parser)
    return main_sim(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())

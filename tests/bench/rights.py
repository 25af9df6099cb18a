"""The whole matrix of roles, addresses and organisations, as a figure of the proof."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.hub.api.rights_place import mismatches, persons, placed


def main() -> int:
    """Walks every cell; 1 where the hub does not do what its table says."""
    with tempfile.TemporaryDirectory() as folder, placed(Path(folder)) as place:
        cells, wrong = mismatches(place, persons())
    for one in wrong:
        print(*one)  # noqa: T201
    print(f"{len(persons())} addresses, {len(wrong)} mismatches\nn = {cells}")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

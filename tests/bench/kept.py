"""Parts of a long figure that are done, so that an interrupted run goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

UNFINISHED: Final = 75  # exit code (sysexits.h, try again): it goes on where it was when run again


class Kept:
    """JSON values by name, in `out/`; forgotten when what they rest on has changed.

    Args:
        name: of the figure.
        sources: its digest (`source_state.digest`); empty: nothing is kept from before.
    """

    def __init__(self, name: str, sources: str, root: Path = Path("out")) -> None:
        self.folder = root / name
        self.folder.mkdir(parents=True, exist_ok=True)
        stamp = self.folder / "sources"
        if not sources or not stamp.exists() or stamp.read_text(encoding="ascii") != sources:
            for path in self.folder.glob("*.json"):
                path.unlink()
            stamp.write_text(sources, encoding="ascii")

    def get(self, part: str) -> Any:
        """What was kept of this part; None if it was not done."""
        path = self.folder / f"{part}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def put(self, part: str, value: Any) -> None:
        path = self.folder / f"{part}.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
        fresh.replace(path)

    def missing(self, parts: Sequence[str]) -> list[str]:
        """Those that are still to be done, in order."""
        return [part for part in parts if not (self.folder / f"{part}.json").exists()]

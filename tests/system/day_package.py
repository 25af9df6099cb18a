"""Ways to damage a hand-over package, and to sign a damaged one again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hub import crypto
from protocols.evidence.package import manifest_text, sign_package
from protocols.evidence.verifier import (
    PAYLOAD,
    PAYLOAD_SM3,
    SIGNATURE,
    TAGS,
    available_digests,
)


def first_named(report: str) -> str:
    """The item the first line of a report names."""
    verdict = report.splitlines()[0]
    return verdict.partition(": ")[2]


def kind_of(name: str) -> str:
    """Files of one kind have one fate: a stream's three files, each suffix, each single file."""
    path = Path(name)
    if name.startswith("data/streams/"):
        return f"streams/{path.name}"
    if name.startswith("data/av/") and path.name != "index.json":
        return "av/segment"
    return name


@contextmanager
def flipped(path: Path, position: int, bit: int) -> Iterator[None]:
    """One bit of one byte is another, for a while."""
    sound = path.read_bytes()
    raw = bytearray(sound)
    raw[position] ^= 1 << bit
    path.write_bytes(bytes(raw))
    try:
        yield
    finally:
        path.write_bytes(sound)


class Package:
    """A copy of a package that a test may damage."""

    def __init__(self, source: Path, target: Path) -> None:
        shutil.copytree(source, target, copy_function=shutil.copyfile)
        self.root = target

    def names(self) -> list[str]:
        found = (one for one in self.root.rglob("*") if one.is_file())
        return sorted(one.relative_to(self.root).as_posix() for one in found)

    def segment(self) -> str:
        """One recorded segment."""
        return next(name for name in self.names() if kind_of(name) == "av/segment")

    def remove(self, name: str) -> None:
        (self.root / name).unlink()

    def unlist(self, name: str) -> None:
        """Takes a file's line out of every manifest."""
        for manifest in (PAYLOAD, PAYLOAD_SM3, TAGS):
            path = self.root / manifest
            if path.exists():
                lines = path.read_text("utf-8").splitlines(keepends=True)
                kept = [line for line in lines if not line.endswith(f"  {name}\n")]
                path.write_text("".join(kept), "utf-8")

    def events(self) -> list[dict[str, Any]]:
        """Every event that is shown."""
        paths = sorted(self.root.glob("data/streams/*/*/events.jsonl"))
        return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]

    def hide(self, unwanted: Callable[[dict[str, Any]], bool], *, most: int = 10**9) -> int:
        """Leaves events out of what is shown; their hashes and seals stay. How many went."""
        gone = 0
        for path in sorted(self.root.glob("data/streams/*/*/events.jsonl")):
            kept = []
            for line in path.read_bytes().splitlines(keepends=True):
                if gone < most and unwanted(json.loads(line)):
                    gone += 1
                else:
                    kept.append(line)
            path.write_bytes(b"".join(kept))
        return gone

    def list_again(self) -> None:
        """Manifests that fit what lies there now, as a careful forger would write them."""
        payload = {name: self._hash(name) for name in self.names() if name.startswith("data/")}
        (self.root / PAYLOAD).write_bytes(manifest_text(payload))
        second = available_digests().get("sm3")
        if (self.root / PAYLOAD_SM3).exists() and second is not None:
            sums = {}
            for name in payload:
                state = second()
                state.update((self.root / name).read_bytes())
                sums[name] = state.hexdigest()
            (self.root / PAYLOAD_SM3).write_bytes(manifest_text(sums))
        self._count_again(payload)
        self.list_tags()

    def list_tags(self) -> None:
        """The tag manifest that fits what lies there now."""
        tags = {
            name: self._hash(name)
            for name in self.names()
            if not name.startswith("data/") and name not in (TAGS, SIGNATURE)
        }
        (self.root / TAGS).write_bytes(manifest_text(tags))

    def sign(self, seed: bytes, *, org: str = "") -> None:
        """A venue's signature over the tag manifest that lies there."""
        header = json.loads((self.root / SIGNATURE).read_bytes().split(b"\n")[0])
        name, raw = sign_package(
            org=org or header["org"],
            session=header["session"],
            tag_manifest=(self.root / TAGS).read_bytes(),
            public=crypto.public_of(seed),
            sign=crypto.signer(seed, "venue").sign,
        )
        (self.root / name).write_bytes(raw)

    def _count_again(self, payload: dict[str, str]) -> None:
        total = sum((self.root / name).stat().st_size for name in payload)
        info = self.root / "bag-info.txt"
        lines = info.read_text("utf-8").splitlines()
        kept = [line for line in lines if not line.startswith("Payload-Oxum")]
        info.write_text("\n".join([*kept, f"Payload-Oxum: {total}.{len(payload)}"]) + "\n", "utf-8")

    def _hash(self, name: str) -> str:
        return hashlib.sha256((self.root / name).read_bytes()).hexdigest()
